"""Buttons that ask for something, and those of the jobs' rows: read properties, build a message, send it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from bpy.props import StringProperty
from bpy.types import Operator

from . import requests_from_scene as requests
from . import strips
from .backend.api.protocol import Edit, Export, Generate, Import, Learn, Request
from .backend.errors import UserError
from .session import session


def allowed(operator: Any, reason: str) -> bool:
    """For `poll`: True without a reason against it; else the button is grey and says the reason."""
    if reason:
        operator.poll_message_set(reason)
    return not reason


def attempt(operator: Any, action: Callable[[], None]) -> set[str]:
    """For `execute`: what a person can put right, or Blender refuses, is told at the bottom of the window."""
    try:
        action()
    except (UserError, RuntimeError) as error:
        operator.report({"ERROR"}, str(error).removeprefix("Error: ").strip())
        return {"CANCELLED"}
    return {"FINISHED"}


class OfScene(Operator):  # type: ignore[misc]
    """Acts on the scene that the sequencer shows; grey without one, and where `why_not` has a reason."""

    @classmethod
    def poll(cls, context: Any) -> bool:
        return allowed(cls, cls.why_not(context) if strips.shown_scene(context) else strips.NO_SCENE)

    @classmethod
    def why_not(cls, context: Any) -> str:
        return ""


class Asking(OfScene):
    """Sends one request for the strip that is active, and tells what a person can put right."""

    @classmethod
    def why_not(cls, context: Any) -> str:
        return session.why_not()

    def request(self, context: Any) -> Any:
        raise NotImplementedError

    def execute(self, context: Any) -> set[str]:
        return attempt(self, lambda: self.ask(context))

    def ask(self, context: Any) -> None:
        scene, request = strips.shown_scene(context), self.request(context)
        place = session.place_of(scene, strips.active_strip(scene))
        session.submit(request, place, name_of(request))


def name_of(request: Request) -> str:
    """What a job goes by on the list."""
    match request:
        case Learn(title=title) | Import(title=title):
            return title
        case Generate(prompt=prompt) | Edit(prompt=prompt):
            return prompt
        case Export(out=out):
            return Path(out).name


def why_not_act(context: Any) -> str:
    settings = strips.shown_scene(context).restage
    names = settings.base, settings.finish.base
    return next(filter(None, map(session.why_not_base, names)), "") or session.why_not_motions(settings)


class RESTAGE_OT_learn(Asking):
    """Learn how the active strip moves, and as little as can be of how it looks"""

    bl_idname, bl_label = "restage.learn", "Learn Motion"

    @classmethod
    def why_not(cls, context: Any) -> str:
        wrong = session.why_not() or session.why_not_base(strips.shown_scene(context).restage.base)
        return wrong or requests.why_not_learn(context)

    def request(self, context: Any) -> Any:
        return requests.learn(context)


class Prompted(Asking):
    """Asks for clips. The button draws a new seed unless that is kept; a script's call takes what is set."""

    def invoke(self, context: Any, event: Any) -> set[str]:
        settings = strips.shown_scene(context).restage
        if not settings.keep_seed:
            settings.seed = requests.new_seed()
        return self.execute(context)


class RESTAGE_OT_generate(Prompted):
    """Make a new clip of the prompt that moves like the motions"""

    bl_idname, bl_label = "restage.generate", "Generate"

    @classmethod
    def why_not(cls, context: Any) -> str:
        return session.why_not() or requests.why_not_generate(context) or why_not_act(context)

    def request(self, context: Any) -> Any:
        return requests.generate(context)


class RESTAGE_OT_edit(Prompted):
    """Make the active strip again, showing what the prompt says"""

    bl_idname, bl_label = "restage.edit", "Edit Strip"

    @classmethod
    def why_not(cls, context: Any) -> str:
        return session.why_not() or requests.why_not_edit(context) or why_not_act(context)

    def request(self, context: Any) -> Any:
        return requests.edit(context)


class RESTAGE_OT_another_take(Asking):
    """Make this result once more as it was made, with another seed"""

    bl_idname, bl_label = "restage.another_take", "Another Take"

    def request(self, context: Any) -> Any:
        return requests.another_take(context)


OF_JOB = {"job": StringProperty(options={"HIDDEN"})}  # of a button on a job's row


class RESTAGE_OT_cancel(Operator):  # type: ignore[misc]
    """Stop this job. Of a learning run nothing is kept then; to go on later, quit Blender instead"""

    bl_idname, bl_label = "restage.cancel", "Cancel"
    __annotations__ = OF_JOB

    def execute(self, context: Any) -> set[str]:
        session.cancel(self.job)
        return {"FINISHED"}


class RESTAGE_OT_dismiss(Operator):  # type: ignore[misc]
    """Take the jobs that have ended off the list; their clips and motions stay"""

    bl_idname, bl_label = "restage.dismiss", "Clear List"

    def execute(self, context: Any) -> set[str]:
        session.dismiss_ended()
        return {"FINISHED"}


class RESTAGE_OT_again(OfScene):
    """Start this job again. Learning that failed or was interrupted goes on from where it was"""

    bl_idname, bl_label = "restage.again", "Try Again"
    __annotations__ = OF_JOB

    @classmethod
    def why_not(cls, context: Any) -> str:
        return session.why_not()

    def execute(self, context: Any) -> set[str]:
        return attempt(self, lambda: session.again(self.job, strips.shown_scene(context)))


class RESTAGE_OT_forget(Operator):  # type: ignore[misc]
    """Delete what this interrupted learning has kept"""

    bl_idname, bl_label = "restage.forget", "Discard"
    __annotations__ = OF_JOB

    def invoke(self, context: Any, event: Any) -> Any:
        return context.window_manager.invoke_confirm(self, event)

    def execute(self, context: Any) -> set[str]:
        session.forget(self.job)
        return {"FINISHED"}


class RESTAGE_OT_place(OfScene):
    """Put what this job made into this scene: clips at the playhead, a motion on the list"""

    bl_idname, bl_label = "restage.place", "Add to This Scene"
    __annotations__ = OF_JOB

    def execute(self, context: Any) -> set[str]:
        return attempt(self, lambda: session.place_here(self.job, strips.shown_scene(context)))


CLASSES = (
    RESTAGE_OT_learn,
    RESTAGE_OT_generate,
    RESTAGE_OT_edit,
    RESTAGE_OT_another_take,
    RESTAGE_OT_cancel,
    RESTAGE_OT_dismiss,
    RESTAGE_OT_again,
    RESTAGE_OT_forget,
    RESTAGE_OT_place,
)
