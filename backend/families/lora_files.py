"""LoRA files of other programs → tensors by the base's own modules, and back.

Keys are `<module>.<side>.weight`. Modules may be named as in diffusers (`unet.…`), as in ComfyUI
(`diffusion_model.…`, see `names`), or with underscores for dots (`lora_unet_…`, of kohya's trainers). The .pt
files of MotionDirector hold no names, only [up, down, up, down, …] in the order of the network's modules.
"""

import json
import math
import re
import tempfile
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save
from torch import Tensor, nn

from backend.diffusion.adapters import Lora, State, misfits
from backend.diffusion.tensors import read_pickled, read_tensors
from backend.errors import UserError
from backend.families.base import Family
from backend.families.names import flat_names, layers_of, original_name

PICKLED = (".pt", ".pth", ".bin", ".ckpt")
SIDES = {"A": "A", "down": "A", "B": "B", "up": "B"}
_PREFIXES = r"(?:base_model\.model\.|unet\.|(?:model\.)?diffusion_model\.|lora_unet_)?"
_SIDE = r"(?:\.lora_|[._]lora\.|\.lora_linear_layer\.)(?P<side>A|B|up|down)(?:\.default)?\.weight"
_KEY = re.compile(rf"{_PREFIXES}(?P<module>.+?)(?:\.alpha|{_SIDE})")
_MAGNITUDE = re.compile(r"dora_scale|lora_magnitude_vector")
# Of MotionDirector's files: the groups whose modules, in the network's order, are those of the file.
ORDERED = (("temporal attention", "temporal ff"), ("spatial self-attention", "spatial ff"))


@dataclass(frozen=True)
class Found:
    lora: Lora
    unused: tuple[str, ...] = ()  # keys of the file that the base has no module for

    @property
    def note(self) -> str:
        """All that is not used, like layers together."""
        if not self.unused:
            return ""
        layers = (re.sub(rf"(\.alpha|{_SIDE})$", "", key) for key in self.unused)
        alike = dict.fromkeys(re.sub(r"\d+", "*", layer) for layer in layers)
        numbers = " (each * a number)" if any("*" in layer for layer in alike) else ""
        return f"Not used, because the base has no such layer{numbers}: {', '.join(alike)}."


def read_lora_file(path: Path, family: Family) -> Found:
    """Somebody's LoRA for this base. Raises UserError for one that is none, is damaged, or does not fit."""
    content: Mapping[str, Tensor] | Sequence[Tensor]
    try:
        if path.suffix.lower() in PICKLED:
            content, scales = read_pickled(path), Scales({})
        else:
            content, metadata = read_tensors(path)
            scales = scales_of(metadata)
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise UserError(
            f"{path.name} cannot be read as a LoRA.",
            "Give a .safetensors file with a LoRA's tensors, or a .pt file of MotionDirector.",
        ) from error
    if isinstance(content, Mapping) and any(_MAGNITUDE.search(key) for key in content):
        raise UserError(
            f"{path.name} is a DoRA, which also scales the base's own weights.", "Give a plain LoRA instead."
        )
    found = _by_name(content, scales, family) if isinstance(content, Mapping) else _in_order(content, family)
    if not found.lora.state:
        why = (
            "no layer in it has a name that is known"
            if isinstance(content, Mapping)
            else "it names no layers, and those of this base are of another number or size"
        )
        raise UserError(
            f"{path.name} has no LoRA for {family.profile.name}: {why}.",
            "Give a LoRA that was made for this base, or for the image model that it grew out of.",
        )
    _check(path, found.lora.state, family)
    return found


def _check(path: Path, state: State, family: Family) -> None:
    if wrong := misfits(family.skeleton, state):
        raise UserError(
            f"{path.name} was made for another base than {family.profile.name}: {wrong[0]} has another size.",
            "Give a LoRA that was made for this base, or for the image model that it grew out of.",
        )
    if not all(tensor.isfinite().all() for tensor in state.values()):
        raise UserError(f"{path.name} holds values that are not numbers.", "Get or make the file again.")


