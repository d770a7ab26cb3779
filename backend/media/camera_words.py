"""What a clip's camera does, in a word of film.

Turning and zooming move the whole picture by one rule, going moves what is near more than what is far
(Longuet-Higgins and Prazdny, "The interpretation of a moving retinal image", 1980). So tracks that part from
that rule in step with the camera, or a subject that does, tell a truck from a pan, a dolly zoom from a zoom.

Points are in half heights of the frame from its middle, x right, y down; N tracks, F frames.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from backend.media.camera import tracks
from backend.media.motion import FRAME, STEADY, Movement
from backend.media.subject import Subject

Frames = npt.NDArray[np.uint8]  # (F, H, W, 3) RGB
Array = npt.NDArray[Any]

PARALLAX = 0.25  # of the camera's own move: what differs from it by less goes with the background
EVEN = 0.1  # of a path's spread: how far it may be from a straight line and still be even
IN_STEP = 0.95  # correlation of two ways that belong to one move
SOME, HANDFUL = 0.05, 4  # of the tracks, and tracks: so many have to differ from the rest
FEWEST = 12  # tracks: fewer tell nothing
LEVER = 0.3  # from the middle: nearer to it growth is not seen
GROWTH = 0.03  # a logarithm: tracks that all grow by less tell nothing
LEANS = 0.075  # a logarithm: by less a picture grows or goes beside that does neither
HARDLY = 2 * STEADY  # a camera that seems to move by less may do what no similarity shows
RIM = 0.66  # of the way to the frame's edge: beyond lies what is behind, more often than not
OUTER = 0.1  # what lies so much farther out, and higher, than the rest is far away: a sky, a horizon
WIDE = 0.5  # 1 / focal length²: more no usual lens bends a picture
ROUNDS, LOOSE, ROUGH = 10, 4.7, 0.01  # of a robust fit: rounds, Tukey's limit, and the least scatter it sees
SURE = 3.0  # standard errors


@dataclass(frozen=True)
class Tracked:
    """A clip's tracks that last from the first frame to the last."""

    points: Array  # (N, F, 2)
    aspect: float = 1.0  # of the frame: width by height

    def out(self) -> Array:
        """How far out each starts (N,): 1 at the frame's edge."""
        away: Array = np.abs(self.points[:, 0] / (self.aspect, 1)).max(axis=1, initial=0)
        return away


def tracked(frames: Frames) -> Tracked:
    """The lasting tracks of a clip (F, H, W, 3)."""
    height, width = frames.shape[1:3]
    path, valid = tracks(frames)
    return Tracked((path[valid.all(axis=1)] - (width / 2, height / 2)) / (height / 2), width / height)


def camera_moves(found: Movement, lasting: Tracked) -> tuple[str, ...]:
    """What the camera may have done in a word, likeliest first.

    The words: still, pan, tilt, roll, zoom, truck, pedestal, dolly, dolly zoom.

    Where nothing near stands out, both are said, the plain move first. What goes evenly in step with an even
    camera may go by itself: both are said, the camera's going first. A still picture is followed by what its
    background would not tell.
    """
    camera = found.camera
    shift = {"pan": camera.pan * lasting.aspect, "tilt": camera.tilt}
    extents = {name: float(np.ptp(path)) for name, path in shift.items()}
    extents["zoom"] = float(np.ptp(np.log(camera.zoom))) * FRAME
    extents["roll"] = float(np.ptp(np.radians(camera.roll))) * FRAME
    grows, beside = _rim(lasting) if found.told[0] else (0.0, 0.0)
    if beside > LEANS:
        del extents["roll"]
    if max(extents.values()) < HARDLY and max(grows, beside) > LEANS:
        return _zooms_by_tracks(lasting) if grows > beside else ("truck", "pan")
    name = max(extents, key=lambda key: extents[key])
    if extents[name] < STEADY:
        hidden = zip(("zoom", "roll", "pan", "tilt"), found.told, strict=True)
        return ("still", *(move for move, told in hidden if not told))
    if name == "roll":
        return (name,)
    if name == "zoom":
        return _zooms(np.log(camera.zoom), found.before, lasting)
    going = {"pan": "truck", "tilt": "pedestal"}[name]
    column = 0 if name == "pan" else 1
    places = found.before.centres[:, column].astype(np.float64) * (lasting.aspect, 1)[column]
    near = _slope(shift[name], places) if found.before.moves else 0.0
    if abs(near) < PARALLAX and not parted(lasting.points, column):
        return name, going
    return (going, name) if _even(shift[name]) else (going,)


