"""What can be seen to be wrong with a request before torch and a base model are loaded, which takes long."""

import os
from fractions import Fraction
from pathlib import Path

from backend.api.presets import of_step, read_preset
from backend.api.protocol import Clip, Edit, Export, Generate, Import, Learn, Request
from backend.errors import UserError
from backend.media import clips


def refuse_early(request: Request) -> None:
    """Raises UserError for clips that cannot be read, motions that are none, and results with no place."""
    check_place(Path(request.out))
    if isinstance(request, Import) and not Path(request.path).is_file():
        raise UserError(f"There is no file {request.path}.", "Choose a LoRA, or MotionDirector's .pt.")
    if isinstance(request, Export):
        of_step(read_preset(Path(request.motion)), request.step)
    for clip in sources(request):
        clips.read(clip, frames=2, fps=Fraction(1), size=(32, 32))
    if isinstance(request, Generate | Edit):
        for motion in request.motions:
            of_step(read_preset(Path(motion.path)), motion.step)
        for looks in request.looks:
            if not Path(looks.path).is_file():
                raise UserError(f"There is no LoRA {looks.path}.", "Choose a .safetensors file.")


def sources(request: Request) -> tuple[Clip, ...]:
    match request:
        case Learn(clips=learned, regular=regular):
            return learned + regular
        case Edit(clip=edited):
            return (edited,)
        case Generate() | Import() | Export():
            return ()


def check_place(out: Path) -> None:
    """Raises UserError when `out` cannot be made: folders above it are made as they are needed."""
    above = next(folder for folder in out.absolute().parents if folder.exists())
    if not above.is_dir():
        raise UserError(f"{above} is a file, not a folder.", f"Choose another place for {out.name}.")
    if not os.access(above, os.W_OK | os.X_OK):
        raise UserError(f"Nothing may be written in {above}.", f"Choose another place for {out.name}.")
