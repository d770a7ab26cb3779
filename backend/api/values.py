"""Immutable values: how a field's limits are declared and checked, and their strict JSON form.

Every object in the JSON names its class: {"type": "Motion", "path": "…", "strength": 1.0}.
"""

import dataclasses
import sys
import types
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal, Union, dataclass_transform, get_args, get_origin, get_type_hints

from ..errors import UserError


class ProtocolError(ValueError):
    """A piece of JSON that is not the value both sides agree on; the message names the place."""


@dataclass_transform(frozen_default=True, kw_only_default=True, field_specifiers=(field,))
def value(cls: type) -> type:
    """An immutable value, built by naming its fields; equal when class and fields are.

    What dataclass would write for each class is shared: compiling it took a tenth of the add-on's start.
    """
    made: Any = dataclass(frozen=True, kw_only=True, repr=False, eq=False)(cls)
    made.__eq__, made.__hash__, made.__repr__ = _equal, _hash, _repr
    return made  # type: ignore[no-any-return]


def _equal(one: Any, other: Any) -> Any:
    return one.__dict__ == other.__dict__ if type(one) is type(other) else NotImplemented


def _hash(one: Any) -> int:
    return hash((type(one), *one.__dict__.values()))


def _repr(one: Any) -> str:
    return f"{type(one).__name__}({', '.join(f'{name}={x!r}' for name, x in one.__dict__.items())})"


def limited(default: Any, low: float, high: float, help: str = "", **metadata: Any) -> Any:
    """A number field whose value (where it is not None) lies in [low, high]."""
    return field(default=default, metadata={"low": low, "high": high, "help": help, **metadata})


def described(default: Any, help: str, *, path: bool = False) -> Any:
    """A field without limits that a panel explains with `help`; of a file or folder where it is a `path`."""
    return field(default=default, metadata={"help": help, "path": path})


def check(thing: Any, where: str = "") -> None:
    """Raise UserError for the first number in `thing`, at any depth, that is out of its limits."""
    if isinstance(thing, tuple):
        for item in thing:
            check(item, where)
    if not dataclasses.is_dataclass(thing):
        return
    for f in dataclasses.fields(thing):
        x = getattr(thing, f.name)
        check(x, f.name)
        if x is None or "low" not in f.metadata:
            continue
        low, high = f.metadata["low"], f.metadata["high"]
        if not low <= x <= high:
            name = f.name.replace("_", " ")
            raise UserError(
                f"{name.capitalize()} is {_shown(x)}, outside {_shown(low)} to {_shown(high)}.",
                f"Choose a value from {_shown(low)} to {_shown(high)}.",
            )


def with_paths(thing: Any, whole: Callable[[str], str]) -> Any:
    """The value with each path in it as `whole` writes it, without the spaces around; none stays none."""
    marked = [f.name for f in dataclasses.fields(thing) if f.metadata.get("path")]
    given = {name: getattr(thing, name).strip() for name in marked}
    return dataclasses.replace(thing, **{name: path and whole(path) for name, path in given.items()})


def _shown(x: float) -> str:
    """A whole number to its last digit: `:g` would round it, and fails where no float is as large."""
    return str(x) if isinstance(x, int) else f"{x:g}"


def to_plain(x: Any) -> Any:
    """The JSON form of a value: dicts, lists, strings, numbers, booleans and None."""
    if dataclasses.is_dataclass(x):
        fields = {f.name: to_plain(getattr(x, f.name)) for f in dataclasses.fields(x)}
        return {"type": type(x).__name__, **fields}
    return [to_plain(v) for v in x] if isinstance(x, tuple) else x


def from_plain(kind: Any, x: Any, where: str = "message") -> Any:
    """Return `x` as `kind`; raise ProtocolError naming the field at fault."""
    choices = get_args(kind) if get_origin(kind) in (Union, types.UnionType) else (kind,)
    for choice in choices:
        if isinstance(choice, type) and dataclasses.is_dataclass(choice):
            if isinstance(x, dict) and x.get("type") == choice.__name__:
                return _fields(choice, x, where)
        elif get_origin(choice) is tuple:
            if isinstance(x, list):
                item = get_args(choice)[0]
                return tuple(from_plain(item, v, f"{where}[{i}]") for i, v in enumerate(x))
        elif _is_plain(choice, x):
            return float(x) if choice is float else x
    expected = " or ".join(_name(c) for c in choices)
    raise ProtocolError(f"{where}: expected {expected}, got {x!r}")


def _is_plain(kind: Any, x: Any) -> bool:
    if get_origin(kind) is Literal:
        return isinstance(x, str) and x in get_args(kind)
    if kind is float:  # NaN, infinity and integers beyond every float are none
        return type(x) in (int, float) and abs(x) <= sys.float_info.max
    return type(x) is kind


def _name(kind: Any) -> str:
    if get_origin(kind) is Literal:
        return " or ".join(repr(a) for a in get_args(kind))
    return "null" if kind is types.NoneType else getattr(kind, "__name__", str(kind))


def _fields(cls: Any, data: dict[str, Any], where: str) -> Any:
    hints = get_type_hints(cls)
    required = {f.name for f in dataclasses.fields(cls) if f.default is dataclasses.MISSING}
    if unknown := data.keys() - hints.keys() - {"type"}:
        raise ProtocolError(f"{where}: {cls.__name__} has no {', '.join(sorted(unknown))}")
    if missing := required - data.keys():
        raise ProtocolError(f"{where}: {cls.__name__} needs {', '.join(sorted(missing))}")
    given = hints.keys() & data.keys()
    return cls(**{k: from_plain(hints[k], data[k], f"{where}.{k}") for k in sorted(given)})