def camera_alone(found: Movement, frames: Frames) -> bool:
    """Whether the camera is all that moves, as far as the background tells.

    One that goes shifts what is near before the background, which cannot be told from a subject that moves.
    """
    return not found.before.moves and camera_moves(found, tracked(frames))[0] != "still"


def parted(points: Array, column: int) -> bool:
    """Whether tracks (N, F, 2) part, in step, from what a camera does that turns across (0) or down (1)."""
    if len(points) < FEWEST:
        return False
    start, ways = points[:, 0], points - points[:, :1]
    median = np.median(ways[:, :, column], axis=0)
    end = int(np.abs(median).argmax())  # a camera may come back
    along = median / (median[end] or 1.0)
    shift = np.zeros_like(start)
    shift[:, column] = 1.0
    bent = start[:, column : column + 1] * start
    columns = np.stack([shift, np.roll(shift, 1, axis=1), start, start[:, ::-1] * (-1, 1), bent], axis=-1)
    turned = _robust(columns.reshape(-1, 5), ways[:, end])[0]
    rest = ways - turned[:, None] * along[:, None]
    last = rest[:, end]
    far = np.abs(last[:, column]) > PARALLAX * abs(np.median(turned[:, column]))
    straight = np.abs(last[:, 1 - column]) < 0.5 * np.abs(last[:, column])
    return _enough(far & straight & (np.abs(_alike(rest[:, :, column], along)) > IN_STEP))


def _enough(which: npt.NDArray[np.bool_]) -> bool:
    """Whether these are more of the tracks (N,) than go astray."""
    return bool(which.sum() >= HANDFUL and which.mean() > SOME)


def _robust(columns: Array, way: Array) -> tuple[Array, Array, Array]:
    """The fit of `columns` (2N, P) to ways (N, 2) that most agree with, its factors, their errors."""
    weight = np.ones(len(way))
    fitted, scatter, solved = np.zeros_like(way), ROUGH, np.zeros(columns.shape[1])
    for _ in range(ROUNDS):
        each = np.repeat(np.sqrt(weight), 2)
        solved = np.linalg.lstsq(columns * each[:, None], way.ravel() * each, rcond=None)[0]
        fitted = (columns @ solved).reshape(way.shape)
        size = np.linalg.norm(way - fitted, axis=1)
        scatter = max(float(np.median(size)), ROUGH)
        weight = np.clip(1 - (size / (LOOSE * scatter)) ** 2, 0, None) ** 2
    errors = scatter * np.sqrt(np.diag(np.linalg.pinv(columns.T @ columns)))
    return fitted, solved, errors


def _zooms(zoom: Array, before: Subject, lasting: Tracked) -> tuple[str, ...]:
    """The same for a picture that grows by the exponential of `zoom` (F,)."""
    grown = _slope(zoom, np.log(before.sizes.astype(np.float64))) if before.moves else 0.0
    if abs(grown) < PARALLAX:
        end = int(np.abs(zoom).argmax())  # a camera may come back
        return _zooms_by_tracks(lasting, end, float(np.expm1(zoom[end])))
    if abs(grown + 1) < PARALLAX:  # as large on the screen as before: no chance
        return ("dolly zoom",)
    return ("dolly zoom" if grown < 0 else "dolly"), "zoom"


