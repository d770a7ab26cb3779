"""What Blender 4.2 to 5.2 call a strip and its range, and how a result becomes one."""

import uuid
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import bpy
from bpy.app.handlers import persistent

from .backend.api.protocol import Clip, Rate
from .backend.errors import UserError

StripType = getattr(bpy.types, "Strip", None) or bpy.types.Sequence  # 4.2 calls it Sequence
REQUEST = "restage_request"  # a result's custom property: what was asked, as JSON
CHANNELS = 128
HEADLESS = bpy.app.background
NO_SCENE = "Choose a scene in the sequencer's header first"

if "left_handle" in StripType.bl_rna.properties:  # from 5.1
    START, DURATION, LENGTH = "left_handle", "duration", "content_duration"
    TRIM_START, TRIM_END = "content_trim_start", "content_trim_end"
    LEFT_OFFSET = "left_handle_offset"
else:
    START, DURATION, LENGTH = "frame_final_start", "frame_final_duration", "frame_duration"
    TRIM_START, TRIM_END = "animation_offset_start", "animation_offset_end"
    LEFT_OFFSET = "frame_offset_start"


@dataclass(frozen=True)
class Place:
    """Where a result belongs, without holding on to anything of Blender's."""

    scene: str  # the scene's id
    strip: str  # the source strip's id; empty without a source
    name: str  # the source strip's name and file, for when undo has taken the id from it
    filepath: str
    channel: int
    frame: int
    scene_name: str = ""  # for when undo has taken the scene's id
    blend: str = ""  # the .blend's path; empty when unsaved
    opened: int = -1  # how many had been opened before it


NOWHERE = Place("", "", "", "", 0, 0)  # of what an earlier Blender asked for
_opened = [0]  # .blends since Blender started: a new one has no path that tells it from another


# ------------------------------------------------------------------ finding


def shown_scene(context: Any) -> Any:
    """The scene whose strips the sequencer shows: its own from 5.0 on, and None while none is chosen there.
    Scripts without a window choose none: theirs is Blender's.
    """
    if not hasattr(context, "sequencer_scene") or HEADLESS or context.window is None:
        return getattr(context, "sequencer_scene", None) or context.scene
    return context.sequencer_scene


def active_strip(scene: Any) -> Any:
    """None where none is active, or no scene is shown."""
    editor = scene.sequence_editor if scene else None
    return editor.active_strip if editor else None


def strips_in(owner: Any) -> Any:
    """The collection of strips directly in a sequence editor or a meta strip."""
    return owner.strips if hasattr(owner, "strips") else owner.sequences


def all_strips(scene: Any) -> Iterator[Any]:
    """Every strip of a scene, those in meta strips too."""
    editor = scene.sequence_editor
    if editor:
        yield from editor.strips_all if hasattr(editor, "strips_all") else editor.sequences_all


def selected(scene: Any) -> list[Any]:
    """The selected strips of the level that the sequencer shows; those in a closed meta keep their flag."""
    editor = scene.sequence_editor
    if editor is None:
        return []
    level = editor.meta_stack[-1] if len(editor.meta_stack) else editor
    return [strip for strip in strips_in(level) if strip.select]


def own_id(thing: Any, others: Iterator[Any]) -> str:
    """The id of a scene or strip; a new one where it has none or shares it with what it was copied from."""
    settings = thing.restage
    if not settings.id or any(other != thing and other.restage.id == settings.id for other in others):
        settings.id = uuid.uuid4().hex
    return str(settings.id)


def place_of(scene: Any, strip: Any) -> Place:
    """Where a result goes: above the strip, or at the playhead without one."""
    scene_id, file = own_id(scene, iter(bpy.data.scenes)), (scene.name, bpy.data.filepath, _opened[0])
    if strip is None:
        return Place(scene_id, "", "", "", 0, scene.frame_current, *file)
    strip_id = own_id(strip, all_strips(scene))
    path = getattr(strip, "filepath", "")
    return Place(scene_id, strip_id, strip.name, path, strip.channel, int(getattr(strip, START)), *file)


def find_scene(place: Place) -> Any:
    """The scene of a place, if it is open. Where undo or Revert has taken its id away, by name in the same
    .blend; it gets the id back. One with another id is another's.
    """
    if not place.scene:
        return None
    found = next((scene for scene in bpy.data.scenes if scene.restage.id == place.scene), None)
    if found or not (place.opened == _opened[0] or (place.blend and place.blend == bpy.data.filepath)):
        return found
    scene = bpy.data.scenes.get((place.scene_name, None))  # None: not linked from elsewhere
    if scene is None or scene.restage.id:
        return None
    scene.restage.id = place.scene
    return scene


@persistent  # type: ignore[untyped-decorator]
def another_blend(*_: Any) -> None:
    _opened[0] += 1


def find_source(scene: Any, place: Place) -> Any:
    """The source strip by its id, else by name and file (undo may have taken the id away); or None."""
    if not place.strip:
        return None
    found = list(all_strips(scene))
    by_id = [strip for strip in found if strip.restage.id == place.strip]
    same = [s for s in found if s.name == place.name and getattr(s, "filepath", "") == place.filepath]
    return next(iter(by_id or same), None)


# ------------------------------------------------------------------ a strip as a source


def scene_rate(scene: Any) -> Rate:
    """Frames per second, exactly: 30 fps over a base of 1.001 is 30000/1001."""
    render = scene.render
    thousandths = round(render.fps_base * 1000)
    if abs(thousandths / 1000 - render.fps_base) > 1e-6:
        thousandths, render_base = round(render.fps_base * 1_000_000), 1_000_000
    else:
        render_base = 1000
    rate = Rate(num=render.fps * render_base, den=thousandths).fraction()
    return Rate(num=rate.numerator, den=rate.denominator)


