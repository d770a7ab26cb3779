"""The part of the tab that lists what is learned from besides the active strip. Drawing only."""

from typing import Any

from bpy.types import UIList

from . import sources
from .drawing import wrapped
from .panels import Tab


class RESTAGE_UL_sources(UIList):  # type: ignore[misc]
    """A clip or still, and what is seen in it."""

    def draw_item(
        self, context: Any, layout: Any, data: Any, item: Any, icon: Any, active: Any, index_name: Any
    ) -> None:
        row = layout.split(factor=0.4)
        row.label(text=item.title, icon="FILE_IMAGE" if sources.is_picture(item.path) else "FILE_MOVIE")
        words = "What is seen, and how it moves" if index_name == "regular_index" else "What is seen"
        row.prop(item, "looks", text="", emboss=False, placeholder=words)


class RESTAGE_PT_learn_sources(Tab):
    bl_label, bl_parent_id, bl_options = "More to learn from", "RESTAGE_PT_learn", {"DEFAULT_CLOSED"}

    def draw_for(self, layout: Any, scene: Any, strip: Any) -> None:
        settings = scene.restage
        if sources.only_looks(settings):
            text = "Only looks are learned: of the active strip, if a movie, and of what is listed here."
            wrapped(layout, text, "INFO")
        for name in sources.used(settings):
            draw_list(layout, settings, name)


def draw_list(layout: Any, settings: Any, name: str) -> None:
    column = layout.column(align=True)
    column.label(text=sources.HEADINGS[name])
    rows, index = getattr(settings, name), f"{name}_index"
    row = column.row()
    row.template_list("RESTAGE_UL_sources", name, settings, name, settings, index, rows=2)
    buttons = row.column(align=True)
    buttons.operator("restage.sources_strips", text="", icon="ADD").rows = name
    buttons.operator("restage.sources_files", text="", icon="FILE_FOLDER").rows = name
    if not len(rows):
        return
    buttons.operator("restage.sources_remove", text="", icon="REMOVE").rows = name
    active = rows[min(getattr(settings, index), len(rows) - 1)]
    if not sources.is_picture(active.path):
        draw_range(column, active)


def draw_range(column: Any, clip: Any) -> None:
    """Which frames of the file are learned, and which way round."""
    row = column.row(align=True)
    row.prop(clip, "first_frame", text="From frame")
    row.prop(clip, "own_frame_count", text="", icon="PREVIEW_RANGE")
    count = row.row(align=True)
    count.active = clip.own_frame_count
    count.prop(clip, "frame_count", text="Frames")
    row.prop(clip, "reverse", text="", icon="PLAY_REVERSE", toggle=True)


CLASSES = (RESTAGE_UL_sources, RESTAGE_PT_learn_sources)
