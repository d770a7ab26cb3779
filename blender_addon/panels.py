"""The tab "Restage" in the sequencer's sidebar. Drawing only: no file is read, nothing is changed."""

import dataclasses
from typing import Any

from bpy.types import Panel

from . import facts, sources, strips
from .backend.api.protocol import Edit, Sampling
from .drawing import big_button, draw_environment, draw_field, draw_job, words, wrapped
from .drawing_stack import draw_stack
from .properties import METHODS, NOT_ASKED
from .requests_from_scene import made_by
from .session import session


class Tab(Panel):  # type: ignore[misc]
    bl_space_type, bl_region_type, bl_category = "SEQUENCE_EDITOR", "UI", "Restage"

    @classmethod
    def poll(cls, context: Any) -> bool:
        return bool(strips.shown_scene(context))

    def draw(self, context: Any) -> None:
        scene = strips.shown_scene(context)
        self.layout.use_property_decorate = False
        self.draw_for(self.layout, scene, strips.active_strip(scene))

    def draw_for(self, layout: Any, scene: Any, strip: Any) -> None:
        raise NotImplementedError


class Always(Tab):
    """Drawn without a scene too, which is None then."""

    @classmethod
    def poll(cls, context: Any) -> bool:
        return True


class RESTAGE_PT_strip(Always):
    bl_label = "Restage"

    def draw_for(self, layout: Any, scene: Any, strip: Any) -> None:
        if session.environment != "ready" or session.setting_up:
            draw_environment(layout)
        if trouble := str(session.troubles):
            wrapped(layout, trouble, "ERROR")
        if scene is None:
            wrapped(layout, f"{strips.NO_SCENE}.", "INFO")
            return
        for name in dict.fromkeys((scene.restage.base, scene.restage.finish.base)):
            if wrong := session.why_not_base(name):
                wrapped(layout, f"{wrong}.", "ERROR")
        if reason := strips.why_not_a_source(strip):
            wrapped(layout, f"{reason}.", "INFO")
            return
        box = layout.box().column(align=True)
        box.label(text=strip.name, icon="SEQUENCE")
        base = session.bases.get(scene.restage.base)
        for line in facts.lines_about(strip, scene, base.window if base else None):
            wrapped(box, line)
        if aside := facts.left_aside(strip):
            wrapped(box, aside, "INFO")
        draw_origin(layout, strip)
        if scene.view_settings.view_transform != "Standard":
            wrapped(layout, "Movies keep their colours only with the view transform Standard:", "INFO")
            layout.prop(scene.view_settings, "view_transform", text="")


def draw_origin(layout: Any, strip: Any) -> None:
    """Of a result: what it was made from, and the buttons that go on from there."""
    if (request := made_by(strip)) is None:
        return
    box = layout.box().column(align=True)
    wrapped(box, f"{'An edit' if isinstance(request, Edit) else 'Made'} with Restage, seed {request.seed}:")
    wrapped(box, f"“{request.prompt}”")
    row = box.row(align=True)
    row.operator("restage.another_take", icon="FILE_REFRESH")
    row.operator("restage.take_settings", icon="EYEDROPPER")


class RESTAGE_PT_learn(Tab):
    bl_label = "1  Learn its motion"

    def draw_for(self, layout: Any, scene: Any, strip: Any) -> None:
        column = layout.column()
        usable = not strips.why_not_a_source(strip)
        column.enabled = usable or (sources.only_looks(scene.restage) and sources.listed(scene.restage))
        if usable:
            words(column, strip.restage, "motion", "moving in a circle")
            words(column, strip.restage, "looks", "a red ball over a green field")
        column.label(text="How long to learn")
        column.row().prop(scene.restage, "quality", expand=True)
        big_button(layout, "restage.learn", "ANIM_DATA")


