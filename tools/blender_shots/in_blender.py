"""Films a plan: python -m tools.blender_shots.in_blender FOLDER, by an interpreter with `import bpy`.

Reads FOLDER/plan.json and FOLDER/tiles.npz and writes FOLDER/shots.json with an npz for each shot.
"""

import json
import sys
import time
from pathlib import Path
from typing import Any

import bpy
import numpy as np
import numpy.typing as npt

from .stage import Stage
from .truth import outline_facts, picture_moves, projected

Frames = npt.NDArray[np.uint8]
Facts = dict[str, Any]  # as JSON has them

HEADER = 54  # bytes of a BMP before its pixels


def set_up(engine: str, size: int) -> None:
    """An empty scene that renders square pictures quickly and in plain sRGB."""
    bpy.ops.wm.read_factory_settings(use_empty=True)
    scene = bpy.context.scene
    scene.render.engine = {"workbench": "BLENDER_WORKBENCH", "cycles": "CYCLES"}[engine]
    scene.render.resolution_x = scene.render.resolution_y = size
    scene.render.image_settings.file_format = "BMP"
    scene.render.image_settings.color_mode = "RGB"
    scene.view_settings.view_transform = "Standard"
    scene.world = bpy.data.worlds.new("World")
    if engine == "cycles":
        _light(scene)
    else:
        _studio(scene.display)


def _studio(display: Any) -> None:
    """Workbench: textures, studio light, shadows, and a dark line around things."""
    display.render_aa = "16"
    display.light_direction = (0.4, -0.5, 0.75)
    shading = display.shading
    shading.light, shading.color_type = "STUDIO", "TEXTURE"
    shading.show_specular_highlight = False
    bpy.context.scene.view_settings.exposure = 1.0  # the studio's lights take half away


def _light(scene: Any) -> None:
    """Cycles: a sun, a bright sky, few samples."""
    scene.cycles.samples, scene.cycles.max_bounces, scene.cycles.use_denoising = 24, 1, False
    scene.world.use_nodes = True
    next(n for n in scene.world.node_tree.nodes if n.type == "BACKGROUND").inputs[
        "Strength"
    ].default_value = 8.0
    sun = bpy.data.objects.new("Sun", bpy.data.lights.new("Sun", "SUN"))
    sun.data.energy, sun.rotation_euler = 2.5, (0.6, 0.3, 0)
    bpy.context.collection.objects.link(sun)


def image(name: str, pixels: Frames) -> Any:
    """A picture (H, W, 3) as a Blender image."""
    height, width = pixels.shape[:2]
    made = bpy.data.images.new(name, width, height)
    values = np.ones((height, width, 4), np.float32)
    values[..., :3] = pixels[::-1] / 255
    made.pixels.foreach_set(values.ravel())
    made.update()
    return made


def rendered(scratch: Path) -> Frames:
    """The scene as its camera sees it: (H, W, 3) RGB."""
    scene = bpy.context.scene
    scene.render.filepath = str(scratch)
    bpy.ops.render.render(write_still=True)
    size = scene.render.resolution_x
    row = (3 * size + 3) // 4 * 4  # a BMP's rows are padded, in BGR, from below
    data = np.frombuffer(scratch.read_bytes(), np.uint8, offset=HEADER)
    return data.reshape(size, row)[::-1, : 3 * size].reshape(size, size, 3)[..., ::-1]


def film(
    plan: dict[str, Any], shot: dict[str, Any], tiles: Any, scratch: Path
) -> tuple[Frames, dict[str, Any]]:
    """Frames (F, H, W, 3) of one shot and its truth."""
    set_up(plan["engine"], plan["size"])
    background = shot["words"]["background"]
    images = {name: image(name, tiles[f"{background} {name}"]) for name in ("tile", "ground")}
    stage = Stage(shot, plan["outlines"][shot["words"]["subject"]], images)
    frames, cameras = [], []
    camera: dict[str, list[Any]] = {"location": [], "rotation": [], "lens": []}
    subject: dict[str, list[Any]] = {"centre": [], "size": []}
    for frame in range(len(shot["subject"]["radii"])):
        stage.pose(frame)
        cameras.append(stage.seen_from())
        centre, size = outline_facts(projected(stage.corners(), *cameras[-1]))
        subject["centre"].append(centre)
        subject["size"].append(size)
        camera["location"].append(list(stage.camera.location))
        camera["rotation"].append(list(stage.camera.rotation_euler))
        camera["lens"].append(cameras[-1][1])
        frames.append(rendered(scratch))
    picture = picture_moves(stage.background, cameras)
    return np.stack(frames), {"camera": camera, "picture": picture, "subject": subject}


def main(folder: Path) -> None:
    plan, tiles = json.loads((folder / "plan.json").read_text()), np.load(folder / "tiles.npz")
    facts: list[dict[str, Any]] = []
    started, drawn = time.monotonic(), 0
    for number, shot in enumerate(plan["shots"]):
        name = f"{number:05d}"
        kept, clip = folder / f"{name}.json", folder / f"{name}.npz"
        if not kept.exists():
            frames, truth = film(plan, shot, tiles, folder / "frame.bmp")
            np.savez_compressed(clip, frames=frames)
            said = {key: shot[key] for key in ("seed", "fps", "caption", "words")}
            kept.write_text(json.dumps({"file": clip.name, **said, **truth}))
            drawn += len(frames)
        facts.append(json.loads(kept.read_text()))
    (folder / "shots.json").write_text(json.dumps(facts))
    (folder / "frame.bmp").unlink(missing_ok=True)
    each = (time.monotonic() - started) / max(drawn, 1)
    print(f"{drawn} frames, {each:.3f} s each, Blender {bpy.app.version_string}", flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
