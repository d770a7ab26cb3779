"""Runs one request in this process: progress to the terminal, results to stdout, an exit code."""

import contextlib
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType, TracebackType
from typing import BinaryIO, Literal, Self

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar

from backend.api.protocol import (
    Cancelled,
    Failed,
    Finished,
    Learn,
    Message,
    Outcome,
    Preview,
    Progress,
    Request,
    encode,
)
from backend.service import jobs, streams
from backend.service.worker import GPU_MEMORY, MEMORY, Perform, Worker

OK, FAILED, USAGE, NO_MEMORY, INTERRUPTED = 0, 1, 2, 3, 130
EXIT_CODES = (
    "Exit codes: 0 it worked · 1 something unforeseen failed · 2 what was asked for cannot be done"
    " (a sentence says why) · 3 out of memory · 130 interrupted."
)


class JsonLines:
    """Every message as a line on stdout."""

    def __init__(self, out: BinaryIO) -> None:
        self._out = out

    def __call__(self, message: Message) -> None:
        with contextlib.suppress(BrokenPipeError):  # nobody reads any more; the work is still wanted
            self._out.write(encode(message))
            self._out.flush()


class Bars:
    """Progress bars and sentences on stderr; on stdout only the paths of what was made."""

    def __init__(self, out: BinaryIO) -> None:
        self._out = out
        self._console = Console(stderr=True, soft_wrap=True, highlight=False)
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        self._bar = Bar(*columns, console=self._console, disable=not self._console.is_terminal)
        self._phase = ""
        self._task = self._bar.add_task("", visible=False)

    def __call__(self, message: Message) -> None:
        match message:
            case Progress():
                self._progress(message)
            case Preview(path=path, step=step):
                self._console.print(f"Preview after {step} steps: {escape(path)}")
            case Finished(outputs=outputs, notes=notes):
                self._bar.stop()
                for note in notes:
                    self._console.print(escape(note))
                with contextlib.suppress(BrokenPipeError):
                    self._out.write("".join(f"{path}\n" for path in outputs).encode(errors="surrogateescape"))
                    self._out.flush()
            case Failed(error=error, hint=hint):
                self._bar.stop()
                self._console.print(f"[red]{escape(error)}[/] {escape(hint)}")
            case _:
                self._bar.stop()

    def _progress(self, message: Progress) -> None:
        if message.phase != self._phase:
            self._bar.update(self._task, completed=self._bar.tasks[-1].total)  # the one before is over
            self._phase = message.phase
            self._task = self._bar.add_task(escape(message.phase), total=message.total)
            self._bar.start()
            if not self._console.is_terminal:
                self._console.print(escape(message.phase))
        words = f"{message.phase} {message.note}".strip()
        self._bar.update(self._task, description=escape(words), completed=message.done, total=message.total)


class Interrupt:
    """Turns the first Ctrl-C into a request to stop, which a Learn follows by writing a checkpoint."""

    def __init__(self) -> None:
        self.asked = False

    def __enter__(self) -> Self:
        self._before = {s: signal.signal(s, self._ask) for s in (signal.SIGINT, signal.SIGTERM)}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def stop(self) -> Literal["", "shutdown"]:
        return "shutdown" if self.asked else ""

    def _ask(self, number: int, frame: FrameType | None) -> None:
        if self.asked:
            raise KeyboardInterrupt
        self.asked = True
        print("Stopping after this step. Ctrl-C again ends at once.", file=sys.stderr)


def run(request: Request, library: Path, as_json: bool, perform: Perform | None, again: bool = False) -> int:
    """Perform the request; return the exit code. `again` forgets what a former run of it left."""
    known = isinstance(request, Learn) and not again
    learned = known and _learned_before(request, library)
    resumed = known and jobs.can_resume(library, request.job)
    out = streams.private_stdout()
    tell: Callable[[Message], None] = JsonLines(out) if as_json else Bars(out)
    if learned:
        note = "Exactly this was learned before; --again learns it anew."
        tell(Finished(job=request.job, outputs=(request.out,), seconds=0.0, notes=(note,)))
        return OK
    if resumed:
        print("Going on from the last checkpoint.", file=sys.stderr)
    with Interrupt() as interrupt:
        try:
            outcome = Worker(library, tell, perform).work(request, interrupt.stop, again)
        except KeyboardInterrupt:  # the second one
            outcome = Cancelled(job=request.job)
            tell(outcome)
    if isinstance(outcome, Cancelled):
        how = "goes on from the last checkpoint" if isinstance(request, Learn) else "starts it over"
        print(f"Interrupted. The same command {how}.", file=sys.stderr)
    elif isinstance(outcome, Failed) and outcome.traceback:
        print(f"The traceback is in {library / 'jobs' / request.job / 'log.txt'}", file=sys.stderr)
    return exit_code(outcome)


def exit_code(outcome: Outcome) -> int:
    if isinstance(outcome, Finished):
        return OK
    if isinstance(outcome, Cancelled):
        return INTERRUPTED
    if outcome.traceback:
        return FAILED
    return NO_MEMORY if outcome.error in (GPU_MEMORY[0], MEMORY[0]) else USAGE


def _learned_before(request: Request, library: Path) -> bool:
    """Whether `out` holds what exactly this request made, and nobody has learned another into it since."""
    return (
        jobs.state_of(library, request.job) == "finished"
        and (Path(request.out) / "preset.json").is_file()
        and jobs.last_to_make(library, request.out) == request.job
    )
