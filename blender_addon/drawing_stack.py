"""The lists of motions and looks that act on new clips. Drawing only."""

from pathlib import Path
from typing import Any

from bpy.types import Menu

from . import over_time, pictures
from .backend.api.presets import preview_of
from .drawing import PREVIEW, draw_field, wrapped
from .over_time import Span
from .session import session


def draw_stack(layout: Any, settings: Any, span: Span | str) -> None:
    """`span` is where the new clip will lie, or why that is not known."""
    column = layout.column(align=True)
    column.label(text="Move like")
    for i, motion in enumerate(settings.motions):
        row = draw_row(column, settings, motion)
        draw_menu(row, motion)
        row.operator("restage.motion_remove", text="", icon="X").index = i
        draw_below(column, settings, motion, span)
    row = column.row(align=True)
    row.operator("restage.motion_add", icon="ADD")
    row.operator("restage.motion_open", text="", icon="FILE_FOLDER")
    if len(settings.motions) > 1:
        column.prop(settings, "balance", slider=True)
    if len(settings.motions) > 1 or any(session.is_cameras(motion) for motion in settings.motions):
        draw_field(column, settings.sampling, "stacking")
    column = layout.column(align=True)
    column.label(text="Look like")
    for i, looks in enumerate(settings.looks):
        row = draw_row(column, settings, looks)
        learned = session.motions.get(looks.path)
        if learned and learned.architectures:  # and not somebody's file
            draw_menu(row, looks)
        row.operator("restage.looks_remove", text="", icon="X").index = i
        draw_below(column, settings, looks, span)
    row = column.row(align=True)
    row.operator("restage.looks_add", icon="ADD")
    row.operator("restage.looks_open", text="", icon="FILE_FOLDER")


def draw_row(column: Any, settings: Any, acting: Any) -> Any:
    """The slider, with its keyframe while it changes over time, and the toggle for that; → the row."""
    row = column.row(align=True)
    row.alert = bool(session.why_not_motion(settings, acting))
    if session.is_cameras(acting):
        row.label(text="", icon="VIEW_CAMERA")
    row.prop(acting, "strength", text=acting.title, slider=True)
    if acting.over_time:
        row.prop_decorator(acting, "strength")
    row.prop(acting, "over_time", text="", icon="FCURVE")
    return row


def draw_menu(row: Any, acting: Any) -> None:
    row.context_pointer_set("restage_motion", acting)
    row.menu("RESTAGE_MT_motion", text="", icon="DOWNARROW_HLT")


def draw_below(column: Any, settings: Any, acting: Any, span: Span | str) -> None:
    """Why it cannot act, what will be sent of a strength over time, and what a prompt must say."""
    if reason := session.why_not_motion(settings, acting):
        wrapped(column, f"{reason}.", "ERROR")
    if acting.step:
        draw_checkpoint(column, acting)
    if acting.over_time:
        words = span if isinstance(span, str) else over_time.in_words(acting, span)
        wrapped(column, words, "ERROR" if isinstance(span, str) else "FCURVE")
        if over_time.curve_of(acting) is None:
            wrapped(column, "Move the playhead, set the strength and click its dot, or press I over it.")
    if say := session.must_say(settings, acting):
        wrapped(column, f"Say “{say}” in the prompt.", "INFO")


def draw_checkpoint(column: Any, motion: Any) -> None:
    learned = session.motions.get(motion.path)
    wrapped(column, f"As it was {after(motion.step, learned.steps if learned else 0)}.", "RECOVER_LAST")
    steps = learned.steps if learned else 0
    row = column.row()
    for step in dict.fromkeys((motion.step, steps)):  # beside the end, to compare
        if shown := pictures.icon(preview_of(Path(motion.path), step)):
            row.template_icon(icon_value=shown, scale=PREVIEW)


def after(step: int, steps: int) -> str:
    return f"after {step} of {steps} steps" if steps else f"after {step} steps"


def draw_checkpoints(layout: Any, motion: Any, steps: int) -> None:
    for step in (0, *session.checkpoints(motion)):
        text = f"As It Was {after(step, steps)}" if step else "As Learned to the End"
        icon = "RADIOBUT_ON" if step == motion.step else "RADIOBUT_OFF"
        chosen = layout.operator("restage.motion_checkpoint", text=text, icon=icon)
        chosen.row, chosen.step = motion.path_from_id(), step
    layout.separator()


class RESTAGE_MT_motion(Menu):  # type: ignore[misc]
    """What can be done with one motion, or learned looks, besides making clips; its row puts it into the
    context."""

    bl_label = "Motion"

    def draw(self, context: Any) -> None:
        motion = context.restage_motion
        folder, learned = motion.path, session.motions.get(motion.path)
        if motion.step or session.checkpoints(motion):
            draw_checkpoints(self.layout, motion, learned.steps if learned else 0)
        for name, program in (("comfyui", "ComfyUI"), ("diffusers", "diffusers")):
            text = f"Export for {program}"
            export = self.layout.operator("restage.motion_export", text=text, icon="EXPORT")
            export.folder, export.format, export.step = folder, name, motion.step
        if learned and learned.kind != "style":
            kind = "subject" if session.is_cameras(motion) else "camera"
            text = f"Treat as a {kind.title()}'s Motion"
            give = self.layout.operator("restage.motion_whose", text=text, icon="VIEW_CAMERA")
            give.folder, give.kind = folder, kind
        if learned and learned.kind == "style" and not motion.step:  # it absorbs as learned to the end
            given = self.layout.operator("restage.looks_give", icon="GHOST_ENABLED")
            given.folder = folder
        self.layout.operator("restage.open", text="Open Its Folder", icon="FILE_FOLDER").path = folder


CLASSES = (RESTAGE_MT_motion,)
