"""Pictures that the tab shows: what a motion made at a checkpoint. Blender's icons, kept by file."""

from pathlib import Path
from typing import Any

import bpy.utils.previews

_icons: dict[str, int] = {}  # by path
_held: list[Any] = []  # the one collection that keeps their pixels, while the extension is on


def load(path: Path) -> None:
    """Take in a picture, once more if it has changed since. Looks at the disk: not for `draw`."""
    try:
        name = f"{path} {path.stat().st_mtime_ns}"
    except OSError:  # there is none, or its folder is being replaced
        _icons.pop(str(path), None)
        return
    if not _held:
        _held.append(bpy.utils.previews.new())
    shown = _held[0].get(name) or _held[0].load(name, str(path), "IMAGE")
    _icons[str(path)] = shown.icon_id


def icon(path: Path) -> int:
    """What `icon_value` takes; 0 for a picture that has not been loaded."""
    return _icons.get(str(path), 0)


def unregister() -> None:
    _icons.clear()
    while _held:
        bpy.utils.previews.remove(_held.pop())