# ------------------------------------------------------------------ by name


def _by_name(tensors: Mapping[str, Tensor], scales: "Scales", family: Family) -> Found:
    known = _known(family.skeleton)
    pairs: dict[str, dict[str, str]] = defaultdict(dict)  # module → side → key
    for key in tensors:
        found = _KEY.fullmatch(key)
        flat = found["module"].replace(".processor.", ".").replace(".", "_") if found else ""
        if found and flat in known:
            pairs[known[flat]][SIDES.get(found["side"], "alpha")] = key
    state: State = {}
    used: set[str] = set()
    for module, keys in pairs.items():
        if not {"A", "B"} <= keys.keys():
            continue
        used |= set(keys.values())
        a, b = tensors[keys["A"]].float(), tensors[keys["B"]].float()
        alpha = (
            tensors[keys["alpha"]].flatten()[:1] / max(1, a.shape[:1].numel()) if "alpha" in keys else None
        )
        factor = scales.of(module) if alpha is None else alpha.float()
        state[f"{module}.lora_A.weight"], state[f"{module}.lora_B.weight"] = a, b * factor
    return Found(Lora(state, 1.0), tuple(sorted(tensors.keys() - used)))


def _known(model: nn.Module) -> dict[str, str]:
    """Flat name → module, for every module that a LoRA may sit on.

    Not the embedding of the timestep: it belongs to no frame, so no strength over time could act on it.
    """
    kinds = (nn.Linear, nn.Conv2d, nn.Conv3d)
    modules = [name for name, m in model.named_modules() if isinstance(m, kinds)]
    layers = layers_of(modules)
    usable = [name for name in modules if not name.startswith("time_embedding")]
    return {flat: name for name in usable for flat in flat_names(name, layers)}


@dataclass(frozen=True)
class Scales:
    """The factors on BA that `lora_adapter_metadata` states, in peft's terms."""

    config: Mapping[str, Any]

    def of(self, module: str) -> float:
        rank = self._value("r", "rank_pattern", module)
        # Kalajdzievski, rsLoRA (arXiv 2312.03732): α/√r, so that a large rank learns as fast as a small one.
        rank = math.sqrt(rank) if self.config.get("unet.use_rslora") else rank
        return self._value("lora_alpha", "alpha_pattern", module) / rank

    def _value(self, name: str, pattern: str, module: str) -> float:
        for ending, value in self.config.get(f"unet.{pattern}", {}).items():
            if re.match(rf"(.*\.)?({ending})$", module):  # as peft matches
                return float(value)
        return float(self.config.get(f"unet.{name}", 1))


def scales_of(metadata: Mapping[str, str]) -> Scales:
    """What a file says of its scales. Raises ValueError, TypeError or AttributeError for bad metadata."""
    config = json.loads(metadata.get("lora_adapter_metadata", "{}"))
    patterns = [config.get(f"unet.{name}_pattern", {}) for name in ("rank", "alpha")]
    for value in (config.get("unet.r", 1), *patterns[0].values()):
        if not float(value) > 0:
            raise ValueError("a rank is not a positive number")
    for value in (config.get("unet.lora_alpha", 1), *patterns[1].values()):
        float(value)
    for ending in (*patterns[0], *patterns[1]):
        try:
            re.compile(ending)
        except re.error as error:
            raise ValueError("a pattern is none") from error
    return Scales(config)


# ------------------------------------------------------------------ in order


def _in_order(tensors: Sequence[Tensor], family: Family) -> Found:
    ups, downs = tensors[::2], tensors[1::2]
    for modules in _orders(family):
        if len(modules) == len(ups) == len(downs):
            sides = zip(modules, downs, ups, strict=True)
            state = {
                f"{m}.lora_{side}.weight": t.float() for m, a, b in sides for side, t in (("A", a), ("B", b))
            }
            if not misfits(family.skeleton, state):
                return Found(Lora(state, 1.0))
    return Found(Lora({}, 1.0))


