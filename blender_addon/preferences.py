"""Where things are kept, what computes, and how setting up stands."""

from typing import Any

from bpy.props import EnumProperty, StringProperty
from bpy.types import AddonPreferences

from .backend.api.library import default_library
from .backend.api.protocol import Compute
from .drawing import draw_environment
from .properties import properties_of
from .session import preferences_changed, session

DEVICES = [
    ("auto", "Automatic", "The GPU if there is one, else the processor"),
    ("cuda", "NVIDIA or AMD GPU", "The first GPU that torch finds"),
    ("mps", "Apple GPU", "The GPU of an Apple computer"),
    ("cpu", "Processor", "No GPU at all: slow, but it works everywhere"),
]


class RestagePreferences(AddonPreferences):  # type: ignore[misc]
    bl_idname = __package__
    __annotations__ = {
        **properties_of(Compute, leave_out=("device",)),
        "device": EnumProperty(name="Device", description="What computes", items=DEVICES),
        "library": StringProperty(
            name="Library",
            description="Where motions, base models and what Restage computes with are kept",
            subtype="DIR_PATH",
            update=preferences_changed,
        ),
    }

    def draw(self, context: Any) -> None:
        layout = self.layout
        layout.use_property_split = True
        layout.prop(self, "library", placeholder=str(default_library()))
        for name in ("device", "memory", "precision"):
            layout.prop(self, name)
        draw_environment(layout)
        where = session.library
        row = layout.row(align=True)
        row.operator("restage.open", text="Library", icon="FILE_FOLDER").path = str(where)
        row.operator("restage.open", text="Log", icon="TEXT").path = str(where / "backend.log")
        if session.environment == "ready" and not session.setting_up:
            row.operator("restage.set_up", text="Set Up Again", icon="TOOL_SETTINGS")


CLASSES = (RestagePreferences,)