def _zooms_by_tracks(lasting: Tracked, end: int = -1, behind: float = 0.0) -> tuple[str, ...]:
    """The same by how tracks go away from the middle until frame `end`, a shift of the whole taken away.

    `behind`: the growth of the background as a whole, which may have no track that lasts.
    """
    start, way = lasting.points[:, 0], lasting.points[:, end] - lasting.points[:, 0]
    away = (start**2).sum(axis=1)
    lever = away > LEVER**2
    if lever.sum() < FEWEST:
        return "zoom", "dolly"
    start, way, out = start[lever], way[lever], lasting.out()[lever]
    columns = np.stack(
        [
            np.tile((1.0, 0.0), (len(start), 1)),
            np.tile((0.0, 1.0), (len(start), 1)),
            start,
            start[:, ::-1] * (-1, 1),
        ],
        axis=-1,
    )
    way = way - _robust(columns.reshape(-1, 4), way)[1][:2]
    growth = (way * start).sum(axis=1) / away[lever]
    low, high = np.percentile(growth, [10, 90])
    most = max(low, high, key=abs)
    if abs(most) < GROWTH:  # all that was followed keeps its size
        return ("dolly zoom", "zoom") if abs(behind) > 2 * GROWTH else ("zoom", "dolly")
    share = growth / most
    near = np.abs(way - growth[:, None] * start).max(axis=1) < PARALLAX * abs(most)  # not what goes by itself
    if _enough(near & (share < -PARALLAX)):  # nearer than what keeps its size
        return "dolly zoom", "zoom"
    stays = near & (share < PARALLAX)
    if not _enough(stays):
        return ("dolly", "zoom") if _enough(near & (share < 1 - 2 * PARALLAX)) else ("zoom", "dolly")
    outer = np.median(out[stays]) - np.median(out[~stays]) > OUTER
    higher = start[stays, 1].mean() < start[~stays, 1].mean()
    return ("dolly" if outer and higher else "dolly zoom"), "zoom"


def _rim(lasting: Tracked) -> tuple[float, float]:
    """By how much what lies at the frame's rim grows or shrinks, and by how much it goes on unevenly beside,
    per half height (logarithms); 0 where that is not sure.

    A floor leans away: under a dolly zoom it grows below and shrinks above, and beside a camera that goes its
    near part goes farther, which a similarity takes for a roll. What turns does neither.
    """
    start, way = lasting.points[:, 0], lasting.points[:, -1] - lasting.points[:, 0]
    rim = lasting.out() > RIM
    if rim.sum() < FEWEST:
        return 0.0, 0.0
    x, y = start[rim].T
    one, none = np.ones_like(x), np.zeros_like(x)
    across = [one, none, x, -y, y, x * x, x * y]
    down = [none, one, y, x, x, x * y, y * y]
    columns = np.stack([across, down], axis=-1).transpose(1, 2, 0).reshape(-1, 7)
    _, solved, errors = _robust(columns, way[rim])
    right, below = solved[:2]
    turns = np.sort(np.outer((0.0, WIDE), (right, below)), axis=0)  # how a shift bends the picture
    solved[5:] -= np.clip(solved[5:], *turns)
    zoom, roll, slant, swings, nods = np.where(np.abs(solved) > SURE * errors, solved, 0)[2:]
    beside = float(np.hypot(slant, swings)) if abs(slant) > abs(roll) / 2 else 0.0
    return float(np.hypot(zoom, nods * np.sqrt((y * y).mean()))), beside


def _even(path: Array) -> bool:
    """Whether a path (F,) goes on at one speed."""
    moments = np.arange(len(path))
    beside = path - np.polyval(np.polyfit(moments, path, 1), moments)
    return bool(beside.std() < EVEN * path.std())


def _slope(of_camera: Array, of_subject: Array) -> float:
    """How far the subject goes before the background per unit of the camera's way; 0 when not in step."""
    a, b = of_camera - of_camera.mean(), of_subject - of_subject.mean()
    alike = float(_alike(b[None], a)[0])
    return float((a * b).sum()) / float((a * a).sum()) if abs(alike) > IN_STEP else 0.0


def _alike(paths: Array, other: Array) -> Array:
    """Correlation of each of `paths` (N, F) with another one (F,); 0 where either stands still."""
    a, b = paths - paths.mean(axis=1, keepdims=True), other - other.mean()
    together: Array = (a @ b) / np.maximum(np.sqrt((a * a).sum(axis=1) * (b * b).sum()), 1e-12)
    return together
