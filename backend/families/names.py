"""What the modules of a UNet3D are called elsewhere.

ModelScope's first release counts blocks through, as Stable Diffusion does: a level of n layers is n + 1
blocks down (the last one downsamples) and n + 1 up, and a block holds a resnet, its spatial and its temporal
transformer. Spatial modules have Stable Diffusion's own names that way. ComfyUI knows modules by these.
"""

import re
from collections.abc import Iterable

_SLOTS = {"resnets": "0", "temp_convs": "0.temopral_conv", "attentions": "1", "temp_attentions": "2"}  # (sic)
_RESNET = {
    "conv1": "in_layers.2",
    "conv2": "out_layers.3",
    "time_emb_proj": "emb_layers.1",
    "conv_shortcut": "skip_connection",
}
_ENDS = {"transformer_in.": "input_blocks.0.1.", "conv_in": "input_blocks.0.0", "conv_out": "out.2"}
_IN_BLOCK = re.compile(
    r"(?:(?P<way>down|up)_blocks\.(?P<level>\d+)|mid_block)\.(?P<kind>\w+)\.(?P<layer>\d+)\.(?P<rest>.+)"
)


def original_name(module: str, layers: int) -> str:
    """ModelScope's name of a module that diffusers calls `module`, with `layers` resnets a level.

    Empty for the few that have none of their own here: samplers and the embedding of the timestep.
    """
    for ours, theirs in _ENDS.items():
        if module.startswith(ours):
            return theirs + module.removeprefix(ours)
    found = _IN_BLOCK.fullmatch(module)
    if not found or found["kind"] not in _SLOTS:
        return ""
    kind, layer = found["kind"], int(found["layer"])
    rest = _RESNET.get(found["rest"], found["rest"]) if kind == "resnets" else found["rest"]
    slot = _SLOTS[kind]
    if not found["way"]:
        at = 3 * layer + int(slot[0])
        return f"middle_block.{at}{slot[1:]}.{rest}"
    number = (layers + 1) * int(found["level"]) + layer
    block = f"input_blocks.{number + 1}" if found["way"] == "down" else f"output_blocks.{number}"
    return f"{block}.{slot}.{rest}"


def layers_of(modules: Iterable[str]) -> int:
    """How many resnets a level has on the way down, one less than on the way up; 0 where the modules do not
    cover both ways, and so do not tell."""
    blocks = [found for found in map(_IN_BLOCK.fullmatch, modules) if found and found["kind"] in _SLOTS]
    most = {
        way: max((int(b["layer"]) for b in blocks if b["way"] == way), default=-1) for way in ("down", "up")
    }
    return most["up"] if most["up"] == most["down"] + 1 else 0


def flat_names(module: str, layers: int) -> set[str]:
    """Every name that a file may have for a module, with underscores for dots."""
    names = {module, module.removesuffix(".0") if module.endswith(".to_out.0") else module}
    names |= {original_name(name, layers) for name in names} - {""}
    return {name.replace(".", "_") for name in names}
