"""Buttons that change the scene's settings: its motions and looks, its seed, those of a result."""

from pathlib import Path
from typing import Any

from bpy.props import EnumProperty, IntProperty, StringProperty

from . import requests_from_scene as requests
from . import stack, strips
from .backend.api.presets import list_presets, read_preset
from .operators import OfScene, attempt

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


def chosen(name: str, title: str) -> dict[str, Any]:
    """The property that holds what was chosen of motions or looks."""
    return {
        "folder": EnumProperty(name=title, items=lambda self, context: _items[name] or find(context, name))
    }


class Adding(OfScene):
    """Adds one of the library's, chosen by typing, to the list `rows`, or says that there is `nothing`."""

    bl_options, bl_property = {"UNDO"}, "folder"
    rows = nothing = ""

    def invoke(self, context: Any, event: Any) -> set[str]:
        if not find(context, self.rows):
            self.report({"INFO"}, self.nothing)
            return {"CANCELLED"}
        context.window_manager.invoke_search_popup(self)
        return {"RUNNING_MODAL"}

    def execute(self, context: Any) -> set[str]:
        return attempt(self, lambda: self.add(context))

    def add(self, context: Any) -> None:
        read_preset(Path(self.folder))  # raises UserError for one that was deleted meanwhile
        stack.add(getattr(strips.shown_scene(context).restage, self.rows), Path(self.folder))


class RESTAGE_OT_motion_add(Adding):
    """Add a learned motion to what new clips move like"""

    bl_idname, bl_label, rows = "restage.motion_add", "Add Motion", "motions"
    nothing = "No motion has been learned yet. Select a movie strip and learn its motion"
    __annotations__ = chosen("motions", "Motion")


class RESTAGE_OT_looks_add(Adding):
    """Add learned looks, such as those of stills, to what new clips look like"""

    bl_idname, bl_label, rows = "restage.looks_add", "Add Looks", "looks"
    nothing = "No looks have been learned yet. Add a LoRA from a file, or learn looks with MotionDirector"
    __annotations__ = chosen("looks", "Looks")


class Removing(OfScene):
    """Takes a row off the list `rows`."""

    bl_options, rows = {"UNDO"}, ""

    def execute(self, context: Any) -> set[str]:
        stack.remove(strips.shown_scene(context), self.rows, self.index)
        return {"FINISHED"}


class RESTAGE_OT_motion_remove(Removing):
    """Take this motion off the list; what was learned stays in the library"""

    bl_idname, bl_label, rows = "restage.motion_remove", "Remove Motion", "motions"
    __annotations__ = {"index": IntProperty(options={"HIDDEN"})}


class RESTAGE_OT_motion_checkpoint(OfScene):
    """Let this motion act as it was then. Learned for less long, it often keeps less of the looks"""

    bl_idname, bl_label, bl_options = "restage.motion_checkpoint", "Choose Checkpoint", {"UNDO"}
    __annotations__ = {
        "row": StringProperty(options={"HIDDEN"}),  # its path from the scene
        "step": IntProperty(options={"HIDDEN"}),
    }

    def execute(self, context: Any) -> set[str]:
        strips.shown_scene(context).path_resolve(self.row).step = self.step
        return {"FINISHED"}


class RESTAGE_OT_looks_remove(Removing):
    """Take these looks off the list; their file or what was learned stays"""

    bl_idname, bl_label, rows = "restage.looks_remove", "Remove Looks", "looks"
    __annotations__ = {"index": IntProperty(options={"HIDDEN"})}


class RESTAGE_OT_new_seed(OfScene):
    """Draw another seed, and keep it"""

    bl_idname, bl_label, bl_options = "restage.new_seed", "New Seed", {"UNDO"}

    def execute(self, context: Any) -> set[str]:
        settings = strips.shown_scene(context).restage
        settings.seed, settings.keep_seed = requests.new_seed(), True
        return {"FINISHED"}


class RESTAGE_OT_take_settings(OfScene):
    """Set everything below as it was when this result was made, its seed too"""

    bl_idname, bl_label, bl_options = "restage.take_settings", "Use Its Settings", {"UNDO"}

    @classmethod
    def why_not(cls, context: Any) -> str:
        strip = strips.active_strip(strips.shown_scene(context))
        return "" if requests.made_by(strip) else "Select a strip that Restage made"

    def execute(self, context: Any) -> set[str]:
        scene = strips.shown_scene(context)
        request = requests.made_by(strips.active_strip(scene))
        assert request is not None  # poll has seen it
        requests.take_settings(request, scene.restage)
        return {"FINISHED"}


CLASSES = (
    RESTAGE_OT_motion_add,
    RESTAGE_OT_motion_remove,
    RESTAGE_OT_motion_checkpoint,
    RESTAGE_OT_looks_add,
    RESTAGE_OT_looks_remove,
    RESTAGE_OT_new_seed,
    RESTAGE_OT_take_settings,
)
