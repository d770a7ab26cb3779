"""What buttons do: read properties, build a message, send it. Only those that change the scene have UNDO."""

from typing import Any

import bpy
from bpy.props import EnumProperty, IntProperty, StringProperty
from bpy.types import Operator

from . import requests_from_scene as requests
from . import strips
from .backend.api.presets import list_presets
from .backend.errors import UserError
from .session import session

_motion_items: list[tuple[str, str, str]] = []  # Blender does not keep the strings of a menu alive


def allowed(operator: Any, reason: str) -> bool:
    """For `poll`: True without a reason against it; else the button is grey and says the reason."""
    if reason:
        operator.poll_message_set(reason)
    return not reason


class Asking(Operator):  # type: ignore[misc]
    """Sends one request for the strip that is active, and tells what a person can put right."""

    def request(self, context: Any) -> Any:
        raise NotImplementedError

    def execute(self, context: Any) -> set[str]:
        scene = strips.shown_scene(context)
        try:
            request = self.request(context)
            place = strips.place_of(scene, strips.active_strip(scene))
            session.submit(request, place, getattr(request, "title", "") or request.prompt)
        except UserError as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        return {"FINISHED"}


class RESTAGE_OT_learn(Asking):
    """Learn how the active strip moves, and nothing of how it looks"""

    bl_idname, bl_label = "restage.learn", "Learn Motion"

    @classmethod
    def poll(cls, context: Any) -> bool:
        return allowed(cls, session.why_not() or requests.why_not_learn(context))

    def request(self, context: Any) -> Any:
        return requests.learn(context)


class RESTAGE_OT_generate(Asking):
    """Make a new clip of the prompt that moves like the motions"""

    bl_idname, bl_label = "restage.generate", "Generate"

    @classmethod
    def poll(cls, context: Any) -> bool:
        return allowed(cls, session.why_not() or requests.why_not_generate(context))

    def request(self, context: Any) -> Any:
        return requests.generate(context)


class RESTAGE_OT_edit(Asking):
    """Make the active strip again, showing what the prompt says"""

    bl_idname, bl_label = "restage.edit", "Edit Strip"

    @classmethod
    def poll(cls, context: Any) -> bool:
        return allowed(cls, session.why_not() or requests.why_not_edit(context))

    def request(self, context: Any) -> Any:
        return requests.edit(context)


class RESTAGE_OT_cancel(Operator):  # type: ignore[misc]
    """Stop this job"""

    bl_idname, bl_label = "restage.cancel", "Cancel"
    __annotations__ = {"job": StringProperty(options={"HIDDEN"})}

    def execute(self, context: Any) -> set[str]:
        session.cancel(self.job)
        return {"FINISHED"}


class RESTAGE_OT_dismiss(Operator):  # type: ignore[misc]
    """Take the jobs that have ended off the list; their clips and motions stay"""

    bl_idname, bl_label = "restage.dismiss", "Clear List"

    def execute(self, context: Any) -> set[str]:
        session.dismiss_ended()
        return {"FINISHED"}


class RESTAGE_OT_set_up(Operator):  # type: ignore[misc]
    """Download and install what Restage computes with, once; Blender stays usable meanwhile"""

    bl_idname, bl_label = "restage.set_up", "Set Up Backend"

    @classmethod
    def poll(cls, context: Any) -> bool:
        offline = (
            "" if bpy.app.online_access else "Allow online access first (Preferences > System > Network)"
        )
        return allowed(cls, "It is being set up" if session.setting_up else offline)

    def execute(self, context: Any) -> set[str]:
        session.make_environment(requests.library(context))
        return {"FINISHED"}


class RESTAGE_OT_motion_add(Operator):  # type: ignore[misc]
    """Add a learned motion to what new clips move like"""

    bl_idname, bl_label, bl_options = "restage.motion_add", "Add Motion", {"UNDO"}
    bl_property = "folder"
    __annotations__ = {"folder": EnumProperty(name="Motion", items=lambda self, context: _motion_items)}

    @classmethod
    def find(cls, context: Any) -> list[tuple[str, str, str]]:
        found = list_presets(requests.library(context) / "presets") + list_presets(requests.SHIPPED)
        _motion_items[:] = [
            (str(folder), preset.title or preset.motion, preset.motion) for folder, preset in found
        ]
        return _motion_items

    def invoke(self, context: Any, event: Any) -> set[str]:
        if not self.find(context):
            self.report({"INFO"}, "No motion has been learned yet.")
            return {"CANCELLED"}
        context.window_manager.invoke_search_popup(self)
        return {"RUNNING_MODAL"}

    def execute(self, context: Any) -> set[str]:
        motion = strips.shown_scene(context).restage.motions.add()
        motion.path = self.folder
        motion.title = next(title for path, title, _ in _motion_items if path == self.folder)
        return {"FINISHED"}


class RESTAGE_OT_motion_remove(Operator):  # type: ignore[misc]
    """Take this motion off the list; what was learned stays in the library"""

    bl_idname, bl_label, bl_options = "restage.motion_remove", "Remove Motion", {"UNDO"}
    __annotations__ = {"index": IntProperty(options={"HIDDEN"})}

    def execute(self, context: Any) -> set[str]:
        strips.shown_scene(context).restage.motions.remove(self.index)
        return {"FINISHED"}


CLASSES = (
    RESTAGE_OT_learn,
    RESTAGE_OT_generate,
    RESTAGE_OT_edit,
    RESTAGE_OT_cancel,
    RESTAGE_OT_dismiss,
    RESTAGE_OT_set_up,
    RESTAGE_OT_motion_add,
    RESTAGE_OT_motion_remove,
)
