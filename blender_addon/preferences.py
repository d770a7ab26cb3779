"""Where things are kept, what computes, and the state of the backend's environment."""

from typing import Any

from bpy.props import EnumProperty, StringProperty
from bpy.types import AddonPreferences

from .backend.api.protocol import Compute
from .panels import draw_environment
from .properties import properties_of
from .session import preferences_changed

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
            description="Where motions, bases and the backend are kept; empty for the user's data folder",
            subtype="DIR_PATH",
            update=preferences_changed,
        ),
    }

    def draw(self, context: Any) -> None:
        layout = self.layout
        layout.use_property_split = True
        for name in ("library", "device", "memory", "precision"):
            layout.prop(self, name)
        draw_environment(layout)


CLASSES = (RestagePreferences,)
