"""`restage bench …`: what each thing is worth, measured here. Heavy imports wait until it runs."""

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(no_args_is_help=True, help="Measure Restage on this machine.")

Out = Annotated[Path, typer.Option(help="Where the figures go as JSON; a table and pictures go beside it.")]

Folder = Annotated[Path, typer.Option(help="A folder: motions, clips, table, contact sheet.")]
Looks = Annotated[int, typer.Option(min=1, max=6, help="Looks that clips are made with.")]
Seeds = Annotated[int, typer.Option(min=1, help="Clips of each.")]
Steps = Annotated[int | None, typer.Option(min=1, help="Learning steps, instead of the base's.")]
Subjects = Annotated[str, typer.Option(help="A subject's motion, of the methods' table.")]
OfPair = Annotated[
    str, typer.Option(help="A subject's motion, of the methods' table; or for both pan, tilt or zoom.")
]

Filmed = Annotated[
    Path | None, typer.Option(help="A folder of tools/blender_shots, or an npz file of such shots.")
]


@app.command()
def starter(
    out: Out = Path("bench/starter.json"),
    base: Annotated[Path | None, typer.Option(help="A starter's folder, instead of the one shipped.")] = None,
    prompts: Annotated[int, typer.Option(min=2, help="How many; half of them held out.")] = 200,
    seed: int = 0,
    steps: Annotated[
        int | None, typer.Option(min=1, help="Sampling steps, instead of the profile's.")
    ] = None,
    guidance: Annotated[float | None, typer.Option(help="Instead of the profile's.")] = None,
    inverted: Annotated[int, typer.Option(min=1, help="Clips that are inverted and sampled again.")] = 8,
    any_words: Annotated[
        bool, typer.Option("--any-words", help="Prompts in any words of the grammar, in either order.")
    ] = False,
    filmed: Filmed = None,
) -> None:
    """How well the starter follows its prompts, against the world that it was taught."""
    from backend.api.bases import STARTER
    from backend.bench.starter import Asked, bench_starter

    chosen = {"sampling_steps": steps, "guidance": guidance}
    settings = {name: value for name, value in chosen.items() if value is not None}
    asked = Asked(prompts=prompts, seed=seed, any_words=any_words, inverted=inverted, filmed=filmed)
    typer.echo(bench_starter(base or STARTER, asked, out, **settings))


@app.command()
def methods(
    out: Annotated[Path, typer.Option(help="A folder: cells, table, one contact sheet a row.")] = Path(
        "bench/methods"
    ),
    full: Annotated[bool, typer.Option(help="Every row and motion; for a GPU.")] = False,
    row: Annotated[list[str], typer.Option(help="Only these rows.")] = [],  # noqa: B006
    motion: Annotated[list[str], typer.Option(help="Only these motions.")] = [],  # noqa: B006
    quality: Annotated[str, typer.Option(help="draft, normal or best.")] = "normal",
    stacking: Annotated[
        str, typer.Option(help="Filmed lays a learned camera over clips that stand still.")
    ] = "added",
    base: str = "starter",
    clip: Annotated[Path | None, typer.Option(help="A CLIP model's folder, for its columns.")] = None,
    pick: Annotated[Path | None, typer.Option(help="PickScore's folder, for its column.")] = None,
    lpips: Annotated[Path | None, typer.Option(help="A folder with LPIPS's weights, for its column.")] = None,
) -> None:
    """The papers' methods side by side, each motion learned from one clip. Goes on where it was stopped."""
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    from backend.api.library import default_library
    from backend.bench.methods import plan_of, run_cells
    from backend.bench.table import write_table

    named = {"clip": clip, "pick": pick, "lpips": lpips}
    scorers = {kind: folder for kind, folder in named.items() if folder}
    plan = plan_of(
        out, default_library(), base, full=full, rows=row, motions=motion, quality=quality, stacking=stacking,
        scorers=scorers,
    )  # fmt: skip
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns) as shown:
        task = shown.add_task("")
        run_cells(
            plan, lambda what, done, all: shown.update(task, description=what, completed=done, total=all)
        )
    typer.echo(write_table(plan))


@app.command()
def stacked(
    out: Folder = Path("bench/stacked"),
    base: str = "starter",
    prompts: Looks = 6,
    seeds: Seeds = 2,
    steps: Steps = None,
) -> None:
    """A subject's motion and a camera's, learned apart, in one clip. Goes on where it was stopped."""
    from backend.api.library import default_library
    from backend.bench.stacked import bench_stacked

    typer.echo(bench_stacked(out, default_library(), base, prompts, seeds, steps))


@app.command()
def pair(
    out: Folder = Path("bench/pair"),
    base: str = "starter",
    first: OfPair = "circle",
    second: OfPair = "bounce",
    prompts: Looks = 3,
    seeds: Seeds = 2,
    steps: Steps = None,
) -> None:
    """Two motions of one subject or one camera, learned apart, in one clip. Goes on where it was stopped."""
    from backend.api.library import default_library
    from backend.bench.pair import bench_pair

    typer.echo(bench_pair(out, default_library(), base, (first, second), prompts, seeds, steps))


@app.command()
def token(
    out: Folder = Path("bench/token"),
    base: str = "starter",
    motion: Subjects = "circle",
    prompts: Annotated[int, typer.Option(min=1, max=4, help="Looks that clips are made with.")] = 4,
    seeds: Seeds = 2,
    steps: Annotated[int, typer.Option(min=1, help="Learning steps.")] = 600,
) -> None:
    """A motion token beside words for how many and how fast. Goes on where it was stopped."""
    from backend.api.library import default_library
    from backend.bench.token_words import bench_token

    typer.echo(bench_token(out, default_library(), base, motion, prompts, seeds, steps))


@app.command()
def motion(
    out: Out = Path("bench/motion.json"),
    shots: Annotated[int, typer.Option(min=1, help="Of the starter's world.")] = 39,
    seed: int = 0,
    filmed: Filmed = None,
) -> None:
    """Measured motion against known motion, each measure with its ceiling and floor."""
    from backend.bench.motion_truth import bench_motion

    typer.echo(bench_motion(shots, seed, filmed, out))


@app.command()
def finishing(
    out: Out = Path("bench/finishing.json"), shots: Annotated[int, typer.Option(min=1)] = 32, seed: int = 0
) -> None:
    """Frames between frames against the starter's world: held, blended, by optical flow."""
    from backend.bench.frames_between import bench_finishing

    typer.echo(bench_finishing(shots, seed, out))


@app.command()
def size(out: Out = Path("bench/size.json"), steps: int = 3) -> None:
    """Time and memory on a base of ModelScope's size (without a GPU, of a tiny one)."""
    from backend.bench.size import bench_size

    typer.echo(bench_size(out, steps))
