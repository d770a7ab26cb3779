"""The backend process: messages in on stdin, messages out on stdout, everything else on stderr.

It ends when stdin ends: then Blender, or whoever started it, is gone.
"""

import argparse
import contextlib
import os
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from backend.api.protocol import VERSION, Cancelled, Failed, Finished, Message, Ready, encode
from backend.service import device, streams
from backend.service.inbox import Inbox

if TYPE_CHECKING:
    from backend.service.worker import Perform

PATIENCE = 30.0  # seconds that a job has to write its checkpoint once Blender is gone


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m backend", description=__doc__)
    parser.add_argument("--library", type=Path, required=True, help="where jobs, motions and models are kept")
    serve(parser.parse_args().library)
    # Blender waits for this when it quits, and torch takes its time to be taken down. All is written.
    sys.stderr.flush()
    os._exit(0)


def serve(library: Path, perform: "Perform | None" = None, patience: float = PATIENCE) -> None:
    """Answer messages until stdin ends. `perform` takes the place of `tasks.perform` when given.

    A job that runs when stdin ends has `patience` seconds to stop by itself.
    """
    out = streams.private_stdout()
    one_at_a_time = threading.Lock()

    def send(message: Message) -> None:
        # A reader that is gone closes stdin as well; until that is noticed a job must not fail because of it.
        with one_at_a_time, contextlib.suppress(BrokenPipeError):
            out.write(encode(message))
            out.flush()

    inbox = Inbox(send, patience)

    def report(message: Message) -> None:
        if isinstance(message, Finished | Failed | Cancelled):
            inbox.ended()
        send(message)

    lines = streams.private_stdin()
    send(Ready(version=VERSION, device=device.in_words()))
    threading.Thread(target=inbox.listen, args=(lines,), daemon=True).start()
    # Only now: what this loads may take seconds.
    from backend.service.worker import Worker

    worker = Worker(library, report, perform)
    for request in inbox.requests():
        worker.work(request, inbox.stop)


if __name__ == "__main__":
    main()
