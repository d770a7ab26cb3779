"""What the tab and the preferences are drawn with."""

import textwrap
import time
from typing import Any

import bpy

from . import pictures
from .backend.api.protocol import Learn
from .jobs import Job
from .properties import OWN
from .session import session

STATES = {
    "missing": "Restage needs one download before its first job; make room for 2 GB, 8 with an NVIDIA GPU.",
    "broken": "Setting up was interrupted. Set up again; what has arrived is kept.",
    "ready": "Restage is set up.",
}
ICONS = {"done": "CHECKMARK", "failed": "ERROR", "cancelled": "X", "interrupted": "RECOVER_LAST"}
PREVIEW = 7.0  # height of a preview, in rows
SLOW = 30.0  # seconds of setting up after which one wonders


def wrapped(layout: Any, text: str, icon: str = "NONE") -> None:
    """A text over as many lines as the sidebar's width asks for."""
    width = bpy.context.region.width / bpy.context.preferences.system.ui_scale
    characters = int(width / 6.5) - 8
    column = layout.column(align=True)
    for i, line in enumerate(textwrap.wrap(text, max(characters, 16))):
        column.label(text=line, icon=icon if i == 0 else ("BLANK1" if icon != "NONE" else "NONE"))


def draw_environment(layout: Any) -> None:
    """How setting up stands and its buttons; in the preferences too."""
    box = layout.box().column()
    if session.setting_up and session.set_up:
        draw_setting_up(box, session.set_up)
        return
    if session.set_up and session.set_up.error:
        wrapped(box, str(session.set_up.error), "ERROR")
    else:
        wrapped(box, STATES[session.environment])
    if session.environment != "ready":
        if not bpy.app.online_access:
            wrapped(box, "Allow online access first:", "INFO")
            box.prop(bpy.context.preferences.system, "use_online_access")
        box.operator("restage.set_up", icon="IMPORT")


def draw_setting_up(box: Any, set_up: Any) -> None:
    passed = time.monotonic() - set_up.started
    wrapped(box, f"Setting up, for {duration(passed)} now. Blender stays usable.", "TIME")
    if passed > SLOW:
        wrapped(box, "The largest download shows nothing for some minutes.")
    wrapped(box, "Stopping" if set_up.stopping else set_up.line)
    if not set_up.stopping:
        box.operator("restage.cancel_set_up", icon="X")


def duration(seconds: float) -> str:
    return (
        f"{seconds:.0f} s"
        if seconds < 100
        else f"{seconds / 60:.0f} min"
        if seconds < 6000
        else f"{seconds / 3600:.0f} h"
    )


def draw_field(layout: Any, settings: Any, name: str) -> None:
    """One setting; where it may be left to the base, with its switch."""
    if not hasattr(settings, OWN + name):
        layout.prop(settings, name)
        return
    chosen = getattr(settings, OWN + name)
    row = layout.row(heading=settings.bl_rna.properties[name].name)
    row.prop(settings, OWN + name, text="")
    if chosen:
        row.prop(settings, name, text="")
    else:
        row.label(text="Automatic")


def words(layout: Any, settings: Any, name: str, placeholder: str = "") -> None:
    """A text field under its name, over the whole width, with an example while it is empty."""
    column = layout.column(align=True)
    column.label(text=settings.bl_rna.properties[name].name)
    column.prop(settings, name, text="", placeholder=placeholder)


def big_button(layout: Any, operator: str, icon: str) -> None:
    row = layout.row()
    row.scale_y = 1.4
    row.operator(operator, icon=icon)


def draw_job(column: Any, key: str, job: Job) -> None:
    """Title, then progress with its Cancel button, or how it ended and what can be done about that."""
    kind = type(job.request).__name__
    column.label(text=f"{kind}: {job.title}", icon=ICONS.get(job.state, "SORTTIME"))
    if not job.ended:
        row = column.row(align=True)
        row.progress(factor=job.done / max(job.total, 1), text=progress_text(job))
        if job.state != "stopping":
            row.operator("restage.cancel", text="", icon="X").job = key
    for text in (how(job), job.note, job.hint):
        if text:
            wrapped(column, text)
    if job.picture and (shown := pictures.icon(job.picture)):
        wrapped(column, f"What it makes after {job.pictured} steps:")
        column.template_icon(icon_value=shown, scale=PREVIEW)
    draw_ways_on(column, key, job)


def how(job: Job) -> str:
    if (seconds := job.seconds_left) is not None:
        return f"About {duration(max(seconds, 1))} left"
    return {"cancelled": "Cancelled", "interrupted": "Interrupted: Blender was closed"}.get(job.state, "")


def draw_ways_on(column: Any, key: str, job: Job) -> None:
    row = column.row(align=True)
    if job.state in ("failed", "cancelled", "interrupted"):
        goes_on = isinstance(job.request, Learn) and job.state != "cancelled"
        icon, text = ("PLAY", "Resume") if goes_on else ("FILE_REFRESH", "Start Again")
        row.operator("restage.again", text=text, icon=icon).job = key
    if job.state == "interrupted":
        row.operator("restage.forget", icon="TRASH").job = key
    if job.state == "failed":
        folder = session.library / "jobs" / key
        row.operator("restage.open", text="Log", icon="TEXT").path = str(folder / "log.txt")
    if job.state == "done" and not job.placed:
        row.operator("restage.place", icon="IMPORT").job = key


def progress_text(job: Job) -> str:
    if job.state in ("waiting", "stopping"):
        return {"waiting": "Waiting", "stopping": "Stopping"}[job.state]
    return f"{job.phase} {job.done}/{job.total}" if job.total > 1 else job.phase
