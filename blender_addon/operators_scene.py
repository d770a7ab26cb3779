"""Buttons that change the scene's settings: its motions and looks, its seed, those of a result."""

from pathlib import Path
from typing import Any

from bpy.props import EnumProperty, IntProperty
from bpy.types import Operator

from . import requests_from_scene as requests
from . import stack, strips
from .backend.api.presets import list_presets, read_preset
from .operators import allowed, attempt

Items = list[tuple[str, str, str]]
_items: dict[str, Items] = {"motions": [], "looks": []}  # Blender does not keep a menu's strings alive


def find(context: Any, name: str) -> Items:
    """Motions, or looks, of the library and those that come with Restage, as menu items. Reads files."""
    found = list_presets(requests.library(context) / "presets") + list_presets(requests.SHIPPED)
    _items[name][:] = [
        (str(folder), preset.title or preset.motion or preset.looks, preset.motion or preset.looks)
        for folder, preset in found
        if (preset.kind == "style") == (name == "looks")
    ]
    return _items[name]


class RESTAGE_OT_motion_add(Operator):  # type: ignore[misc]
    """Add a learned motion to what new clips move like"""

    bl_idname, bl_label, bl_options = "restage.motion_add", "Add Motion", {"UNDO"}
    bl_property = "folder"
    rows = "motions"
    nothing = "No motion has been learned yet. Select a movie strip and learn its motion"
    __annotations__ = {
        "folder": EnumProperty(
            name="Motion", items=lambda self, context: _items["motions"] or find(context, "motions")
        )
    }

    def invoke(self, context: Any, event: Any) -> set[str]:
        return search(self, context)

    def execute(self, context: Any) -> set[str]:
        return attempt(self, lambda: add(self, context))


class RESTAGE_OT_looks_add(Operator):  # type: ignore[misc]
    """Add learned looks, such as those of stills, to what new clips look like"""

    bl_idname, bl_label, bl_options = "restage.looks_add", "Add Looks", {"UNDO"}
    bl_property = "folder"
    rows = "looks"
    nothing = "No looks have been learned yet. Add a LoRA from a file, or learn looks with MotionDirector"
    __annotations__ = {
        "folder": EnumProperty(
            name="Looks", items=lambda self, context: _items["looks"] or find(context, "looks")
        )
    }

    def invoke(self, context: Any, event: Any) -> set[str]:
        return search(self, context)

    def execute(self, context: Any) -> set[str]:
        return attempt(self, lambda: add(self, context))


def search(operator: Any, context: Any) -> set[str]:
    """Let one of the library's be chosen by typing."""
    if not find(context, operator.rows):
        operator.report({"INFO"}, operator.nothing)
        return {"CANCELLED"}
    context.window_manager.invoke_search_popup(operator)
    return {"RUNNING_MODAL"}


def add(operator: Any, context: Any) -> None:
    read_preset(Path(operator.folder))  # raises UserError for one that was deleted meanwhile
    stack.add(getattr(strips.shown_scene(context).restage, operator.rows), Path(operator.folder))


class RESTAGE_OT_motion_remove(Operator):  # type: ignore[misc]
    """Take this motion off the list; what was learned stays in the library"""

    bl_idname, bl_label, bl_options = "restage.motion_remove", "Remove Motion", {"UNDO"}
    __annotations__ = {"index": IntProperty(options={"HIDDEN"})}

    def execute(self, context: Any) -> set[str]:
        stack.remove(strips.shown_scene(context), "motions", self.index)
        return {"FINISHED"}


class RESTAGE_OT_looks_remove(Operator):  # type: ignore[misc]
    """Take these looks off the list; their file or what was learned stays"""

    bl_idname, bl_label, bl_options = "restage.looks_remove", "Remove Looks", {"UNDO"}
    __annotations__ = {"index": IntProperty(options={"HIDDEN"})}

    def execute(self, context: Any) -> set[str]:
        stack.remove(strips.shown_scene(context), "looks", self.index)
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
    RESTAGE_OT_looks_add,
    RESTAGE_OT_looks_remove,
    RESTAGE_OT_new_seed,
    RESTAGE_OT_take_settings,
)
