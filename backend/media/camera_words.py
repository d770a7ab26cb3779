"""What a clip's camera does, in a word of film.

Turning and zooming move the whole picture by one rule, going moves what is near more than what is far
(Longuet-Higgins and Prazdny, "The interpretation of a moving retinal image", 1980). So tracks that part from
that rule in step with the camera, or a subject that does, tell a truck from a pan, a dolly zoom from a zoom.

Points are in half heights of the frame from its middle, x right, y down; N tracks, F frames.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from backend.media.motion import FRAME, STEADY, Movement

Array = npt.NDArray[Any]

PARALLAX = 0.25  # of the camera's own move: what differs from it by less goes with the background
EVEN = 0.1  # of a path's spread: how far it may be from a straight line and still be even
IN_STEP = 0.95  # correlation of two ways that belong to one move
SOME, HANDFUL = 0.05, 4  # of the tracks, and tracks: so many have to differ from the rest
FEWEST = 12  # tracks: fewer tell nothing
LEVER = 0.3  # from the middle: nearer to it growth is not seen
LEANS = 0.075  # a logarithm: by less a picture grows or goes beside that does neither
HARDLY = 2 * STEADY  # a camera that seems to move by less may do what no similarity shows
RIM = 0.66  # from the middle: beyond lies what is behind, more often than not
OUTER = 0.1  # what lies so much farther out, and higher, than the rest is far away: a sky, a horizon
LENSES = (0.0, 0.25, 0.5)  # 1 / focal length²: a long lens, 54° and 70° across
ROUNDS, LOOSE, ROUGH = 10, 4.7, 0.01  # of a robust fit: rounds, Tukey's limit, and the least scatter it sees


def camera_moves(found: Movement) -> tuple[str, ...]:
    """What the camera may have done in a word, likeliest first.

    The words: still, pan, tilt, roll, zoom, truck, pedestal, dolly, dolly zoom.

    Where nothing near stands out, both are said, the plain move first. What goes evenly in step with an even
    camera may go by itself: both are said, the camera's going first. A still picture is followed by what its
    background would not tell.
    """
    camera = found.camera
    shift = {"pan": camera.pan, "tilt": camera.tilt}
    extents = {name: float(np.ptp(path)) for name, path in shift.items()}
    extents["zoom"] = float(np.ptp(np.log(camera.zoom))) * FRAME
    extents["roll"] = float(np.ptp(np.radians(camera.roll))) * FRAME
    grows, beside = _rim(found)
    if beside > LEANS:
        del extents["roll"]
    if max(extents.values()) < HARDLY and max(grows, beside) > LEANS:
        return _zooms(found) if grows > beside else ("truck", "pan")
    name = max(extents, key=lambda key: extents[key])
    if extents[name] < STEADY:
        hidden = zip(("zoom", "roll", "pan", "tilt"), found.told, strict=True)
        return ("still", *(move for move, told in hidden if not told))
    if name == "roll":
        return (name,)
    if name == "zoom":
        return _zooms(found)
    going = {"pan": "truck", "tilt": "pedestal"}[name]
    column = 0 if name == "pan" else 1
    places = found.before.centres[:, column].astype(np.float64)
    near = _slope(shift[name], places) if found.before.moves else 0.0
    if abs(near) < PARALLAX and not parted(found.points, column):
        return name, going
    return (going, name) if _even(shift[name]) else (going,)


def camera_alone(found: Movement) -> bool:
    """Whether the camera is all that moves, as far as the background tells.

    One that goes shifts what is near before the background, which cannot be told from a subject that moves.
    """
    return camera_moves(found)[0] != "still" and not found.before.moves


def parted(points: Array, column: int) -> bool:
    """Whether tracks (N, F, 2) part, in step, from what a camera does that turns across (0) or down (1)."""
    if len(points) < FEWEST:
        return False
    start, ways = points[:, 0], points - points[:, :1]
    turned = _turned(start, ways[:, -1], column)
    median = np.median(ways[:, :, column], axis=0)
    along = median / median[-1] if median[-1] else np.zeros_like(median)
    rest = ways - turned[:, None] * along[:, None]
    last = rest[:, -1]
    far = np.abs(last[:, column]) > PARALLAX * abs(np.median(turned[:, column]))
    straight = np.abs(last[:, 1 - column]) < 0.5 * np.abs(last[:, column])
    return _enough(far & straight & (np.abs(_alike(rest[:, :, column], along)) > IN_STEP))


def _enough(which: npt.NDArray[np.bool_]) -> bool:
    """Whether these are more of the tracks (N,) than go astray."""
    return bool(which.sum() >= HANDFUL and which.mean() > SOME)


def _turned(start: Array, way: Array, column: int) -> Array:
    """How far a camera that turns, zooms and rolls moves the points at `start` (N, 2): the best of LENSES."""
    fits = []
    for lens in LENSES:
        shift = np.zeros_like(start)
        shift[:, column] = 1.0
        bent = shift + lens * start[:, column : column + 1] * start
        other = np.roll(shift, 1, axis=1)
        roll = start[:, ::-1] * (-1, 1)
        columns = np.stack([bent, other, start, roll], axis=-1).reshape(-1, 4)  # a row for x, one for y
        fits.append(_robust(columns, way))
    return min(fits, key=lambda fit: fit[1])[0]


def _robust(columns: Array, way: Array) -> tuple[Array, float, Array]:
    """The fit of `columns` (2N, P) to displacements (N, 2) that most agree with, its scatter, its factors."""
    weight = np.ones(len(way))
    fitted, scatter, solved = np.zeros_like(way), np.inf, np.zeros(columns.shape[1])
    for _ in range(ROUNDS):
        each = np.repeat(np.sqrt(weight), 2)
        solved = np.linalg.lstsq(columns * each[:, None], way.ravel() * each, rcond=None)[0]
        fitted = (columns @ solved).reshape(way.shape)
        size = np.linalg.norm(way - fitted, axis=1)
        scatter = max(float(np.median(size)), ROUGH)
        weight = np.clip(1 - (size / (LOOSE * scatter)) ** 2, 0, None) ** 2
    return fitted, scatter, solved


def _zooms(found: Movement) -> tuple[str, ...]:
    """The same for a picture that grows or shrinks."""
    zoom, before = np.log(found.camera.zoom), found.before
    grown = _slope(zoom, np.log(before.sizes.astype(np.float64))) if before.moves else 0.0
    if abs(grown) < PARALLAX:
        return _zooms_by_tracks(found.points)
    if abs(grown + 1) < PARALLAX:  # as large on the screen as before: no chance
        return ("dolly zoom",)
    return ("dolly zoom" if grown < 0 else "dolly"), "zoom"


def _zooms_by_tracks(points: Array) -> tuple[str, ...]:
    growth, start, way = _growth(points)
    if len(growth) < FEWEST:
        return "zoom", "dolly"
    low, high = np.percentile(growth, [10, 90])
    most = high if high > -low else low
    share = growth / most
    aside = np.abs(way - growth[:, None] * start).max(axis=1)
    near = aside < PARALLAX * abs(most)  # not what goes by itself
    if _enough(near & (share < -PARALLAX)):  # nearer than what keeps its size
        return "dolly zoom", "zoom"
    stays = near & (share < PARALLAX)
    if not _enough(stays):
        return ("dolly", "zoom") if _enough(near & (share < 1 - 2 * PARALLAX)) else ("zoom", "dolly")
    out, down = np.abs(start).max(axis=1), start[:, 1]
    outer = np.median(out[stays]) - np.median(out[~stays]) > OUTER
    return ("dolly" if outer and down[stays].mean() < down[~stays].mean() else "dolly zoom"), "zoom"


def _rim(found: Movement) -> tuple[float, float]:
    """By how much what lies at the frame's rim grows or shrinks, and by how much it goes on unevenly beside
    (logarithms, root mean square over the frame); 0 and 0 where the background tells nothing.

    A floor leans away: under a dolly zoom it grows below and shrinks above, and beside a camera that goes its
    near part goes farther, which a similarity takes for a roll. What turns does neither.
    """
    start, way = found.points[:, 0], found.points[:, -1] - found.points[:, 0]
    rim = np.abs(start).max(axis=1, initial=0) > RIM
    if not found.told[0] or rim.sum() < FEWEST:
        return 0.0, 0.0
    x, y = start[rim].T
    one, none = np.ones_like(x), np.zeros_like(x)
    across = [one, none, x, -y, y, x * x, x * y]
    down = [none, one, y, x, x, x * y, y * y]
    columns = np.stack([across, down], axis=-1).transpose(1, 2, 0).reshape(-1, 7)
    right, below, zoom, roll, slant, *leans = _robust(columns, way[rim])[2]
    turns = np.sort(np.outer((0.0, LENSES[-1]), (right, below)), axis=0)  # how a shift bends the picture
    swings, nods = leans - np.clip(leans, *turns)
    beside = float(np.hypot(slant, swings)) if abs(slant) > abs(roll) / 2 else 0.0
    return float(np.hypot(zoom, nods * np.sqrt((y * y).mean()))), beside


def _growth(points: Array) -> tuple[Array, Array, Array]:
    """Each track's growth away from the middle, where it starts (n, 2), and its way (n, 2)."""
    start, way = points[:, 0], points[:, -1] - points[:, 0]
    away = (start**2).sum(axis=1)
    seen = away > LEVER**2
    growth = (way * start).sum(axis=1)[seen] / away[seen]
    return growth, start[seen], way[seen]


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
