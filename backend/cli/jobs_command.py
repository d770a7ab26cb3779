"""`restage jobs`: what has been asked for, how it stands, and removing what is no longer wanted."""

import dataclasses
import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.filesize import decimal
from rich.table import Table

from backend.cli import options as o
from backend.errors import UserError
from backend.service import jobs

app = typer.Typer(
    help=f"What has been asked for, and how it stands. The newest {jobs.KEPT} that have ended are kept.",
    no_args_is_help=True,
)


@app.command("list")
def list_jobs(
    as_json: Annotated[bool, o.option("--json", help="As a JSON list on stdout.")] = False,
    library: o.Library = o.LIBRARY,
) -> None:
    """The jobs in the library, the newest first. Given again, its command goes on with an interrupted one."""
    found = [(job, size_of(library, job.id)) for job in jobs.all_jobs(library)]
    if as_json:
        print(json.dumps([{**dataclasses.asdict(job), "bytes": size} for job, size in found]))
        return
    table = Table("Job", "State", "Since", "On disk")
    for job, size in found:
        table.add_row(job.id, job.state, job.at.replace("T", " ")[:16], decimal(size))
    Console().print(table if found else f"There are no jobs in {library / 'jobs'}.")


@app.command()
def clean(
    keep: Annotated[int, o.option("--keep", help="Ended jobs that stay, the newest.")] = 0,
    interrupted: Annotated[
        bool, o.option("--interrupted", help="Also what was interrupted; it cannot go on then.")
    ] = False,
    library: o.Library = o.LIBRARY,
) -> None:
    """Remove the folders of jobs that have ended. What they made stays; a job that runs stays too."""
    if keep < 0:
        raise UserError(f"{keep} jobs cannot be kept.", "Choose 0 or more.")
    found = jobs.all_jobs(library)
    wanted = [job.id for job in found if job.state in jobs.ENDED][keep:]
    wanted += [job.id for job in found if interrupted and job.state == "interrupted"]
    removed = [job for job in wanted if jobs.remove(library, job)]
    for job in removed:
        print(job)
    if left := len(wanted) - len(removed):
        raise UserError(f"{left} of {len(wanted)} jobs could not be removed.", "Are their folders in use?")


def size_of(library: Path, job: str) -> int:
    """Bytes of a job's folder."""
    return sum(file.stat().st_size for file in jobs.folder_of(library, job).rglob("*") if file.is_file())
