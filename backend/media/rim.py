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
    lit = [_lit(energy) for energy in energies]
    return lit[0], lit[1], *_shifts_told(lit[2:])


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


def _shifts_told(lit: list[bool]) -> tuple[bool, bool]:
    """Whether pan and tilt are told, by which of TURNS directions are: stripes hide shifts along them."""
    dark = np.flatnonzero(~np.array(lit)) * np.pi / TURNS
    return bool((np.abs(np.cos(dark)) < ASLANT).all()), bool((np.abs(np.sin(dark)) < ASLANT).all())


def _lit(energy: Array) -> bool:
    """Whether the frame's rim shows gradients enough: in four of its eight parts, a corner among them.

    A subject before a plain wall reaches over three edges at most, and not into the corners.
    """
    cuts = [
        np.split(np.arange(side), [round(EDGE * side), side - round(EDGE * side)]) for side in energy.shape
    ]
    parts = {(i, j): energy[np.ix_(cuts[0][i], cuts[1][j])] for i in range(3) for j in range(3)}
    lit = {place for place, part in parts.items() if part.mean() > TELLS**2 or part.max() > STRONG**2}
    corners = {(0, 0), (0, 2), (2, 0), (2, 2)}
    return len(lit - {(1, 1)}) >= 4 and bool(lit & corners)
