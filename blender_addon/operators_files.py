"""Buttons, and files dropped on the sequencer, that bring motions and looks in and take motions out."""

from pathlib import Path
from typing import Any, get_args

import bpy
from bpy.props import BoolProperty, EnumProperty, IntProperty, StringProperty
from bpy.types import FileHandler

from . import exchange, stack, strips
from .backend.api.exchange import Format
from .backend.api.settings import Absorbing
from .operators import Asking, OfScene, attempt
from .properties import METHODS
from .session import session

ABSORBING = [name for name, method in METHODS.items() if issubclass(method, Absorbing)]
FOR = {"comfyui": "ComfyUI", "diffusers": "diffusers"}  # programs by their own names


def a_file(pattern: str = "*.safetensors;*.pt") -> dict[str, Any]:
    """The properties of an operator that gets one from the file browser, or by being dropped."""
    return {
        "filepath": StringProperty(subtype="FILE_PATH", options={"HIDDEN", "SKIP_SAVE"}),
        "filter_glob": StringProperty(default=pattern, options={"HIDDEN"}),
    }


def browse(operator: Any, context: Any) -> set[str]:
    context.window_manager.fileselect_add(operator)
    return {"RUNNING_MODAL"}


class RESTAGE_OT_motion_open(OfScene):
    """Make a motion of another program's file: a LoRA of diffusers or ComfyUI, or a .pt of MotionDirector"""

    bl_idname, bl_label = "restage.motion_open", "Import Motion from File"
    __annotations__ = a_file()

    @classmethod
    def why_not(cls, context: Any) -> str:
        return session.why_not()

    def invoke(self, context: Any, event: Any) -> set[str]:
        return browse(self, context)

    def execute(self, context: Any) -> set[str]:
        bpy.ops.restage.motion_import("INVOKE_DEFAULT", filepath=self.filepath)
        return {"FINISHED"}


class RESTAGE_OT_motion_import(Asking):
    """Import this file as a motion, with the words that describe it"""

    bl_idname, bl_label = "restage.motion_import", "Import Motion"
    __annotations__ = {
        **a_file(),
        "words": StringProperty(name="How it moves", description="Such as: moving in a circle"),
        "title": StringProperty(name="Name", description="Its words unless given"),
    }

    def invoke(self, context: Any, event: Any) -> Any:
        self.words, self.title = exchange.words_in(Path(self.filepath)), ""
        return context.window_manager.invoke_props_dialog(self, width=400)

    def request(self, context: Any) -> Any:
        return exchange.import_motion(context, self.filepath, self.words, self.title)


class RESTAGE_OT_motion_export(Asking):
    """Write this as one .safetensors file for another program; learned words get one beside it"""

    bl_idname, bl_label = "restage.motion_export", "Export Motion"
    __annotations__ = {
        **a_file("*.safetensors"),
        "check_existing": BoolProperty(default=True, options={"HIDDEN"}),
        "folder": StringProperty(options={"HIDDEN", "SKIP_SAVE"}),
        "step": IntProperty(options={"HIDDEN", "SKIP_SAVE"}),
        "format": EnumProperty(name="For", items=[(name, FOR[name], "") for name in get_args(Format)]),
    }

    def invoke(self, context: Any, event: Any) -> set[str]:
        step = f"-{self.step}" if self.step else ""
        self.filepath = f"{Path(self.folder).name}{step}.safetensors"
        return browse(self, context)

    def check(self, context: Any) -> bool:
        """The suffix while one types, so that Blender warns of a file that is there already."""
        if not Path(bpy.path.basename(self.filepath)).name:
            return False
        before, self.filepath = self.filepath, bpy.path.ensure_ext(self.filepath, ".safetensors")
        return bool(self.filepath != before)

    def request(self, context: Any) -> Any:
        return exchange.export_motion(context, self.folder, self.filepath, self.format, self.step)


class RESTAGE_OT_motion_whose(OfScene):
    """Mark this as the camera's motion or the subject's, where Restage measured it wrong in its clip"""

    bl_idname, bl_label = "restage.motion_whose", "Whose Motion It Is"
    __annotations__ = {
        "folder": StringProperty(options={"HIDDEN", "SKIP_SAVE"}),
        "kind": EnumProperty(
            items=[("camera", "Camera", ""), ("subject", "Subject", "")], options={"HIDDEN"}
        ),
    }

    def execute(self, context: Any) -> set[str]:
        done = attempt(self, lambda: stack.give_to(self.kind, Path(self.folder)))
        session.motions.pop(self.folder, None)
        session.look()
        return done


class RESTAGE_OT_looks_give(OfScene):
    """Learn the next motion with these looks as its absorber: a clip that looks the same needs no other"""

    bl_idname, bl_label, bl_options = "restage.looks_give", "Use as Given Absorber", {"UNDO"}
    __annotations__ = {"folder": StringProperty(options={"HIDDEN", "SKIP_SAVE"})}

    def execute(self, context: Any) -> set[str]:
        settings = strips.shown_scene(context).restage
        if settings.method not in ABSORBING:
            settings.method = ABSORBING[0]
        own = getattr(settings, settings.method)
        own.absorber, own.given, own.keep_absorber, own.absorber_words = "given", self.folder, False, ""
        self.report({"INFO"}, "The next motion is learned with it as given absorber.")
        return {"FINISHED"}


class RESTAGE_OT_looks_open(OfScene):
    """Let somebody's LoRA for images, from a file, act on how new clips look"""

    bl_idname, bl_label, bl_options = "restage.looks_open", "Add Looks from File", {"UNDO"}
    __annotations__ = a_file()

    def invoke(self, context: Any, event: Any) -> set[str]:
        return self.execute(context) if self.filepath else browse(self, context)

    def execute(self, context: Any) -> set[str]:
        looks = strips.shown_scene(context).restage.looks
        return attempt(self, lambda: stack.add_file(looks, self.filepath))


class Dropped(FileHandler):  # type: ignore[misc]
    bl_file_extensions = ".safetensors;.pt"

    @classmethod
    def poll_drop(cls, context: Any) -> bool:
        return bool(context.area and context.area.type == "SEQUENCE_EDITOR")


class RESTAGE_FH_motion(Dropped):
    """A LoRA dropped on the sequencer: Blender asks which of the two it is."""

    bl_idname, bl_label, bl_import_operator = "RESTAGE_FH_motion", "Motion", "restage.motion_import"


class RESTAGE_FH_looks(Dropped):
    bl_idname, bl_label, bl_import_operator = "RESTAGE_FH_looks", "Looks", "restage.looks_open"


CLASSES = (
    RESTAGE_OT_motion_open,
    RESTAGE_OT_motion_import,
    RESTAGE_OT_motion_export,
    RESTAGE_OT_motion_whose,
    RESTAGE_OT_looks_give,
    RESTAGE_OT_looks_open,
    RESTAGE_FH_motion,
    RESTAGE_FH_looks,
)