class RESTAGE_PT_learn_options(Tab):
    bl_label, bl_parent_id, bl_options = "Learning Options", "RESTAGE_PT_learn", {"DEFAULT_CLOSED"}

    def draw_for(self, layout: Any, scene: Any, strip: Any) -> None:
        layout.use_property_split = True
        settings = scene.restage
        layout.prop(settings, "base")
        draw_field(layout, settings, "steps")
        layout.prop(settings, "learn_seed")
        layout.prop(settings, "checkpoints")
        layout.prop(settings, "preview_prompt", placeholder="a blue star over a brown ground")
        layout.prop(settings, "method")


class RESTAGE_PT_learn_method(Tab):
    bl_label, bl_parent_id, bl_options = "Method Settings", "RESTAGE_PT_learn_options", {"DEFAULT_CLOSED"}

    def draw_for(self, layout: Any, scene: Any, strip: Any) -> None:
        layout.use_property_split = True
        settings = scene.restage
        for f in dataclasses.fields(METHODS[settings.method]):
            draw_field(layout, getattr(settings, settings.method), f.name)


class RESTAGE_PT_make(Tab):
    bl_label = "2  Make a new clip with it"

    def draw_for(self, layout: Any, scene: Any, strip: Any) -> None:
        settings = scene.restage
        draw_stack(layout, settings, session.span(scene))
        words(layout, settings, "prompt", "a blue star over a brown ground")
        row = layout.row(align=True)
        seed = row.row(align=True)
        seed.active = settings.keep_seed
        seed.prop(settings, "seed")
        row.operator("restage.new_seed", text="", icon="FILE_REFRESH")
        row.prop(settings, "keep_seed", text="", icon="LOCKED" if settings.keep_seed else "UNLOCKED")
        big_button(layout, "restage.generate", "FILE_MOVIE")
        column = layout.column()
        column.label(text="Or remake the selected strip from the prompt")
        column.prop(settings, "follow", slider=True, text="Follow the strip")
        big_button(column, "restage.edit", "MODIFIER")


class RESTAGE_PT_make_options(Tab):
    bl_label, bl_parent_id, bl_options = "Clip Options", "RESTAGE_PT_make", {"DEFAULT_CLOSED"}

    def draw_for(self, layout: Any, scene: Any, strip: Any) -> None:
        layout.use_property_split = True
        settings = scene.restage
        for name in ("base", "count", "as_long"):
            layout.prop(settings, name)
        draw_field(layout, settings, "start")
        for f in dataclasses.fields(Sampling):
            if f.name not in (*NOT_ASKED, "stacking"):  # which stands below the motions
                draw_field(layout, settings.sampling, f.name)
        draw_field(layout, settings, "inversion_steps")


class RESTAGE_PT_make_finish(Tab):
    bl_label, bl_parent_id, bl_options = "Finish", "RESTAGE_PT_make", {"DEFAULT_CLOSED"}

    def draw_for(self, layout: Any, scene: Any, strip: Any) -> None:
        layout.use_property_split = True
        finish = scene.restage.finish
        layout.row().prop(finish, "between", expand=True)
        layout.row().prop(finish, "enlarge", expand=True)
        layout.prop(finish, "base")
        column = layout.column()
        column.active = bool(finish.base.strip())
        column.prop(finish, "strength", slider=True)


class RESTAGE_PT_jobs(Always):
    bl_label = "Jobs"

    def draw_for(self, layout: Any, scene: Any, strip: Any) -> None:
        for key, job in reversed(session.jobs.items()):
            draw_job(layout.box().column(), key, job)
        if any(job.ended and job.state != "interrupted" for job in session.jobs.values()):
            layout.operator("restage.dismiss")
        if not session.jobs:
            layout.label(text="What is being learned or made is listed here.")
        row = layout.row()
        row.label(text=session.about_backend, icon="SYSTEM")
        if session.backend is not None:
            row.operator("restage.free_memory", text="", icon="X")


CLASSES = (
    RESTAGE_PT_strip,
    RESTAGE_PT_learn,
    RESTAGE_PT_learn_options,
    RESTAGE_PT_learn_method,
    RESTAGE_PT_make,
    RESTAGE_PT_make_options,
    RESTAGE_PT_make_finish,
    RESTAGE_PT_jobs,
)
