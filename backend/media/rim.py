"""What a frame's rim tells of a move: where the subject is not, there are gradients, or none.

Shapes: H height, W width of the working size; maps over blocks (H/b, W/b).
"""

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float32]
Told = tuple[bool, bool, bool, bool]  # whether zoom, roll, across, down are told

EDGE = 0.22  # how far the band along each edge reaches in, as a share of the frame
BLOCKS = 16  # along the shorter side: they vote, so that few strong outlines do not outweigh a wide ground
TELLS = 0.4  # levels a pixel: gradients along an edge of the frame that tell a direction
STRONG = 2.5  # … and in a single block
TURNS = 16  # directions of a shift that are looked at, over half a turn
FAINT = 0.1  # of a block's strongest direction: what is weaker are the steps that pixels make of a slant
ASLANT = 0.25  # how much of a direction that is not told may lie along an axis that is


def told_by_rim(energies: Array) -> Told:
    """Which parts of a move the rim tells, by the `slope_energies` (2 + TURNS, …) of blocks that agree."""
    lit = _lit(energies)
    return bool(lit[0]), bool(lit[1]), *_shifts_told(lit[2:])


def slope_energies(slopes: Array) -> Array:
    """Mean squares of slopes (H, W, 3, 4) in blocks (2 + TURNS, …): by zoom, by roll, by shifts all around.

    An even slope that shifts looks like a flicker of the whole: only what departs from the mean counts.
    """
    angles = np.arange(TURNS)[:, None, None] * np.pi / TURNS
    cos, sin = np.cos(angles), np.sin(angles)
    found = []
    for some in (slopes, slopes - slopes.mean(axis=(0, 1))):
        pairs = ((0, 0), (1, 1), (2, 2), (2, 3), (3, 3))
        zoom, roll, xx, xy, yy = (block_means((some[..., i] * some[..., j]).sum(axis=2)) for i, j in pairs)
        shifts = cos**2 * xx + 2 * cos * sin * xy + sin**2 * yy
        shifts *= shifts > FAINT * shifts.max(axis=0)
        found.append(np.stack([zoom, roll, *shifts]))
    least: Array = np.minimum(*found)
    return least


def block_means(values: Array) -> Array:
    """Means over blocks, BLOCKS of them along the shorter side."""
    block = max(2, min(values.shape) // BLOCKS)
    height, width = (side // block * block for side in values.shape)
    rows = values[:height, :width].reshape(height // block, block, width // block, block)
    means: Array = rows.mean(axis=(1, 3))
    return means


def _shifts_told(lit: npt.NDArray[np.bool_]) -> tuple[bool, bool]:
    """Whether pan and tilt are told, by which of TURNS directions are: stripes hide shifts along them."""
    dark = np.flatnonzero(~lit) * np.pi / TURNS
    return bool((np.abs(np.cos(dark)) < ASLANT).all()), bool((np.abs(np.sin(dark)) < ASLANT).all())


def _lit(energies: Array) -> npt.NDArray[np.bool_]:
    """Which of the maps (N, …) show gradients enough along the frame's rim: in four of its eight parts, a
    corner among them.

    A subject before a plain wall reaches over three edges at most, and not into the corners.
    """
    rows, columns = (
        (slice(round(EDGE * side)), slice(round(EDGE * side), side - round(EDGE * side)),
         slice(side - round(EDGE * side), side))
        for side in energies.shape[1:]
    )  # fmt: skip
    lit = {
        (i, j): _shows(energies[:, rows[i], columns[j]])
        for i in range(3)
        for j in range(3)
        if (i, j) != (1, 1)
    }
    corner = lit[0, 0] | lit[0, 2] | lit[2, 0] | lit[2, 2]
    enough: npt.NDArray[np.bool_] = (np.sum(list(lit.values()), axis=0) >= 4) & corner
    return enough


def _shows(part: Array) -> npt.NDArray[np.bool_]:
    shows: npt.NDArray[np.bool_] = (part.mean(axis=(1, 2)) > TELLS**2) | (part.max(axis=(1, 2)) > STRONG**2)
    return shows
