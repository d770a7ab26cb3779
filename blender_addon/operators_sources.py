"""Buttons of the lists of what is learned from besides the active strip."""

from pathlib import Path
from typing import Any

import bpy
from bpy.props import CollectionProperty, StringProperty
from bpy.types import OperatorFileListElement

from . import sources, strips
from .operators import OfScene, attempt


class OfList(OfScene):
    __annotations__ = {"rows": StringProperty(options={"HIDDEN"})}  # one of properties.SOURCES


class RESTAGE_OT_sources_strips(OfList):
    """Add the selected strips: the range of each that is seen now"""

    bl_idname, bl_label, bl_options = "restage.sources_strips", "Add Selected Strips", {"UNDO"}

    def execute(self, context: Any) -> set[str]:
        return attempt(self, lambda: sources.add_strips(strips.shown_scene(context), self.rows))


class RESTAGE_OT_sources_files(OfList):
    """Add files; several at once by holding Shift or Ctrl"""

    bl_idname, bl_label, bl_options = "restage.sources_files", "Add Files", {"UNDO"}
    __annotations__ = {
        **OfList.__annotations__,
        "directory": StringProperty(subtype="DIR_PATH", options={"HIDDEN", "SKIP_SAVE"}),
        "files": CollectionProperty(type=OperatorFileListElement, options={"HIDDEN", "SKIP_SAVE"}),
        "filter_glob": StringProperty(options={"HIDDEN", "SKIP_SAVE"}),
    }

    def invoke(self, context: Any, event: Any) -> set[str]:
        kinds = sources.MOVIES + (sources.PICTURES if self.rows == "stills" else ())
        self.filter_glob = ";".join(f"*{kind}" for kind in kinds)
        context.window_manager.fileselect_add(self)
        return {"RUNNING_MODAL"}

    def execute(self, context: Any) -> set[str]:
        folder = Path(bpy.path.abspath(self.directory)).resolve()
        paths = [folder / file.name for file in self.files]
        return attempt(self, lambda: sources.add_files(strips.shown_scene(context), self.rows, paths))


class RESTAGE_OT_sources_remove(OfList):
    """Take this off the list; its file stays"""

    bl_idname, bl_label, bl_options = "restage.sources_remove", "Remove", {"UNDO"}

    def execute(self, context: Any) -> set[str]:
        settings = strips.shown_scene(context).restage
        rows, index = getattr(settings, self.rows), f"{self.rows}_index"
        rows.remove(getattr(settings, index))
        setattr(settings, index, max(0, min(getattr(settings, index), len(rows) - 1)))
        return {"FINISHED"}


CLASSES = (RESTAGE_OT_sources_strips, RESTAGE_OT_sources_files, RESTAGE_OT_sources_remove)
