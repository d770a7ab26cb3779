"""Where things are kept, what computes, and the state of the backend's environment."""

from typing import Any

from bpy.props import EnumProperty, StringProperty
from bpy.types import AddonPreferences

from .backend.api.protocol import Compute
from .properties import properties_of
from .session import preferences_changed, session

DEVICES = [
    ("auto", "Automatic", "The GPU if there is one, else the processor"),
    ("cuda", "NVIDIA or AMD GPU", "The first GPU that torch finds"),
    ("mps", "Apple GPU", "The GPU of an Apple computer"),
    ("cpu", "Processor", "No GPU at all: slow, but it works everywhere"),
]
STATES = {
    "missing": "The backend is not set up yet. It needs about 8 GB and an internet connection, once.",
    "broken": "Setting up the backend was interrupted. Set it up again; what has arrived is kept.",
    "ready": "The backend is set up.",
}


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


def draw_environment(layout: Any) -> None:
    """The state of the backend's environment and the button that makes it."""
    box = layout.box().column()
    if session.setting_up and session.set_up:
        box.label(text="Setting up the backend: this takes some minutes", icon="TIME")
        box.label(text=session.set_up.line)
        return
    for line in STATES[session.environment].split(". "):
        box.label(text=line.removesuffix("."))
    if session.set_up and session.set_up.error:
        box.label(text=session.set_up.error.message, icon="ERROR")
        box.label(text=session.set_up.error.hint)
    if session.environment != "ready":
        box.operator("restage.set_up", icon="IMPORT")


CLASSES = (RestagePreferences,)
