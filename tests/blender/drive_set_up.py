"""Inside Blender: Set Up is pressed where uv never gets done, cancelled, and pressed again where it fails."""

import os
import sys
from pathlib import Path
from typing import Any

import bpy

sys.path.insert(0, str(Path(__file__).parent))
import driving

given = driving.arguments()
del os.environ["RESTAGE_PYTHON"]
session = driving.install(given["zip"])
told: dict[str, Any] = {"before": [session.environment, session.why_not()]}


def press() -> Any:
    bpy.ops.restage.set_up()
    return session.set_up


def uv(does: str) -> None:
    """A program named uv, first on PATH, that says its version and otherwise does this."""
    tool = Path(given["folder"]) / "tools" / "uv"
    tool.parent.mkdir(exist_ok=True)
    tool.write_text(f'#!/bin/sh\n[ "$1" = --version ] && echo "uv 0.9.0" && exit\n{does}\n')
    tool.chmod(0o755)
    os.environ["PATH"] = f"{tool.parent}:{os.environ['PATH']}"


told["offline"] = bpy.ops.restage.set_up.poll()
bpy.context.preferences.system.use_online_access = True
uv("echo $$; exec sleep 600")
set_up = press()
driving.wait(session, lambda: set_up.line.isdigit())
told["process"], told["during"] = int(set_up.line), [session.why_not(), bpy.ops.restage.set_up.poll()]
bpy.ops.restage.cancel_set_up()
driving.wait(session, lambda: not session.setting_up, limit=20.0)
session.look()
told["cancelled"] = [str(set_up.error), session.environment]

uv("echo 'error: No space left on device (os error 28)'; exit 2")
set_up = press()
driving.wait(session, lambda: not session.setting_up, limit=20.0)
told["failed"] = set_up.error.message

uv("echo $$; exec sleep 600")
set_up = press()
driving.wait(session, lambda: set_up.line.isdigit())
told["process at the end"] = int(set_up.line)
driving.tell(**told)
