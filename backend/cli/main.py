"""`restage`: learn, generate, edit, presets, jobs, doctor."""

import json
import os
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from backend.api import presets as preset_folders
from backend.api.acting import BALANCE
from backend.api.client import SPIN_COUNT
from backend.api.protocol import (
    FOLLOW_HELP,
    Compute,
    Edit,
    Failed,
    Generate,
    Learn,
    Quality,
    Request,
    check,
    encode,
)
from backend.api.values import to_plain
from backend.bench import commands as bench
from backend.cli import acting as a
from backend.cli import doctor as checkup
from backend.cli import exchange, jobs_command, running
from backend.cli import options as o
from backend.errors import UserError
from backend.service.worker import Perform, failure

app = typer.Typer(
    name="restage",
    help=f"Learn the motion of a clip, and make new clips with it.\n\n{running.EXIT_CODES}",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
presets = typer.Typer(help="The motions in the library.", no_args_is_help=True)
app.add_typer(presets, name="presets")
exchange.register(presets)
app.add_typer(jobs_command.app, name="jobs")
app.add_typer(bench.app, name="bench")
SEE_HELP = "Add --help to see what the command takes."


def main(perform: Perform | None = None) -> None:
    """The program. `perform` takes the place of `tasks.perform` when given."""
    os.environ.setdefault("GOMP_SPINCOUNT", SPIN_COUNT)  # read once, when torch is loaded
    as_json = "--json" in sys.argv
    try:  # not standalone: then typer itself would say what is wrong, in no JSON
        sys.exit(app(obj=perform, prog_name="restage", standalone_mode=not as_json))
    except typer.TyperException as error:
        failed = Failed(job="", error=error.format_message(), hint=SEE_HELP)
    except UserError as error:
        failed = Failed(job="", error=error.message, hint=error.hint)
    except OSError as error:
        failed = failure("", error)
    if as_json:
        print(encode(failed).decode(), end="")
    print(failed.traceback or f"{failed.error} {failed.hint}".strip(), file=sys.stderr)
    sys.exit(running.exit_code(failed))


@app.command(epilog=running.EXIT_CODES)
def learn(
    ctx: typer.Context,
    clip: Annotated[list[Path], typer.Argument(help="Movies of the motion, and pictures for looks.")],
    out: Annotated[Path, o.option("--out", metavar="DIR", help="Where the learned motion goes.")],
    motion: Annotated[str, o.option("--motion", help="How it moves: moving in a circle.")] = "",
    looks: Annotated[list[str], o.option("--looks", help="What is seen: a red ball on green.")] = [],  # noqa: B006
    title: Annotated[str, o.option("--title", help="A name for the motion.")] = "",
    method: Annotated[str, o.option("--method", help=" or ".join(o.METHODS))] = next(iter(o.METHODS)),
    settings: Annotated[list[str], o.option("--set", metavar="KEY=VALUE", help="Of the method.")] = [],  # noqa: B006
    regular: Annotated[list[str], o.option("--regular", metavar="FILE=WORDS", help="Not to forget.")] = [],  # noqa: B006
    base: o.Base = "starter",
    quality: Annotated[Quality, o.option("--quality", help="How long to learn.")] = "normal",
    steps: Annotated[int | None, o.option("--steps", help="Learning steps, in place of --quality.")] = None,
    seed: o.Seed = 0,
    checkpoints: Annotated[int, o.option("--checkpoints", help="Kept to choose among; 1: the end.")] = 4,
    preview: Annotated[str, o.option("--preview-prompt", help="Make this at each checkpoint.")] = "",
    first: o.First = 0,
    frames: o.Used = None,
    reverse: Annotated[bool, o.option("--reverse", help="Learn the clip played backwards.")] = False,
    device: o.Device = "auto",
    precision: o.Precisely = "auto",
    memory: o.Held = "auto",
    again: Annotated[bool, o.option("--again", help="Start anew, whatever was learned before.")] = False,
    library: o.Library = o.LIBRARY,
    as_json: o.Json = False,
) -> None:
    """Learn the motion of clips into the folder --out.

    Given again after being interrupted, the same command goes on from the last checkpoint. Given again
    when it has finished, it says so and does nothing, unless --again.
    """
    clips, stills = o.material(clip, looks, first=first, frames=frames, reverse=reverse)
    request = Learn(
        job="", clips=clips, stills=stills, regular=o.regular(regular), motion=motion, out=o.absolute(out),
        title=title, base=o.base(base), method=o.method(method, settings), quality=quality, steps=steps,
        seed=seed, checkpoints=checkpoints, preview_prompt=preview,
        compute=Compute(device=device, precision=precision, memory=memory),
    )  # fmt: skip
    _run(ctx, request, library, as_json, again)


@app.command(epilog=running.EXIT_CODES)
def generate(
    ctx: typer.Context,
    prompt: o.Prompt,
    out: o.OutFile,
    motion: a.Motions = [],  # noqa: B006
    camera: a.Cameras = [],  # noqa: B006
    subject: a.Subjects = [],  # noqa: B006
    balance: a.Balance = BALANCE,
    stacking: o.Stacked = None,
    lora: a.Loras = [],  # noqa: B006
    follow: Annotated[float | None, o.option("--follow", metavar="0..1", help=FOLLOW_HELP)] = None,
    base: o.Base = "starter",
    frames: Annotated[int | None, o.option("--frames", help="Frames that the model makes.")] = None,
    length: o.Length = None,
    fps: o.Fps = None,
    size: o.Size = None,
    steps: o.SampleSteps = None,
    guidance: o.Guidance = None,
    finish: o.Finishing = [],  # noqa: B006
    seed: o.Seed = 0,
    count: o.Count = 1,
    device: o.Device = "auto",
    precision: o.Precisely = "auto",
    memory: o.Held = "auto",
    library: o.Library = o.LIBRARY,
    as_json: o.Json = False,
) -> None:
    """Make clips of --prompt that move as the motions say."""
    request = Generate(
        job="", prompt=prompt, out=o.absolute(out), base=o.base(base), seed=seed, count=count,
        balance=balance, follow=follow, **a.acting(motion, camera, subject, lora, library),
        sampling=o.sampling(
            size, fps, frames=frames, length=length, steps=steps, guidance=guidance, stacking=stacking
        ),
        finish=o.finish(finish),
        compute=Compute(device=device, precision=precision, memory=memory),
    )  # fmt: skip
    _run(ctx, request, library, as_json)


@app.command(epilog=running.EXIT_CODES)
def edit(
    ctx: typer.Context,
    clip: Annotated[Path, typer.Argument(help="The movie file to make again.")],
    prompt: o.Prompt,
    out: o.OutFile,
    looks: Annotated[str, o.option("--looks", help="What is seen in the clip.")] = "",
    follow: Annotated[float, o.option("--follow", metavar="0..1", help="How closely.")] = 1.0,
    motion: a.Motions = [],  # noqa: B006
    camera: a.Cameras = [],  # noqa: B006
    subject: a.Subjects = [],  # noqa: B006
    balance: a.Balance = BALANCE,
    stacking: o.Stacked = None,
    lora: a.Loras = [],  # noqa: B006
    base: o.Base = "starter",
    first: o.First = 0,
    frames: o.Used = None,
    reverse: Annotated[bool, o.option("--reverse", help="Use the clip played backwards.")] = False,
    length: o.Length = None,
    fps: o.Fps = None,
    size: o.Size = None,
    made: Annotated[int | None, o.option("--make-frames", help="Frames that the model makes.")] = None,
    inversion_steps: Annotated[int | None, o.option("--steps", help="DDIM steps, back and forth.")] = None,
    guidance: o.Guidance = None,
    finish: o.Finishing = [],  # noqa: B006
    seed: o.Seed = 0,
    count: o.Count = 1,
    device: o.Device = "auto",
    precision: o.Precisely = "auto",
    memory: o.Held = "auto",
    library: o.Library = o.LIBRARY,
    as_json: o.Json = False,
) -> None:
    """Make a clip again with another prompt."""
    _run(ctx, Edit(
        job="", clip=o.clips([clip], [looks], first, frames, reverse)[0], prompt=prompt, out=o.absolute(out),
        follow=follow, base=o.base(base), seed=seed, count=count, inversion_steps=inversion_steps,
        balance=balance, **a.acting(motion, camera, subject, lora, library), finish=o.finish(finish),
        sampling=o.sampling(size, fps, length=length, frames=made, guidance=guidance, stacking=stacking),
        compute=Compute(device=device, precision=precision, memory=memory),
    ), library, as_json)  # fmt: skip


def _run(ctx: typer.Context, request: Request, library: Path, as_json: bool, again: bool = False) -> None:
    check(request)  # before it is written as JSON, which knows no NaN
    raise typer.Exit(running.run(o.named(request), library, as_json, ctx.obj, again))


@presets.command("list")
def list_presets(
    as_json: Annotated[bool, o.option("--json", help="As a JSON list on stdout.")] = False,
    library: o.Library = o.LIBRARY,
) -> None:
    """The motions in the library."""
    found = preset_folders.list_presets(library / "presets")
    if as_json:
        print(json.dumps([{"path": str(path), **to_plain(preset)} for path, preset in found]))
        return
    table = Table("Motion", "Kind", "Words", "Strength", "Learned on", "Folder")
    for path, preset in found:
        bases = ", ".join(weights.base for weights in preset_folders.of_step(preset, 0))
        table.add_row(preset.title, preset.kind, preset.motion, f"{preset.strength:g}", bases, path.name)
    Console().print(table if found else f"There are no motions in {library / 'presets'} yet.")


@app.command()
def doctor(library: o.Library = o.LIBRARY) -> None:
    """Check that everything is there to work with. Exit code 1 when something is broken."""
    raise typer.Exit(checkup.report(library))