def _orders(family: Family) -> Iterator[list[str]]:
    """The modules that such a file may be about, each time in the network's order.

    Before diffusers 0.15 a block's feed-forward came before its second attention.
    """
    names = [name for name, _ in family.skeleton.named_modules()]
    for groups in ORDERED:
        pattern = re.compile("|".join(f"({family.layers(group)})" for group in groups))
        modules = [name for name in names if pattern.fullmatch(name)]
        yield modules
        old: dict[str, list[str]] = defaultdict(list)
        for name in modules:
            old[re.split(r"(?<=transformer_blocks\.\d)\.", name)[0]].append(name)
        rank = {"attn1": 0, "ff": 1, "attn2": 2}
        yield [n for block in old.values() for n in sorted(block, key=lambda n: rank[_part(n)])]


def _part(module: str) -> str:
    return next(part for part in ("attn1", "attn2", "ff") if f".{part}." in module)


# ------------------------------------------------------------------ writing


def diffusers_file(lora: Lora, header: Mapping[str, str]) -> bytes:
    """As safetensors through the pipeline's own saver, with `header` beside `lora_adapter_metadata`.

    `lora_alpha` is α·r, as peft divides by the rank what this project multiplies by.
    """
    from diffusers import TextToVideoSDPipeline

    ranks = {key.removesuffix(".lora_A.weight"): len(t) for key, t in lora.state.items() if ".lora_A." in key}
    rank = max(ranks.values())
    others = {module: r for module, r in ranks.items() if r != rank}
    config = {
        "r": rank,
        "lora_alpha": lora.scale * rank,
        "target_modules": sorted(ranks),
        "rank_pattern": others,
        "alpha_pattern": {module: lora.scale * r for module, r in others.items()},
    }
    state = {key: tensor.contiguous() for key, tensor in lora.state.items()}
    with tempfile.TemporaryDirectory() as folder:
        TextToVideoSDPipeline.save_lora_weights(
            folder, unet_lora_layers=state, unet_lora_adapter_metadata=config, weight_name="lora.safetensors"
        )
        tensors, metadata = read_tensors(Path(folder) / "lora.safetensors")
    data: bytes = save(tensors, metadata={**header, **metadata})
    return data


def comfyui_file(lora: Lora, header: Mapping[str, str]) -> bytes:
    """With ComfyUI's keys. Raises UserError for modules that it has no names for."""
    modules = [key.removesuffix(".lora_A.weight") for key in lora.state if key.endswith(".lora_A.weight")]
    layers = layers_of(modules)
    if not layers and not all(module.startswith("mid_block.") for module in modules):
        raise UserError(
            "The motion has only some of the base's layers, so ComfyUI's numbers for them are not known.",
            "Export the motion in diffusers' format instead.",
        )
    tensors: State = {}
    for module in modules:
        if not (name := original_name(module, layers)):
            raise UserError(
                f"ComfyUI has no name for the layer {module}.",
                "Export the motion in diffusers' format instead.",
            )
        a, b = lora.state[f"{module}.lora_A.weight"], lora.state[f"{module}.lora_B.weight"]
        tensors[f"diffusion_model.{name}.lora_down.weight"] = a.contiguous()
        tensors[f"diffusion_model.{name}.lora_up.weight"] = b.contiguous()
        tensors[f"diffusion_model.{name}.alpha"] = torch.tensor(lora.scale * len(a))
    data: bytes = save(tensors, metadata=dict(header))
    return data


def model_spec(family: Family, title: str, words: str) -> dict[str, str]:
    """The header that says what a file is, by the ModelSpec standard, and on which base it was learned."""
    return {
        "modelspec.sai_model_spec": "1.0.1",
        "modelspec.architecture": "unet3d-text-to-video/lora",
        "modelspec.implementation": "https://github.com/huggingface/diffusers",
        "modelspec.title": title,
        "modelspec.trigger_phrase": words,
        "restage.base": json.dumps(vars(family.fingerprint)),
    }
