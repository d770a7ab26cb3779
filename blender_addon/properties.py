"""What the artist sets, on scenes and strips. Settings of methods and sampling come from protocol types."""

import dataclasses
import types
from collections.abc import Callable, Iterable
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from bpy.props import (
    BoolProperty,
    CollectionProperty,
    EnumProperty,
    FloatProperty,
    IntProperty,
    PointerProperty,
    StringProperty,
)
from bpy.types import PropertyGroup

from .backend.api.protocol import Clip, Edit, Finish, Generate, Learn, Motion, Sampling
from .backend.api.settings import Method

OWN = "own_"  # before a field's name: whether the artist sets it, for fields that may be None
SOURCES = ("clips", "stills", "regular")  # lists of what is learned from besides the active strip
NOT_ASKED = ("rate", "length")  # of Sampling: the scene says them
STARTS = {  # where what a base has its own value for stands before the artist moves it
    "frames": 16, "width": 256, "height": 256, "steps": 30, "guidance": 9.0, "inversion_steps": 50,
    "follow": 1.0, "stacking": "filmed",
}  # fmt: skip


def group(name: str, **fields: Any) -> Any:
    """A PropertyGroup. (As annotations in a class body, properties are no types and their names no names.)"""
    return type(name, (PropertyGroup,), {"__annotations__": fields})


# ------------------------------------------------------------------ from the protocol's types


def label(name: str) -> str:
    words = name.replace("_", " ")
    return words[:1].upper() + words[1:]  # the rest as it is: LoRA


def without_none(kind: Any) -> tuple[Any, bool]:
    """The type of a field, and whether it may be None."""
    if get_origin(kind) not in (Union, types.UnionType):
        return kind, False
    (some,) = [choice for choice in get_args(kind) if choice is not types.NoneType]
    return some, True


def number(make: Callable[..., Any]) -> Callable[..., Any]:
    def build(kind: Any, f: dataclasses.Field[Any], **common: Any) -> Any:
        low, high = f.metadata["low"], f.metadata["high"]
        if make is FloatProperty:
            common["precision"] = 6 if 0 < low < 0.001 else 2
        return make(min=low, max=high, **common)

    return build


def choice(kind: Any, f: dataclasses.Field[Any], **common: Any) -> Any:
    return EnumProperty(items=[(name, label(name), "") for name in get_args(kind)], **common)


KINDS: dict[Any, Callable[..., Any]] = {
    int: number(IntProperty),
    float: number(FloatProperty),
    bool: lambda kind, f, **common: BoolProperty(**common),
    str: lambda kind, f, **common: StringProperty(
        **common | ({"subtype": "FILE_PATH"} if f.metadata.get("path") else {})
    ),
    Literal: choice,
}


def property_of(cls: Any, name: str, /, **given: Any) -> Any:
    """The Blender property for one field of a protocol type; `given` goes before what the field says."""
    f = next(f for f in dataclasses.fields(cls) if f.name == name)
    kind, _ = without_none(get_type_hints(cls)[name])
    default = f.default if f.default is not None else f.metadata.get("paper", STARTS.get(name))
    common = {"name": label(name), "description": f.metadata.get("help", ""), "default": default}
    return KINDS[get_origin(kind) or kind](kind, f, **common | given)


def properties_of(cls: Any, leave_out: Iterable[str] = ()) -> dict[str, Any]:
    """Blender properties for every field of a protocol type; what may be None has a switch before it."""
    result: dict[str, Any] = {}
    for f in dataclasses.fields(cls):
        if f.name in leave_out:
            continue
        if without_none(get_type_hints(cls)[f.name])[1]:
            text = f"On: set it here. Off: what suits the base model. {f.metadata.get('help', '')}"
            result[OWN + f.name] = BoolProperty(name=label(f.name), description=text)
        result[f.name] = property_of(cls, f.name)
    return result


def value_of(settings: Any, name: str) -> Any:
    """What the artist set (0.6, for which Blender keeps 0.60000002); None for what is left to the base."""
    value = getattr(settings, name) if getattr(settings, OWN + name, True) else None
    return float(f"{value:.6g}") if isinstance(value, float) else value


def values_of(cls: Any, settings: Any, leave_out: Iterable[str] = ()) -> Any:
    """The protocol's value from the properties that `properties_of` made."""
    names = [f.name for f in dataclasses.fields(cls) if f.name not in leave_out]
    return cls(**{name: value_of(settings, name) for name in names})


def set_values(cls: Any, settings: Any, value: Any, leave_out: Iterable[str] = ()) -> None:
    """The other way round: the properties as `values_of` reads `value` from them."""
    for f in dataclasses.fields(cls):
        if f.name not in leave_out:
            set_value(settings, f.name, getattr(value, f.name))


def set_value(settings: Any, name: str, value: Any) -> None:
    """None leaves the setting to the base; the number that stands there stays."""
    if hasattr(settings, OWN + name):
        setattr(settings, OWN + name, value is not None)
    if value is not None:
        setattr(settings, name, value)


def known_bases(self: Any, context: Any, typed: str) -> list[str]:
    """What the field for the base offers while one types: those that Restage knows by name."""
    return [name for name in BASES if typed.casefold() in name.casefold()]


# ------------------------------------------------------------------ groups

BASES = ("starter", "damo-vilab/text-to-video-ms-1.7b", "cerspense/zeroscope_v2_576w")

