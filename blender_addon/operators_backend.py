"""Buttons for what Restage computes with: setting it up, its memory, its log, its folder."""

from pathlib import Path
from typing import Any

import bpy
from bpy.props import StringProperty
from bpy.types import Operator

from . import requests_from_scene as requests
from .operators import allowed
from .session import session


class RESTAGE_OT_set_up(Operator):  # type: ignore[misc]
    """Download and install what Restage computes with, once; Blender stays usable meanwhile"""

    bl_idname, bl_label = "restage.set_up", "Set Up Restage"

    @classmethod
    def poll(cls, context: Any) -> bool:
        busy = "Wait for the jobs, or cancel them" if session.busy else ""
        offline = "Allow online access first (Preferences > System > Network)"
        reason = "It is being set up" if session.setting_up else busy
        return allowed(cls, reason or ("" if bpy.app.online_access else offline))

    def execute(self, context: Any) -> set[str]:
        session.end_backend()
        session.make_environment(requests.library(context))
        return {"FINISHED"}


class RESTAGE_OT_cancel_set_up(Operator):  # type: ignore[misc]
    """Stop setting up; what has been downloaded is kept for the next time"""

    bl_idname, bl_label = "restage.cancel_set_up", "Cancel"

    def execute(self, context: Any) -> set[str]:
        if session.set_up:
            session.set_up.cancel()
        return {"FINISHED"}


class RESTAGE_OT_free_memory(Operator):  # type: ignore[misc]
    """Give the graphics card and the memory back to Blender; the next job takes a little longer to start"""

    bl_idname, bl_label = "restage.free_memory", "Free Memory"

    @classmethod
    def poll(cls, context: Any) -> bool:
        return allowed(cls, "Wait for the jobs, or cancel them" if session.busy else "")

    def execute(self, context: Any) -> set[str]:
        session.end_backend()
        return {"FINISHED"}


class RESTAGE_OT_open(Operator):  # type: ignore[misc]
    """Open this file or folder in the program that this computer opens it with"""

    bl_idname, bl_label = "restage.open", "Open"
    __annotations__ = {"path": StringProperty(options={"HIDDEN"})}

    def execute(self, context: Any) -> set[str]:
        if not Path(self.path).exists():
            self.report({"INFO"}, f"There is nothing yet in {self.path}")
            return {"CANCELLED"}
        return bpy.ops.wm.path_open(filepath=self.path)  # type: ignore[no-any-return]


CLASSES = (
    RESTAGE_OT_set_up,
    RESTAGE_OT_cancel_set_up,
    RESTAGE_OT_free_memory,
    RESTAGE_OT_open,
)
