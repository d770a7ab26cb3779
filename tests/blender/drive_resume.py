"""Inside Blender, after another ended while it learned: the job is on the list, resumed, and forgotten."""

import sys
from pathlib import Path
from typing import Any

import bpy

sys.path.insert(0, str(Path(__file__).parent))
import driving

given = driving.arguments()
session = driving.install(given["zip"])
told: dict[str, Any] = {"found": [[job.title, job.state] for job in session.jobs.values()]}
(key,) = session.jobs
bpy.ops.restage.dismiss()
told["after Clear List"] = len(session.jobs)
bpy.ops.restage.again(job=key)
job = session.jobs[key]
driving.wait(session, lambda: job.ended or job.phase.startswith("Learning"))
told["goes on"] = [job.state, job.done]
session.end_backend()
driving.wait(session, lambda: session.backend is None)
session.jobs.clear()
session._searched = None, 0.0
session.look()
told["found again"] = [job.state for job in session.jobs.values()]
bpy.ops.restage.forget("EXEC_DEFAULT", job=key)
told["rows"], told["folder"] = len(session.jobs), (Path(given["folder"]) / "library" / "jobs" / key).exists()
driving.tell(**told)
