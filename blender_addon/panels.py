"""The tab "Restage" in the sequencer's sidebar. Drawing only: no file is read, nothing is changed."""

import dataclasses
import textwrap
from typing import Any

import bpy
from bpy.types import Panel

from . import facts, strips
from .backend.api.protocol import Sampling
from .properties import METHODS, NOT_ASKED, OWN
from .session import Job, session

STATES = {
    "missing": "The backend is not set up yet. It needs about 8 GB and an internet connection, once.",
    "broken": "Setting up the backend was interrupted. Set it up again; what has arrived is kept.",
    "ready": "The backend is set up.",
}
ICONS = {"done": "CHECKMARK", "failed": "ERROR", "cancelled": "X"}


def wrapped(layout: Any, text: str, icon: str = "NONE") -> None:
    """A text over as many lines as the sidebar's width asks for."""
    width = bpy.context.region.width / bpy.context.preferences.system.ui_scale
    characters = int(width / 6.5) - 8
    column = layout.column(align=True)
    for i, line in enumerate(textwrap.wrap(text, max(characters, 16))):
        column.label(text=line, icon=icon if i == 0 else ("BLANK1" if icon != "NONE" else "NONE"))


def draw_environment(layout: Any) -> None:
    """The state of the backend's environment and the button that makes it; in the preferences too."""
    box = layout.box().column()
    if session.setting_up and session.set_up:
        wrapped(box, "Setting up the backend. This takes some minutes; Blender stays usable.", "TIME")
        wrapped(box, session.set_up.line)
        return
    wrapped(box, STATES[session.environment])
    if session.set_up and session.set_up.error:
        wrapped(box, str(session.set_up.error), "ERROR")
    if session.environment != "ready":
        if not bpy.app.online_access:
            wrapped(box, "Allow online access first, in Blender's preferences under System.", "INFO")
        box.operator("restage.set_up", icon="IMPORT")


def draw_field(layout: Any, settings: Any, name: str) -> None:
    """One setting; where it may be left to the base, with its switch."""
    if not hasattr(settings, OWN + name):
        layout.prop(settings, name)
        return
    chosen = getattr(settings, OWN + name)
    row = layout.row(heading=settings.bl_rna.properties[name].name)
    row.prop(settings, OWN + name, text="")
    value = row.row()
    value.active = chosen
    value.prop(settings, name, text="")


def words(layout: Any, settings: Any, name: str) -> None:
    """A text field under its name, over the whole width."""
    column = layout.column(align=True)
    column.label(text=settings.bl_rna.properties[name].name)
    column.prop(settings, name, text="")


class Tab(Panel):  # type: ignore[misc]
    bl_space_type, bl_region_type, bl_category = "SEQUENCE_EDITOR", "UI", "Restage"

    def draw(self, context: Any) -> None:
        scene = strips.shown_scene(context)
        self.layout.use_property_decorate = False
        self.draw_for(self.layout, scene, strips.active_strip(scene))

    def draw_for(self, layout: Any, scene: Any, strip: Any) -> None:
        raise NotImplementedError


class RESTAGE_PT_strip(Tab):
    bl_label = "Restage"

    def draw_for(self, layout: Any, scene: Any, strip: Any) -> None:
        if session.environment != "ready" or session.setting_up:
            draw_environment(layout)
        if session.trouble:
            wrapped(layout, session.trouble, "ERROR")
        if reason := strips.why_not_a_source(strip):
            wrapped(layout, f"{reason}.", "INFO")
            return
        box = layout.box().column(align=True)
        box.label(text=strip.name, icon="SEQUENCE")
        for line in facts.lines_about(strip, scene, session.windows.get(scene.restage.base)):
            wrapped(box, line)
        if scene.view_settings.view_transform != "Standard":
            wrapped(layout, "Movies keep their colours only with the view transform Standard:", "INFO")
            layout.prop(scene.view_settings, "view_transform", text="")


