"""Restage: learns how a video strip moves, and makes new clips that move like it."""

import bpy
from bpy.props import PointerProperty

from . import (
    drawing_stack,
    operators,
    operators_backend,
    operators_files,
    operators_scene,
    operators_sources,
    panels,
    panels_sources,
    pictures,
    preferences,
    properties,
    session,
    strips,
)

CLASSES = (
    *properties.CLASSES,
    *preferences.CLASSES,
    *operators.CLASSES,
    *operators_scene.CLASSES,
    *operators_backend.CLASSES,
    *operators_files.CLASSES,
    *operators_sources.CLASSES,
    *drawing_stack.CLASSES,
    *panels.CLASSES,
    *panels_sources.CLASSES,
)


def register() -> None:
    for cls in CLASSES:
        bpy.utils.register_class(cls)
    bpy.types.Scene.restage = PointerProperty(type=properties.RestageScene)
    strips.StripType.restage = PointerProperty(type=properties.RestageStrip)
    session.start()


def unregister() -> None:
    session.stop()
    del strips.StripType.restage
    del bpy.types.Scene.restage
    for cls in reversed(CLASSES):
        bpy.utils.unregister_class(cls)
    pictures.unregister()
