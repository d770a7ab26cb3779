"""`restage presets import` and `export`: motions from and for other programs."""

from pathlib import Path
from typing import Annotated

import typer

from backend.api.exchange import Format
from backend.api.protocol import Compute
from backend.cli import options as o
from backend.cli.acting import motion_of
from backend.tasks.run import Run


def register(presets: typer.Typer) -> None:
    presets.command("import")(import_preset)
    presets.command("export")(export_preset)


def import_preset(
    file: Annotated[
        Path, typer.Argument(help="A LoRA with diffusers or ComfyUI keys, or MotionDirector's .pt.")
    ],
    words: Annotated[str, o.option("--motion-words", help="How it moves: moving in a circle.")],
    title: Annotated[str, o.option("--title", help="A name for the motion; its words unless given.")] = "",
    base: o.Base = "starter",
    library: o.Library = o.LIBRARY,
) -> None:
    """Make a motion of the library from another program's file. Prints its folder."""
    from backend.tasks.bases import open_base  # loads torch
    from backend.tasks.exchange import import_motion

    run = Run(library / "jobs", library, lambda *_: None, lambda *_: None, lambda: "")
    family = open_base(o.base(base), Compute(device="cpu"), run)
    folder, note = import_motion(Path(o.absolute(file)), words, title, family, library / "presets")
    if note:
        typer.echo(note, err=True)
    typer.echo(folder)


def export_preset(
    name: Annotated[str, typer.Argument(help="A motion's folder or name in the library; NAME#STEP.")],
    out: Annotated[Path, o.option("--out", metavar="FILE.safetensors", help="Where the file goes.")],
    kind: Annotated[Format, o.option("--format", help="For which program.")] = "diffusers",
    base: Annotated[str, o.option("--base", help="Which, of a motion learned on several.")] = "",
    library: o.Library = o.LIBRARY,
) -> None:
    """Write a motion, or learned looks, as one file that diffusers or ComfyUI loads. Prints its path, and
    that of a second one with the words that were learned."""
    from backend.tasks.exchange import export_motion  # loads torch

    chosen = motion_of(name, library)
    for path in export_motion(Path(chosen.path), kind, base, Path(o.absolute(out)), chosen.step):
        typer.echo(path)