class RESTAGE_PT_learn(Tab):
    bl_label = "1  Learn its motion"

    def draw_for(self, layout: Any, scene: Any, strip: Any) -> None:
        column = layout.column()
        column.enabled = not strips.why_not_a_source(strip)
        if column.enabled:
            words(column, strip.restage, "motion")
            words(column, strip.restage, "looks")
        column.label(text="How long to learn")
        column.row().prop(scene.restage, "quality", expand=True)
        big_button(layout, "restage.learn", "ANIM_DATA")


class RESTAGE_PT_learn_options(Tab):
    bl_label, bl_parent_id, bl_options = "Options", "RESTAGE_PT_learn", {"DEFAULT_CLOSED"}

    def draw_for(self, layout: Any, scene: Any, strip: Any) -> None:
        layout.use_property_split = True
        settings = scene.restage
        layout.prop(settings, "base")
        draw_field(layout, settings, "steps")
        layout.prop(settings, "learn_seed")
        layout.prop(settings, "method")
        for f in dataclasses.fields(METHODS[settings.method]):
            draw_field(layout, getattr(settings, settings.method), f.name)


class RESTAGE_PT_make(Tab):
    bl_label = "2  Make a new clip with it"

    def draw_for(self, layout: Any, scene: Any, strip: Any) -> None:
        settings = scene.restage
        layout.label(text="Move like")
        column = layout.column(align=True)
        for i, motion in enumerate(settings.motions):
            row = column.row(align=True)
            row.prop(motion, "strength", text=motion.title, slider=True)
            row.operator("restage.motion_remove", text="", icon="X").index = i
        column.operator("restage.motion_add", icon="ADD")
        words(layout, settings, "prompt")
        big_button(layout, "restage.generate", "FILE_MOVIE")
        column = layout.column()
        column.label(text="Or remake the selected strip from the prompt")
        column.prop(settings, "follow", slider=True, text="Follow the strip")
        big_button(column, "restage.edit", "MODIFIER")


class RESTAGE_PT_make_options(Tab):
    bl_label, bl_parent_id, bl_options = "Options", "RESTAGE_PT_make", {"DEFAULT_CLOSED"}

    def draw_for(self, layout: Any, scene: Any, strip: Any) -> None:
        layout.use_property_split = True
        settings = scene.restage
        for name in ("seed", "count", "as_long"):
            layout.prop(settings, name)
        for f in dataclasses.fields(Sampling):
            if f.name not in NOT_ASKED:
                draw_field(layout, settings.sampling, f.name)
        draw_field(layout, settings, "inversion_steps")


class RESTAGE_PT_jobs(Tab):
    bl_label = "Jobs"

    def draw_for(self, layout: Any, scene: Any, strip: Any) -> None:
        for key, job in reversed(session.jobs.items()):
            draw_job(layout.box().column(), key, job)
        if any(job.ended for job in session.jobs.values()):
            layout.operator("restage.dismiss")
        if not session.jobs:
            layout.label(text="What is being learned or made is listed here.")
        layout.label(text=session.about_backend, icon="SYSTEM")


def draw_job(column: Any, key: str, job: Job) -> None:
    """Title, then progress with its Cancel button, or how it ended."""
    kind = type(job.request).__name__
    column.label(text=f"{kind}: {job.title}", icon=ICONS.get(job.state, "SORTTIME"))
    if not job.ended:
        row = column.row(align=True)
        row.progress(factor=job.done / max(job.total, 1), text=progress_text(job))
        if job.state != "stopping":
            row.operator("restage.cancel", text="", icon="X").job = key
    if job.state == "cancelled":
        column.label(text="Cancelled")
    for text in (job.note, job.hint):
        if text:
            wrapped(column, text)


def progress_text(job: Job) -> str:
    if job.state in ("waiting", "stopping"):
        return {"waiting": "Waiting", "stopping": "Stopping"}[job.state]
    return f"{job.phase} {job.done}/{job.total}" if job.total > 1 else job.phase


def big_button(layout: Any, operator: str, icon: str) -> None:
    row = layout.row()
    row.scale_y = 1.4
    row.operator(operator, icon=icon)


CLASSES = (
    RESTAGE_PT_strip,
    RESTAGE_PT_learn,
    RESTAGE_PT_learn_options,
    RESTAGE_PT_make,
    RESTAGE_PT_make_options,
    RESTAGE_PT_jobs,
)
