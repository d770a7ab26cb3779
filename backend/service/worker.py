"""Runs one request at a time and reports exactly one of Finished, Failed and Cancelled for each."""

import errno
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Literal

from backend import tasks
from backend.api.protocol import Cancelled, Failed, Finished, Message, Outcome, Preview, Progress, Request
from backend.errors import UserError
from backend.service import jobs
from backend.tasks.run import Result, Run, Stopped

Perform = Callable[[Request, Run], Result]
Stop = Callable[[], Literal["", "cancel", "shutdown"]]

GPU_MEMORY = (
    "The GPU is out of memory.",
    "Use fewer frames, a smaller size or the memory mode “low” (in the preferences, or --memory).",
)
MEMORY = ("The computer is out of memory.", "Close other programs, or use fewer frames or a smaller size.")
DISK = ("The disk is full.", "Free some space, or choose a library folder on another disk.")
PLACE_HINT = "Choose another place, or change who may read and write there."
# What the operating system says of a file that it will not give.
PLACE = (
    errno.EACCES,
    errno.EPERM,
    errno.EROFS,
    errno.EEXIST,
    errno.ENOTDIR,
    errno.EISDIR,
    errno.ENAMETOOLONG,
)
# How torch and its libraries say it when they do not raise OutOfMemoryError.
GPU_WORDS = ("CUDA out of memory", "CUDA error: out of memory", "ALLOC_FAILED", "MPS backend out of memory")
CPU_WORDS = ("not enough memory", "can't allocate memory", "Cannot allocate memory")


class Worker:
    """Performs requests within `library` and tells `send` how they go.

    `perform` takes the place of `tasks.perform` when given.
    """

    def __init__(
        self, library: Path, send: Callable[[Message], None], perform: Perform | None = None
    ) -> None:
        self._library = library
        self._send = send
        self._perform = perform or tasks.perform

    def work(self, request: Request, stop: Stop, fresh: bool = False) -> Outcome:
        """Perform `request`; `stop` is asked between steps and says "", "cancel" or "shutdown".

        After "shutdown" the job counts as interrupted: the same request resumes it, unless `fresh`.
        """
        try:
            with jobs.taken(self._library, request, fresh) as job:
                outcome = self._attempt(job, request, stop)
            jobs.sweep(self._library)
        except UserError as error:  # the job could not be taken
            outcome = Failed(job=request.job, error=error.message, hint=error.hint)
        except OSError as error:  # its folder cannot be written
            outcome = failure(request.job, error)
        self._send(outcome)
        return outcome

    def _attempt(self, job: jobs.Job, request: Request, stop: Stop) -> Outcome:
        started = time.monotonic()
        job.log(f"{type(request).__name__} started")
        outcome: Outcome
        try:
            run = self._surroundings(job, request.job, stop)
            run.progress("Starting", 0, 1, "")
            result = self._perform(request, run)
        except Stopped as stopped:
            job.log(f"Stopped: {stopped.reason}")
            if stopped.reason == "cancel":
                job.set_state("cancelled")
                job.drop_work()
            return Cancelled(job=request.job)
        except UserError as error:
            outcome = Failed(job=request.job, error=error.message, hint=error.hint)
        except (Exception, SystemExit) as error:  # a library may even call exit()
            outcome = failure(request.job, error)
        else:
            outcome = Finished(
                job=request.job,
                outputs=result.outputs,
                seconds=time.monotonic() - started,
                notes=result.notes,
            )
        _record(job, outcome)
        return outcome

    def _surroundings(self, job: jobs.Job, name: str, stop: Stop) -> Run:
        phases: list[str] = []

        def progress(phase: str, done: int, total: int, note: str = "") -> None:
            if phases[-1:] != [phase]:
                phases.append(phase)
                job.log(phase)
            self._send(Progress(job=name, phase=phase, done=done, total=total, note=note))

        def preview(path: str, step: int) -> None:
            self._send(Preview(job=name, path=path, step=step))

        return Run(folder=job.folder, library=self._library, progress=progress, preview=preview, stop=stop)


def _record(job: jobs.Job, outcome: Finished | Failed) -> None:
    if isinstance(outcome, Finished):
        job.log(f"Finished after {outcome.seconds:.1f} s: {', '.join(outcome.outputs)}")
        job.set_state("finished", outputs=outcome.outputs, seconds=outcome.seconds)
        job.drop_work()
    else:
        job.log(f"Failed: {outcome.error} {outcome.hint}\n{outcome.traceback}")
        job.set_state("failed", error=outcome.error, hint=outcome.hint)


def failure(job: str, error: BaseException) -> Failed:
    """What nobody foresaw, or a lack of memory, disk or permission, in words; `job` is "" outside of one."""
    text = str(error)
    known = None
    if type(error).__name__ == "OutOfMemoryError" or any(words in text for words in GPU_WORDS):
        known = GPU_MEMORY
    elif isinstance(error, MemoryError) or any(words in text for words in CPU_WORDS):
        known = MEMORY
    elif isinstance(error, OSError) and error.errno == errno.ENOSPC:
        known = DISK
    elif isinstance(error, OSError) and error.errno in PLACE and error.filename:
        place = error.filename2 or error.filename  # of a rename the second is what was asked for
        known = (f"{place} cannot be used: {error.strerror}.", PLACE_HINT)
    if known:
        return Failed(job=job, error=known[0], hint=known[1])
    return Failed(
        job=job,
        error=f"Something went wrong in the backend: {text or type(error).__name__}",
        hint="Please report it with the job's log." if job else "Please report it with the traceback.",
        traceback="".join(traceback.format_exception(error)),
    )
