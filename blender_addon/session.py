"""The one backend and its jobs. A timer calls `pump`; headless, a test does."""

import atexit
import time
from functools import partial
from pathlib import Path
from typing import Any

import bpy

from . import facts, pictures, strips
from .backend.api import environment, interrupted
from .backend.api.client import Backend
from .backend.api.library import default_library
from .backend.api.presets import preview_of
from .backend.api.protocol import Cancelled, Failed, Finished, Learn, Message, Preview, Progress, Request
from .backend.errors import UserError
from .jobs import Job
from .over_time import Span, span_of
from .requests_from_scene import at_rate_of, library
from .set_up import SetUp
from .troubles import Troubles

BUSY, IDLE = 0.1, 1.0  # seconds between two ticks of the timer
SEARCH = 30.0  # seconds between two looks for interrupted jobs


class Session:
    def __init__(self) -> None:
        self.backend: Backend | None = None
        self.jobs: dict[str, Job] = {}
        self.library = default_library()  # as of the last look, like the next
        self.environment = "missing"  # or broken, or ready
        self.set_up: SetUp | None = None
        self.troubles = Troubles()
        self.bases: dict[str, facts.Base] = {}  # what is known of those that scenes name
        self.motions: dict[str, facts.Learned | None] = {}  # and of the motions, by folder
        self._dismissed: set[str] = set()  # interrupted jobs that have been on the list
        self._searched: tuple[Path | None, float] = None, 0.0  # which library, and when

    # -------------------------------------------------------------- asked by operators and panels

    @property
    def busy(self) -> bool:
        return any(not job.ended for job in self.jobs.values())

    @property
    def setting_up(self) -> bool:
        return self.set_up is not None and self.set_up.running

    @property
    def about_backend(self) -> str:
        if self.backend is None:
            return "Starts when it is needed"
        return f"Computes on: {self.backend.ready.device if self.backend.ready else 'starting'}"

    def why_not(self) -> str:
        """Why no job can be started, in a sentence; nothing when one can."""
        if self.setting_up:
            return "Restage is being set up"
        return "" if self.environment == "ready" else "Set up Restage first"

    def why_not_base(self, name: str) -> str:
        """Why a base that a scene names cannot be used, in a sentence; nothing when it can or who knows."""
        base = self.bases.get(name)
        return (facts.why_not_fetch(base) or base.wrong) if base else ""

    def why_not_motions(self, settings: Any) -> str:
        """Why the motions that a scene has chosen cannot act, in a sentence; nothing when they can."""
        for motion in (*settings.motions, *settings.looks):
            acts = motion.strength != 0 or motion.over_time
            if acts and (reason := self.why_not_motion(settings, motion)):
                return f"{motion.title}: {reason[:1].lower()}{reason[1:]}"
        return ""

    def why_not_motion(self, settings: Any, motion: Any) -> str:
        if motion.path not in self.motions:  # the next tick will look
            return ""
        learned = self.motions[motion.path]
        if learned is None and motion.path.endswith(facts.LORAS):
            return "Its file is not there any more"
        return facts.why_not_on(self.bases.get(settings.base), learned, motion.step)

    def checkpoints(self, row: Any) -> tuple[int, ...]:
        """The steps after which a motion, or learned looks, may be chosen as they were then."""
        learned = self.motions.get(row.path)
        return learned.checkpoints if learned else ()

    def is_cameras(self, row: Any) -> bool:
        learned = self.motions.get(row.path)
        return learned is not None and (row.kind or learned.kind) == "camera"

    def must_say(self, settings: Any, row: Any) -> str:
        """What the prompt does not say and must for these looks to be seen; nothing when it does."""
        learned = self.motions.get(row.path)
        return learned.say if learned and facts.unsaid(learned.say, settings.prompt) else ""

    def span(self, scene: Any) -> Span | str:
        """Where on the timeline a new clip will lie, or why that is not known."""
        base = self.bases.get(scene.restage.base, facts.Base(scene.restage.base))
        try:
            return span_of(scene, base)
        except UserError as error:
            return str(error)

    def place_of(self, scene: Any, strip: Any) -> strips.Place:
        """Where a result goes. Scenes of other jobs that undo took the id from get no new one for it."""
        for job in self.jobs.values():
            strips.find_scene(job.place)
        return strips.place_of(scene, strip)

    def submit(self, request: Request, place: strips.Place, title: str) -> None:
        """Send a request, starting the backend if need be. Raises UserError when that cannot be done."""
        facts.check_fetch(request, library(bpy.context))
        if self.backend is None or not self.backend.alive:
            self.pump()  # what a backend that died has left to say
            self._start()
        assert self.backend is not None
        self.backend.send(request)
        self.troubles.note("backend", "")
        self.jobs.pop(request.job, None)  # a job that is resumed is the newest again
        self.jobs[request.job] = Job(request, place, title)

    def again(self, key: str, scene: Any) -> None:
        """Send an ended job's request once more: a Learn goes on where it was. Raises UserError."""
        job = self.jobs[key]
        own = strips.find_scene(job.place)
        place = job.place if own else self.place_of(scene, None)
        self.submit(at_rate_of(own or scene, job.request), place, job.title)

    def forget(self, key: str) -> None:
        """Take an interrupted Learn off the list, and what it has kept off the disk."""
        request = self.jobs.pop(key).request
        self._dismissed.add(key)
        if isinstance(request, Learn):
            interrupted.forget(library(bpy.context), request)

    def place_here(self, key: str, scene: Any) -> None:
        """Put what a job made into this scene, because its own was not open. Raises UserError."""
        job = self.jobs[key]
        job.note, job.hint = job.deliver(self.place_of(scene, None)), ""

    def cancel(self, job: str) -> None:
        if self.backend is not None and not self.jobs[job].ended:
            self.jobs[job].state = "stopping"
            self.backend.cancel(job)

    def dismiss_ended(self) -> None:
        """Interrupted jobs stay: they are only resumed, or forgotten on purpose."""
        gone = {key for key, job in self.jobs.items() if job.ended and job.state != "interrupted"}
        self.jobs = {key: job for key, job in self.jobs.items() if key not in gone}
        self._dismissed |= gone

    def make_environment(self, where: Path) -> None:
        self.set_up = SetUp(where, anew=self.environment == "ready")

    # -------------------------------------------------------------- driven by the timer

    def pump(self) -> bool:
        """Take in what the backend has said, never waiting; whether there is anything new to draw."""
        if self.backend is None:
            return False
        messages = self.backend.poll()
        for message in messages:  # one that cannot be taken in does not lose the others
            self.troubles.guarded("backend", partial(self._receive, message))
        if not self.backend.alive and not self.busy:
            self.backend = None
        return bool(messages)

    def look(self) -> bool:
        """Look for the environment (three paths) and new bases' profiles; whether that gave news to draw."""
        where = self.library = library(bpy.context)
        before, self.environment = self.environment, environment.state(where)
        settings = [scene.restage for scene in bpy.data.scenes]
        named = {name for one in settings for name in (one.base, one.finish.base) if name}
        # A wrong one may be put right, and one that is to be fetched may come from elsewhere.
        known = {name for name, base in self.bases.items() if not (base.wrong or base.to_fetch)}
        bases = {name: facts.base_of(name, where) for name in named - known}
        news = bases.items() - self.bases.items()
        rows = [row for one in settings for row in (*one.motions, *one.looks)]
        motions = {row.path for row in rows} - self.motions.keys()
        self.bases |= bases
        self.motions |= {path: facts.learned_in(Path(path)) for path in motions}
        for path in motions:
            learned = self.motions[path]
            for step in (*learned.checkpoints, learned.steps) if learned else ():
                pictures.load(preview_of(Path(path), step))
        found = self._find_interrupted(where)
        said = self.troubles.note("library", facts.why_not_library(where))
        return bool(found or said or news or motions or self.setting_up or self.environment != before)

    def forget_disk(self) -> None:
        """What a job may have changed on disk: a base fetched, a motion learned once more."""
        self.bases.clear()
        self.motions.clear()

    def _find_interrupted(self, where: Path) -> bool:
        """Put interrupted learning runs on the list, now and then: another Blender may have just crashed."""
        library, at = self._searched
        if library == where and time.monotonic() < at + SEARCH:
            return False
        self._searched = where, time.monotonic()
        listed = {key for key, job in self.jobs.items() if job.state == "interrupted"}
        found = {request.job: request for request in interrupted.interrupted(where)}
        for key in listed - found.keys():
            del self.jobs[key]
        new = found.keys() - self.jobs.keys() - self._dismissed
        self.jobs |= {key: Job(found[key], strips.NOWHERE, found[key].title, "interrupted") for key in new}
        return bool(new or listed - found.keys())

    def stop(self) -> None:
        """End all that runs. A Learn keeps its last checkpoint, and a set-up what it has downloaded."""
        if self.set_up is not None:
            self.set_up.cancel()
        self.end_backend()

    def end_backend(self) -> None:
        """Give back the memory that the backend holds; the next job starts another."""
        if self.backend is not None:
            self.backend.stop(timeout=3.0)
            self.backend = None

    def _start(self) -> None:
        where = library(bpy.context)
        python = environment.python_of(environment.environment_folder(where))
        self.backend = Backend(python, where)

    def _receive(self, message: Message) -> None:
        if isinstance(message, Failed) and not message.job:
            self.troubles.note("backend", f"{message.error} {message.hint}".strip())
        job = self.jobs.get(getattr(message, "job", ""))
        if job is None:
            return
        match message:
            case Progress():
                job.progress(message)
            case Preview():
                job.picture, job.pictured = Path(message.path).with_suffix(".png"), message.step
                pictures.load(job.picture)
            case Finished():
                job.outputs, job.state, job.note = message.outputs, "done", " ".join(message.notes)
                self.forget_disk()
                job.arrive()
            case Failed():
                job.state, job.note, job.hint = "failed", message.error, message.hint
            case Cancelled():
                job.state, job.note = "cancelled", ""