METHODS = {cls.__name__: cls for cls in (get_args(Method) or (Method,))}
METHOD_ITEMS = [(name, str(cls.__doc__).split(" (")[0], str(cls.__doc__)) for name, cls in METHODS.items()]
METHOD_GROUPS = {name: group(f"RestageMethod{name}", **properties_of(cls)) for name, cls in METHODS.items()}

RestageSampling = group("RestageSampling", **properties_of(Sampling, NOT_ASKED))
BETWEEN_ITEMS = [  # Finish.between; the scene is what says the rate
    ("repeat", "Hold frames", "Each frame is held until the next"),
    ("interpolate", "Smooth", "Frames between the frames are made, up to the scene's rate, by optical flow"),
]
RestageFinish = group(
    "RestageFinish",
    **properties_of(Finish)
    | {
        "between": EnumProperty(name="Frame rate", items=BETWEEN_ITEMS, default=Finish().between),
        "enlarge": property_of(Finish, "enlarge", name="Size"),
        "base": StringProperty(
            name="Refine with",
            description="A base model that goes over the enlarged clip; leave it empty for none",
            search=known_bases,
            search_options={"SUGGESTION"},
        ),
    },
)

RestageMotion = group(
    "RestageMotion",
    path=StringProperty(name="Folder", subtype="DIR_PATH"),
    title=StringProperty(name="Motion"),
    strength=property_of(Motion, "strength"),
    step=property_of(Motion, "step"),
    # Whose it was when the result was made whose settings were taken back; else its preset says.
    kind=StringProperty(options={"HIDDEN"}),
    over_time=BoolProperty(
        name="Over Time",
        description="Let the strength follow its keyframes over the frames of the new clip",
    ),
)

RestageSource = group(
    "RestageSource",
    path=StringProperty(name="File", subtype="FILE_PATH"),
    title=StringProperty(name="Name"),
    looks=StringProperty(
        name="What is seen",
        description="In a few words; of a clip of a related motion all words, how it moves too",
    ),
    first_frame=property_of(Clip, "first_frame"),
    own_frame_count=BoolProperty(
        name="So many frames", description="On: only so many frames are used. Off: all up to the file's end"
    ),
    frame_count=property_of(Clip, "frame_count", default=24),
    reverse=BoolProperty(name="Backwards", description="Learn the clip as it is when it is played backwards"),
)

RestageStrip = group(
    "RestageStrip",
    id=StringProperty(options={"HIDDEN"}),
    motion=StringProperty(
        name="How it moves",
        description="The motion in a few words: moving in a circle, the camera zooms in",
    ),
    looks=StringProperty(
        name="What is seen",
        description="The picture in a few words, without how it moves: a red ball over a green field",
    ),
)

RestageScene = group(
    "RestageScene",
    id=StringProperty(options={"HIDDEN"}),
    base=StringProperty(
        name="Base model",
        description="The starter that comes with Restage, a folder, or a name on Hugging Face",
        default="starter",
        search=known_bases,
        search_options={"SUGGESTION"},
    ),
    quality=property_of(Learn, "quality"),
    learn_seed=property_of(Learn, "seed"),
    checkpoints=property_of(Learn, "checkpoints"),
    preview_prompt=StringProperty(
        name="Preview",
        description="What is to be seen in the previews that are made at each checkpoint; empty for none",
    ),
    own_steps=BoolProperty(
        name="Steps",
        description="On: set the steps here. Off: as many as Draft, Normal or Best takes on this base",
    ),
    steps=IntProperty(name="Steps", description="Learning steps", default=300, min=1, max=100_000),
    method=EnumProperty(
        name="Method",
        description="How to learn. Leave it on Customize-A-Video for one clip",
        items=METHOD_ITEMS,
    ),
    motions=CollectionProperty(type=RestageMotion),
    looks=CollectionProperty(type=RestageMotion),
    **{name: CollectionProperty(type=RestageSource) for name in SOURCES},
    **{f"{name}_index": IntProperty(options={"HIDDEN"}) for name in SOURCES},
    prompt=StringProperty(
        name="Prompt", description="What is to be seen in the new clip: a blue star over a brown ground"
    ),
    seed=property_of(Generate, "seed"),
    keep_seed=BoolProperty(
        name="Keep the seed",
        description="Use this seed again. Otherwise each press of a button takes a new one",
    ),
    count=property_of(Generate, "count"),
    as_long=BoolProperty(
        name="As long as the strip",
        description="Stretch the new clip over the strip's length: slower, with no more motion in it",
    ),
    balance=property_of(Generate, "balance"),
    own_start=BoolProperty(
        name="Follow the motion's clip", description="On: set it here. Off: as the motion recommends"
    ),
    start=property_of(Generate, "follow", name="Follow the motion's clip"),
    follow=property_of(Edit, "follow"),
    own_inversion_steps=BoolProperty(
        name="Inversion steps",
        description="Of Edit Strip. On: set it here. Off: what suits the base model",
    ),
    inversion_steps=property_of(Edit, "inversion_steps"),
    sampling=PointerProperty(type=RestageSampling),
    finish=PointerProperty(type=RestageFinish),
    **{name: PointerProperty(type=made) for name, made in METHOD_GROUPS.items()},
)

CLASSES = (
    RestageSampling,
    RestageFinish,
    *METHOD_GROUPS.values(),
    RestageMotion,
    RestageSource,
    RestageStrip,
    RestageScene,
)
