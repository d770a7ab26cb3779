"""The one backend and its jobs. A timer calls `pump`; headless, a test does.

Jobs are plain values that hold ids, never anything of Blender's: undo, another .blend or a deleted scene
cannot invalidate them, and drawing them reads no file.
"""

import atexit
import json
import threading
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import bpy

from . import facts, strips
from .backend.api import environment
from .backend.api.client import Backend
from .backend.api.protocol import (
    Cancelled,
    Edit,
    Failed,
    Finished,
    Generate,
    Learn,
    Message,
    Preview,
    Progress,
    Request,
)
from .backend.api.values import to_plain
from .backend.errors import UserError
from .requests_from_scene import library

BUSY, IDLE = 0.1, 1.0  # seconds between two ticks of the timer
Ending = Literal["done", "failed", "cancelled"]


@dataclass
class Job:
    """One row of the panel."""

    request: Request
    place: strips.Place
    title: str
    state: Literal["waiting", "running", "stopping"] | Ending = "waiting"
    phase: str = ""
    done: int = 0
    total: int = 0
    note: str = ""  # while it runs, what the backend adds; afterwards what the artist should know
    hint: str = ""
    outputs: tuple[str, ...] = ()

    @property
    def ended(self) -> bool:
        return self.state in ("done", "failed", "cancelled")


@dataclass
class SetUp:
    """Making the backend's environment in a thread, which only writes these plain values."""

    library: Path
    line: str = "Starting"  # the last thing it reported
    error: UserError | None = None
    thread: threading.Thread = field(init=False)

    def __post_init__(self) -> None:
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self) -> None:
        try:
            environment.make(self.library, self._report)
        except UserError as error:
            self.error = error

    def _report(self, line: str) -> None:
        self.line = line


class Session:
    def __init__(self) -> None:
        self.backend: Backend | None = None
        self.jobs: dict[str, Job] = {}
        self.environment = "missing"  # or broken, or ready; as of the last look
        self.set_up: SetUp | None = None
        self.trouble = ""  # what is wrong with the backend itself
        self.windows: dict[str, facts.Window | None] = {}  # by base, what of a strip is learned

    # -------------------------------------------------------------- asked by operators and panels

    @property
    def busy(self) -> bool:
        return any(not job.ended for job in self.jobs.values())

    @property
    def setting_up(self) -> bool:
        return self.set_up is not None and self.set_up.thread.is_alive()

    @property
    def about_backend(self) -> str:
        if self.backend is None:
            return "Backend: starts when it is needed"
        return f"Backend: {self.backend.ready.device if self.backend.ready else 'starting'}"

    def why_not(self) -> str:
        """Why no job can be started, in a sentence; nothing when one can."""
        if self.setting_up:
            return "The backend is being set up"
        return "" if self.environment == "ready" else "Set up the backend first"

    def submit(self, request: Request, place: strips.Place, title: str) -> None:
        """Send a request, starting the backend if need be. Raises UserError when that cannot be done."""
        if self.backend is None or not self.backend.alive:
            self.pump()  # what a backend that died has left to say
            self._start()
        assert self.backend is not None
        self.backend.send(request)
        self.trouble = ""
        self.jobs[request.job] = Job(request, place, title)

    def cancel(self, job: str) -> None:
        if self.backend is not None and not self.jobs[job].ended:
            self.jobs[job].state = "stopping"
            self.backend.cancel(job)

    def dismiss_ended(self) -> None:
        self.jobs = {key: job for key, job in self.jobs.items() if not job.ended}

    def make_environment(self, where: Path) -> None:
        self.set_up = SetUp(where)

    # -------------------------------------------------------------- driven by the timer

    def pump(self) -> bool:
        """Take in what the backend has said, never waiting; whether there is anything new to draw."""
        if self.backend is None:
            return False
        messages = self.backend.poll()
        for message in messages:
            self._receive(message)
        if not self.backend.alive and not self.busy:
            self.backend = None
        return bool(messages)

    def look(self) -> bool:
        """Look for the environment (three paths) and new bases' profiles; whether that gave news to draw."""
        where = library(bpy.context)
        before, self.environment = self.environment, environment.state(where)
        new = {scene.restage.base for scene in bpy.data.scenes} - self.windows.keys()
        self.windows |= {base: facts.window_of(base, where) for base in new}
        return self.setting_up or bool(new) or self.environment != before

    def stop(self) -> None:
        """End the backend. A Learn that is running keeps its last checkpoint."""
        if self.backend is not None:
            self.backend.stop(timeout=3.0)
            self.backend = None

    def _start(self) -> None:
        where = library(bpy.context)
        python = environment.python_of(environment.environment_folder(where))
        self.backend = Backend(python, where)

    def _receive(self, message: Message) -> None:
        if isinstance(message, Failed) and not message.job:
            self.trouble = f"{message.error} {message.hint}".strip()
        job = self.jobs.get(getattr(message, "job", ""))
        if job is None:
            return
        match message:
            case Progress():
                job.state = "running" if job.state == "waiting" else job.state
                job.phase, job.note = message.phase, message.note
                job.done, job.total = message.done, message.total
            case Preview():
                job.note = f"Preview at step {message.step}: {message.path}"
            case Finished():
                job.outputs, job.state, job.note = message.outputs, "done", " ".join(message.notes)
                self._deliver(job)
            case Failed():
                job.state, job.note, job.hint = "failed", message.error, message.hint
            case Cancelled():
                job.state, job.note = "cancelled", ""

    def _deliver(self, job: Job) -> None:
        """Put what a job made where it belongs; when that cannot be, say where the files are."""
        try:
            if isinstance(job.request, Learn):
                add_motion(job.place, job.outputs[0], job.title)
            else:
                strips.insert(job.place, job.outputs, job.title, each_as_json(job.request, job.outputs))
        except (UserError, RuntimeError) as error:
            job.note = str(error)
            job.hint = f"It is kept in {Path(job.outputs[0]).parent}"


def each_as_json(request: Generate | Edit, outputs: tuple[str, ...]) -> list[str]:
    """For each clip the request that makes it alone: the second has the next seed."""
    alone = [replace(request, out=out, seed=request.seed + i, count=1) for i, out in enumerate(outputs)]
    return [json.dumps({"schema": 1, "request": to_plain(one)}, ensure_ascii=False) for one in alone]


def add_motion(place: strips.Place, folder: str, title: str) -> None:
    """Put a learned motion on the stack of the scene it was learned in."""
    scene = strips.find_scene(place)
    if scene is None:
        raise UserError("The scene it was learned in is not open.", "Add the motion from the list.")
    motion = scene.restage.motions.add()
    motion.path, motion.title = folder, title
    strips.push_undo(f"Restage: learn {title}")


session = Session()


def tick() -> float:
    """The timer. It goes on through the loading of another .blend."""
    if hands_off():
        return BUSY
    said, seen = session.pump(), session.look()
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
    bpy.app.timers.register(tick, first_interval=BUSY, persistent=True)
    atexit.register(session.stop)


def stop() -> None:
    if bpy.app.timers.is_registered(tick):
        bpy.app.timers.unregister(tick)
    atexit.unregister(session.stop)
    session.stop()
    session.jobs.clear()


def preferences_changed(self: Any, context: Any) -> None:
    """The library moved: the backend that serves the old one goes when it has nothing to do."""
    if not session.busy:
        session.stop()
    session.look()
