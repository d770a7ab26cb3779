"""Meshes: subjects as solids made from the world's outlines, and what stands behind them."""

import math
from collections.abc import Sequence
from typing import Any

import bpy

THICK = 0.32  # half the thickness of an outline's solid, in radii
PART = 0.05  # how far a darker part stands out, in radii
DARK = 0.3  # of the subject's colour, for its parts; black ones have light parts

Colour = Sequence[float]


def material(name: str, colour: Colour, image: Any = None) -> Any:
    """A plain or textured material that Workbench and Cycles both show."""
    made = bpy.data.materials.new(name)
    made.use_nodes = True
    surface = next(n for n in made.node_tree.nodes if n.type == "BSDF_PRINCIPLED")
    linear = [((c + 0.055) / 1.055) ** 2.4 if c > 0.04 else c / 12.92 for c in colour]
    surface.inputs["Base Color"].default_value = (*linear, 1)
    surface.inputs["Roughness"].default_value = 0.6
    made.diffuse_color = (*linear, 1)
    if image is not None:
        texture = made.node_tree.nodes.new("ShaderNodeTexImage")
        texture.image = image
        made.node_tree.links.new(texture.outputs["Color"], surface.inputs["Base Color"])
        made.node_tree.nodes.active = texture
    return made


def subject(name: str, colour: Colour, outlines: dict[str, Any]) -> Any:
    """A subject of radius 1 that faces -y, z up: a ball, a box, a ring, or an outline's solid."""
    if name == "ball":
        bpy.ops.mesh.primitive_uv_sphere_add(segments=32, ring_count=16)
        bpy.ops.object.shade_smooth()
    elif name == "box":
        bpy.ops.mesh.primitive_cube_add(size=1.6, rotation=(0, 0, 0.45))
    elif name == "ring":
        bpy.ops.mesh.primitive_torus_add(major_radius=0.72, minor_radius=0.33, rotation=(math.pi / 2, 0, 0))
        bpy.ops.object.shade_smooth()
    else:
        _solid(name, outlines["whole"], THICK)
    made = bpy.context.object
    made.data.materials.append(material(name, colour))
    parts = [c * DARK for c in colour] if max(colour) > 0.1 else [0.55] * 3
    if outlines["parts"]:
        extra = _solid(f"{name} parts", outlines["parts"], THICK + PART)
        extra.data.materials.append(material("parts", parts))
        made.select_set(True)
        bpy.context.view_layer.objects.active = made
        bpy.ops.object.join()
    bpy.ops.object.transform_apply(location=False, rotation=True, scale=True)
    return made


def _solid(name: str, outlines: Sequence[Any], half: float) -> Any:
    """Closed outlines (x right, y up) as plates that reach from y = -half to half."""
    corners: list[tuple[float, float, float]] = []
    faces: list[list[int]] = []
    for outline in outlines:
        start, count = len(corners), len(outline)
        corners += [(x, -half, z) for x, z in outline] + [(x, half, z) for x, z in outline]
        front, back = range(start, start + count), range(start + count, start + 2 * count)
        faces += [list(front), list(reversed(back))]
        faces += [[front[i], back[i], back[(i + 1) % count], front[(i + 1) % count]] for i in range(count)]
    mesh = bpy.data.meshes.new(name)
    mesh.from_pydata(corners, [], faces)
    made = bpy.data.objects.new(name, mesh)
    bpy.context.collection.objects.link(made)
    bpy.ops.object.select_all(action="DESELECT")
    made.select_set(True)
    bpy.context.view_layer.objects.active = made
    bpy.ops.object.mode_set(mode="EDIT")
    bpy.ops.mesh.select_all(action="SELECT")
    bpy.ops.mesh.normals_make_consistent()
    bpy.ops.object.mode_set(mode="OBJECT")
    return made


def sheet(name: str, corners: Sequence[Sequence[float]], tiles: Sequence[float], made_of: Any) -> Any:
    """A rectangle through four corners, its texture repeated `tiles` (across, down) times."""
    mesh = bpy.data.meshes.new(name)
    mesh.from_pydata([tuple(c) for c in corners], [], [(0, 1, 2, 3)])
    layer = mesh.uv_layers.new()
    for loop, (u, v) in zip(layer.data, ((0, 0), (1, 0), (1, 1), (0, 1)), strict=True):
        loop.uv = (u * tiles[0], v * tiles[1])
    mesh.materials.append(made_of)
    made = bpy.data.objects.new(name, mesh)
    bpy.context.collection.objects.link(made)
    return made


def fir(place: Sequence[float], height: float) -> None:
    """A tree of the forest that stands at `place`."""
    x, y, z = place
    for part, (radius, low, high) in enumerate(((0.26, 0.1, 0.55), (0.2, 0.35, 0.8), (0.13, 0.6, 1.0))):
        bpy.ops.mesh.primitive_cone_add(
            vertices=10,
            radius1=radius * height,
            depth=(high - low) * height,
            location=(x, y, z + (low + high) / 2 * height),
        )
        green = 0.20 + 0.05 * part
        bpy.context.object.data.materials.append(material("fir", (0.07, green, 0.14)))


def cloud(place: Sequence[float], size: float) -> None:
    """Three flattened white balls."""
    white = material("cloud", (0.96, 0.97, 0.99))
    for across, up, radius in ((-1.1, 0, 0.7), (0, 0.25, 1), (1.1, 0, 0.7)):
        bpy.ops.mesh.primitive_uv_sphere_add(
            segments=20, ring_count=10, radius=radius * size,
            location=(place[0] + across * size, place[1], place[2] + up * size),
        )  # fmt: skip
        bpy.context.object.scale = (1, 0.5, 0.8)
        bpy.context.object.data.materials.append(white)
