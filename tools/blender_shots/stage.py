"""The set of one shot: a subject before a wall, over a floor or before a sky, and a camera.

The camera stands at the origin and looks along +y at rest, a little down; subjects stand DEPTH metres before
it.
"""

import math
import random
from collections.abc import Sequence
from typing import Any

import bpy
import numpy as np
import numpy.typing as npt
from mathutils import Euler, Matrix, Vector

from . import things

Array = npt.NDArray[np.float64]

DEPTH = 6.0  # metres from the camera to the subject
LENS, SENSOR = 35.0, 36.0  # mm
FRAME = DEPTH * SENSOR / LENS  # metres that the frame shows at the subject's depth
WALL, SKY = 2.5, 8.0  # how far away they are, in subject depths
TILES = 3  # frames that a background's tile is wide and high
FLOORS = ("green field", "brown ground", "blue sea", "checkered floor", "tiled floor")
PITCHES = {"floor": -0.62, "wall": -0.06, "sky": 0.0}  # how far the camera looks down, in radians


def kind(background: str) -> str:
    if background in FLOORS:
        return "floor"
    return "sky" if background.endswith("sky") else "wall"


class Stage:
    """Everything of one shot that can be posed frame by frame."""

    def __init__(self, shot: dict[str, Any], outlines: dict[str, Any], images: dict[str, Any]) -> None:
        self.shot, self.words = shot, shot["words"]
        self.kind = kind(self.words["background"])
        self.rest = Euler((math.pi / 2 + PITCHES[self.kind], 0, 0)).to_matrix()
        self.radius = self.words["size"] * FRAME
        self.turn = random.Random(shot["seed"]).uniform(-0.45, 0.45)
        first = things.subject(self.words["subject"], shot["colour"], outlines)
        self.subjects = [first, *(_copy(first) for _ in shot["places"][1:])]
        self.camera = _camera()
        self.background = _background(self.kind, self.words["background"], self._lowest(), images)

    def pose(self, frame: int) -> None:
        """Subjects and camera as they are in a frame."""
        path, moves = self.shot["subject"], self.shot["moves"]
        size = path["radii"][frame] / self.words["size"]
        for subject, place in zip(self.subjects, self.shot["places"], strict=True):
            subject.location = self._at(path["centres"][frame], DEPTH / size, place)
            subject.scale = [self.radius] * 3
            spun = Matrix.Rotation(path["angles"][frame], 3, "Y")  # clockwise as seen from -y
            subject.rotation_euler = (spun @ Matrix.Rotation(self.turn, 3, "Z")).to_euler()
        across, down = moves["truck"][frame]
        go = Vector((across * FRAME, -down * FRAME, -moves["dolly"][frame] * DEPTH))
        right, below = (math.atan(p * SENSOR / LENS) for p in moves["pan"][frame])
        turned = Matrix.Rotation(-right, 3, "Y") @ Matrix.Rotation(-below, 3, "X")
        rolled = self.rest @ turned @ Matrix.Rotation(moves["roll"][frame], 3, "Z")
        self.camera.location = self.rest @ go
        self.camera.rotation_euler = rolled.to_euler()
        self.camera.data.lens = LENS * moves["zoom"][frame]
        bpy.context.view_layer.update()

    def seen_from(self) -> tuple[Array, float]:
        """The camera's matrix (4, 4) and its lens in mm, as posed."""
        return np.array(self.camera.matrix_world), float(self.camera.data.lens)

    def corners(self) -> Array:
        """All corners of the subjects' meshes where they are now (N, 3)."""
        found = []
        for subject in self.subjects:
            local = np.empty(len(subject.data.vertices) * 3)
            subject.data.vertices.foreach_get("co", local)
            matrix = np.array(subject.matrix_world)
            found.append(local.reshape(-1, 3) @ matrix[:3, :3].T + matrix[:3, 3])
        return np.concatenate(found)

    def _at(self, centre: Sequence[float], depth: float, place: Sequence[float]) -> Vector:
        """Where something at a place of the rest camera's screen is, `place` radii beside it."""
        frame = depth * SENSOR / LENS
        across = (centre[0] - 0.5) * frame + place[0] * self.radius
        down = (centre[1] - 0.5) * frame + place[1] * self.radius
        return self.rest @ Vector((across, -down, -depth))

    def _lowest(self) -> float:
        """The height of the lowest point of all subjects over the shot: the floor is there."""
        low = math.inf
        for frame in range(len(self.shot["subject"]["radii"])):
            self.pose(frame)
            low = min(low, self.corners()[:, 2].min())
        return low - 0.02


def _copy(thing: Any) -> Any:
    made = thing.copy()
    bpy.context.collection.objects.link(made)
    return made


def _camera() -> Any:
    made = bpy.data.objects.new("Camera", bpy.data.cameras.new("Camera"))
    made.data.sensor_width, made.data.clip_end = SENSOR, 500
    bpy.context.collection.objects.link(made)
    bpy.context.scene.camera = made
    return made


def _background(kind: str, name: str, low: float, images: dict[str, Any]) -> Array:
    """Builds what is behind the subjects; three points of what is farthest away (3, 3)."""
    tile = things.material("tile", (0.5, 0.5, 0.5), images["tile"])
    if kind == "floor":
        reach = 12 * FRAME
        corners = [
            (-reach, -FRAME, low),
            (reach, -FRAME, low),
            (reach, 2 * reach, low),
            (-reach, 2 * reach, low),
        ]
        tiles = 2 * reach / FRAME / TILES, (2 * reach + FRAME) / FRAME / TILES
    else:
        away = SKY if kind == "sky" or name == "forest" else WALL
        half = TILES / 2 * FRAME * away
        bottom, top, depth = -half, half, away * DEPTH
        corners = [(-half, depth, bottom), (half, depth, bottom), (half, depth, top), (-half, depth, top)]
        tiles = 1.0, 1.0
    things.sheet("background", corners, tiles, tile)
    if kind == "wall":
        _ground(low, images["ground"])
    if name == "forest":
        _forest(low)
    elif name == "cloudy sky":
        _clouds()
    return np.array(corners[:3])


def _ground(low: float, image: Any) -> None:
    corners = _level(low, 8 * FRAME, 8 * FRAME)
    things.sheet("ground", corners, (4, 4), things.material("ground", (0.4, 0.4, 0.4), image))


def _level(height: float, aside: float, ahead: float) -> list[tuple[float, float, float]]:
    """The corners of a level sheet that begins behind the camera."""
    return [(x, y, height) for x, y in ((-aside, -FRAME), (aside, -FRAME), (aside, ahead), (-aside, ahead))]


def _forest(low: float) -> None:
    rng = random.Random(5)
    for row in (2.0, 2.5, 3.0):
        for i in range(-8, 9):
            place = (i * 0.28 + rng.uniform(-0.05, 0.05)) * FRAME * row, row * DEPTH, low
            things.fir(place, rng.uniform(0.75, 1.05) * FRAME)


def _clouds() -> None:
    rng = random.Random(3)
    for down in range(-2, 3):
        for across in range(-3, 4):
            x, z = (
                across * 0.55 + 0.25 * (down % 2) + rng.uniform(-0.1, 0.1),
                0.4 * down + rng.uniform(-0.1, 0.1),
            )
            things.cloud((x * FRAME * 3, 3 * DEPTH, z * FRAME * 3), rng.uniform(0.7, 1.2) * 1.3)