def why_not_a_source(strip: Any) -> str:
    """Why a strip cannot be learned from or edited, in a sentence; nothing when it can. Reads no file."""
    if strip is None:
        return "Select a movie strip first"
    if strip.type != "MOVIE":
        kind = strip.type.replace("_", " ").title()
        return f"Only movie strips can be used, and this is a strip of type {kind}"
    if not strip.elements or not strip.elements[0].orig_width or not strip.fps:  # a file that went has none
        return "The strip's movie file cannot be read; find it first (File > External Data)"
    if len(strip.retiming_keys):
        return "The strip is retimed; reset its retiming first (Strip > Retiming > Reset)"
    return ""


def clip_of(strip: Any, scene: Any) -> Clip:
    """The strip's range in its file's own frames. Opens the file; raises UserError when it cannot be used."""
    if reason := why_not_a_source(strip):
        raise UserError(f"{reason}.")
    path = Path(bpy.path.abspath(strip.filepath)).resolve()
    first, count = source_range(strip, speed(strip, scene, lambda: frames_in(path)))
    words = strip.restage
    return Clip(
        path=str(path),
        first_frame=first,
        frame_count=count,
        reverse=strip.use_reverse_frames,
        looks=words.looks.strip(),
    )


def source_range(strip: Any, factor: float) -> tuple[int, int]:
    """First frame and count, in frames of the file, of what lies between the handles.

    `factor` is file frames per timeline frame. Handles beyond the content only hold its end frames.
    """
    length, offset = getattr(strip, LENGTH), getattr(strip, LEFT_OFFSET)
    low = max(offset, 0)
    high = min(offset + getattr(strip, DURATION), length)
    if high <= low:
        raise UserError("The strip shows no frames of its movie.", "Move its handles onto the movie.")
    if strip.use_reverse_frames:
        low, high = length - high, length - low
    first = int(low * factor)
    return int(getattr(strip, TRIM_START)) + first, max(1, round(high * factor) - first)


def speed(strip: Any, scene: Any, frames: Callable[[], int]) -> float:
    """File frames per frame of the timeline: 1, or the ratio of rates for a strip that matches the speed.

    Strips added from the menu match the speed of the movie, which Blender tells scripts only by their length.
    """
    ratio = strip.fps * scene.render.fps_base / scene.render.fps
    if not strip.fps or abs(ratio - 1) < 1e-3:
        return 1.0
    own = frames() - getattr(strip, TRIM_START) - getattr(strip, TRIM_END)
    length = getattr(strip, LENGTH)
    return ratio if abs(length * ratio - own) < abs(length - own) else 1.0


def frames_in(path: Path) -> int:
    """How many frames a movie file has, as Blender counts them. Opens it: not for `draw`, not for a timer."""
    try:
        clip = bpy.data.movieclips.load(str(path))
    except RuntimeError as error:
        raise UserError(
            f"The movie file {path} cannot be read.", "See whether it is there and whole."
        ) from error
    try:
        return int(clip.frame_duration)
    finally:
        bpy.data.movieclips.remove(clip)


# ------------------------------------------------------------------ a result as a strip


def insert(place: Place, movies: tuple[str, ...], name: str, requests: Iterable[str]) -> str:
    """Put movies above the place's source strip, one above the other, each with the request that makes it
    again; one undo step for all. → What to know where the scene's rate is not theirs.

    Raises UserError when the scene is gone, a movie cannot be read, or there is no room.
    """
    scene = find_scene(place)
    if scene is None:
        raise UserError("The scene it was made for is not open.", f"The clip is {movies[0]}")
    source = find_source(scene, place)
    meta = source.parent_meta() if source else None
    owner = meta or scene.sequence_editor or scene.sequence_editor_create()
    frame = int(getattr(source, START)) if source else place.frame
    channel = source.channel if source else place.channel
    note = ""
    for path, request in zip(movies, requests, strict=True):
        length = frames_in(Path(path))
        channel = free_channel(owner, channel + 1, frame, length)
        strip = strips_in(owner).new_movie(name, path, channel, frame, fit_method="FIT")
        strip.restage.id = uuid.uuid4().hex
        strip[REQUEST] = request
        note = why_another_tempo(strip, scene)
    push_undo(f"Restage: {name}")
    return note


def why_another_tempo(strip: Any, scene: Any) -> str:
    """Blender never adapts the speed of a movie strip that a script adds: why that shows; or nothing."""
    rate = scene.render.fps / scene.render.fps_base
    if not strip.fps or abs(strip.fps - rate) < 0.01:
        return ""
    tempo = "fast" if rate > strip.fps else "slow"
    clip = f"The clip was made for {strip.fps:.5g} fps and plays too {tempo} in this scene, at {rate:.5g}."
    return f"{clip} Another Take makes one for this scene."


def free_channel(owner: Any, lowest: int, frame: int, length: int) -> int:
    """The first channel from `lowest` up that is free there and shown; UserError when there is none."""
    taken = {
        strip.channel
        for strip in strips_in(owner)
        if getattr(strip, START) < frame + length and frame < getattr(strip, START) + getattr(strip, DURATION)
    }
    for channel in range(lowest, CHANNELS + 1):
        settings = owner.channels[channel]
        if channel not in taken and not settings.lock and not settings.mute:
            return channel
    raise UserError("No channel above the strip is free.", "Make room, then drag the clip in by hand.")


def push_undo(message: str) -> None:
    """One undo step. A timer has no window in its context, which this operator needs where there is one."""
    windows = bpy.context.window_manager.windows
    if bpy.context.window is None and len(windows):
        with bpy.context.temp_override(window=windows[0]):
            bpy.ops.ed.undo_push(message=message)
    else:
        bpy.ops.ed.undo_push(message=message)
