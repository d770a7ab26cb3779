"""Buttons that change the scene's settings: its motions, its seed, those of a result."""

from pathlib import Path
from typing import Any

from bpy.props import EnumProperty, IntProperty
from bpy.types import Operator

from . import requests_from_scene as requests
from . import strips
from .backend.api.presets import list_presets, read_preset
from .operators import allowed, attempt

_motion_items: list[tuple[str, str, str]] = []  # Blender does not keep the strings of a menu alive


def find_motions(context: Any) -> list[tuple[str, str, str]]:
    """The motions of the library and those that come with Restage, as menu items; reads their files."""
    found = list_presets(requests.library(context) / "presets") + list_presets(requests.SHIPPED)
    # (What has no motion is looks that were kept beside one.)
    _motion_items[:] = [
        (str(folder), preset.title or preset.motion, preset.motion)
        for folder, preset in found
        if preset.motion
    ]
    return _motion_items


class RESTAGE_OT_motion_add(Operator):  # type: ignore[misc]
    """Add a learned motion to what new clips move like"""

    bl_idname, bl_label, bl_options = "restage.motion_add", "Add Motion", {"UNDO"}
    bl_property = "folder"
    __annotations__ = {
        "folder": EnumProperty(
            name="Motion", items=lambda self, context: _motion_items or find_motions(context)
        )
    }

    def invoke(self, context: Any, event: Any) -> set[str]:
        if not find_motions(context):
            self.report({"INFO"}, "No motion has been learned yet. Select a movie strip and learn its motion")
            return {"CANCELLED"}
        context.window_manager.invoke_search_popup(self)
        return {"RUNNING_MODAL"}

    def execute(self, context: Any) -> set[str]:
        return attempt(self, lambda: self.add(strips.shown_scene(context).restage.motions))

    def add(self, motions: Any) -> None:
        preset = read_preset(Path(self.folder))
        motion = motions.add()
        motion.path, motion.title = self.folder, preset.title or preset.motion
        motion.strength = preset.strength


class RESTAGE_OT_motion_remove(Operator):  # type: ignore[misc]
    """Take this motion off the list; what was learned stays in the library"""

    bl_idname, bl_label, bl_options = "restage.motion_remove", "Remove Motion", {"UNDO"}
    __annotations__ = {"index": IntProperty(options={"HIDDEN"})}

    def execute(self, context: Any) -> set[str]:
        strips.shown_scene(context).restage.motions.remove(self.index)
        return {"FINISHED"}


class RESTAGE_OT_new_seed(Operator):  # type: ignore[misc]
    """Draw another seed, and keep it"""

    bl_idname, bl_label, bl_options = "restage.new_seed", "New Seed", {"UNDO"}

    def execute(self, context: Any) -> set[str]:
        settings = strips.shown_scene(context).restage
        settings.seed, settings.keep_seed = requests.new_seed(), True
        return {"FINISHED"}


class RESTAGE_OT_take_settings(Operator):  # type: ignore[misc]
    """Set everything below as it was when this result was made, its seed too"""

    bl_idname, bl_label, bl_options = "restage.take_settings", "Use Its Settings", {"UNDO"}

    @classmethod
    def poll(cls, context: Any) -> bool:
        strip = strips.active_strip(strips.shown_scene(context))
        return allowed(cls, "" if requests.made_by(strip) else "Select a strip that Restage made")

    def execute(self, context: Any) -> set[str]:
        scene = strips.shown_scene(context)
        request = requests.made_by(strips.active_strip(scene))
        assert request is not None  # poll has seen it
        requests.take_settings(request, scene.restage)
        return {"FINISHED"}


CLASSES = (
    RESTAGE_OT_motion_add,
    RESTAGE_OT_motion_remove,
    RESTAGE_OT_new_seed,
    RESTAGE_OT_take_settings,
)