session = Session()


def tick() -> float:
    """The timer. It goes on through the loading of another .blend."""
    if hands_off():
        return BUSY
    said = session.troubles.guarded("backend", session.pump)
    seen = session.troubles.guarded("library", session.look)
    if said or seen:
        redraw()
    return BUSY if session.busy or session.setting_up else IDLE


def hands_off() -> bool:
    """While Blender renders or strips are being dragged, a result waits: both hold on to the timeline."""
    dragging = (
        op.bl_idname for window in bpy.context.window_manager.windows for op in window.modal_operators
    )
    busy = any(name.startswith(("TRANSFORM_OT", "SEQUENCER_OT")) for name in dragging)
    return busy or bool(bpy.app.is_job_running("RENDER"))


def redraw() -> None:
    for window in bpy.context.window_manager.windows:
        for area in window.screen.areas:
            if area.type in ("SEQUENCE_EDITOR", "PREFERENCES"):
                area.tag_redraw()


def start() -> None:
    bpy.app.handlers.load_post.append(strips.another_blend)
    bpy.app.timers.register(tick, first_interval=BUSY, persistent=True)
    atexit.register(session.stop)


def stop() -> None:
    if bpy.app.timers.is_registered(tick):
        bpy.app.timers.unregister(tick)
    bpy.app.handlers.load_post.remove(strips.another_blend)
    atexit.unregister(session.stop)
    session.stop()
    session.forget_disk()
    session.jobs.clear()


def preferences_changed(self: Any, context: Any) -> None:
    """The library moved: the backend that serves the old one goes when it has nothing to do."""
    if not session.busy:
        session.end_backend()
    session.troubles.guarded("library", session.look)
