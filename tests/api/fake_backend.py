"""The real process around tasks that need no model. The prompt (or the motion's words) says what happens."""

import argparse
import errno
import json
import os
import sys
import time
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

from filelock import FileLock

from backend.__main__ import serve
from backend.api.protocol import Edit, Generate, Learn, Request
from backend.errors import UserError
from backend.tasks.run import Result, Run, Stopped


def perform(request: Request, run: Run) -> Result:
    match request:
        case Generate() | Edit():
            return GENERATE[request.prompt](request, run)
        case Learn():
            return learn(request, run)
    raise AssertionError(request)


def clip(request: Generate | Edit, run: Run) -> Result:
    print("stray words from Python")
    os.write(1, b"stray words from C\n")
    os.write(1, b'{"type": "Cancelled", "job": "a stray line that looks like a message"}\n')
    for i in range(3):
        run.step("Making the clip", i + 1, 3)
    Path(request.out).write_bytes(b"a clip")
    return Result((request.out,), ("a note",))


def wait(request: Generate, run: Run) -> Result:
    """Until stopped."""
    done = 0
    while True:
        run.step("Waiting", done := done + 1, 10**6)
        time.sleep(0.01)


def finish_when_cancelled(request: Generate, run: Run) -> Result:
    """The last step was already under way when the cancel came."""
    run.progress("At the last step", 1, 1, "")
    while not run.stop():
        time.sleep(0.01)
    return Result((request.out,))


def deaf(request: Generate, run: Run) -> Result:
    """Never asks whether it should stop."""
    run.progress("Deaf", 0, 1, "")
    while True:
        time.sleep(0.01)


def read_stdin(request: Generate, run: Run) -> Result:
    """As a program that a library starts might."""
    assert sys.stdin.read() == ""
    return Result((request.out,))


def fail(error: Callable[[], BaseException]) -> Callable[[Generate, Run], Result]:
    def task(request: Generate, run: Run) -> Result:
        raise error()

    return task


def abort(request: Generate, run: Run) -> Result:
    os.abort()


class OutOfMemoryError(RuntimeError):
    """By the name of torch's own."""


GENERATE: dict[str, Callable[[Generate, Run], Result]] = {
    "clip": clip,
    "wait": wait,
    "finish when cancelled": finish_when_cancelled,
    "deaf": deaf,
    "read stdin": read_stdin,
    "user error": fail(lambda: UserError("The clip is upside down.", "Turn it.")),
    "bug": fail(lambda: ZeroDivisionError("by nothing")),
    "exit": fail(lambda: SystemExit(3)),
    "gpu memory": fail(lambda: OutOfMemoryError("tried to allocate 2 GiB")),
    "gpu memory in a library": fail(lambda: RuntimeError("CUBLAS_STATUS_ALLOC_FAILED when calling")),
    "memory": fail(lambda: MemoryError()),
    "memory in torch": fail(lambda: RuntimeError("DefaultCPUAllocator: can't allocate memory: 8 bytes")),
    "disk": fail(lambda: OSError(errno.ENOSPC, "No space left on device")),
    "abort": abort,
}


def learn(request: Learn, run: Run) -> Result:
    """`steps` steps; "slowly" takes its time. What it did is in the preset, the checkpoint is a number."""
    checkpoint = run.folder / "checkpoints" / "step"
    first = int(checkpoint.read_text()) if checkpoint.exists() else 0
    checkpoint.parent.mkdir(exist_ok=True)
    done, steps = first, request.steps or 3
    try:
        while done < steps:
            run.check()
            done += 1
            if done % 5 == 0:
                checkpoint.write_text(str(done))
            run.progress("Learning the motion", done, steps, "")
            time.sleep(0.01 if request.motion == "slowly" else 0)
    except Stopped:
        checkpoint.write_text(str(done))
        raise
    out = Path(request.out)
    out.mkdir(parents=True, exist_ok=True)
    (out / "preset.json").write_text(json.dumps({"from": first, "to": done}))
    return Result((request.out,))


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--patience", type=float, default=30.0)
    parser.add_argument("--alive", type=Path, help="a lock held as long as the process lives")
    parser.add_argument("--library", type=Path)
    options = parser.parse_args()
    with FileLock(options.alive) if options.alive else nullcontext():
        serve(options.library, perform, options.patience)
