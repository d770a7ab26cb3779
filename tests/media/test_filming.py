"""A clip filmed again by another clip's camera, against the world's own clips that have both."""

from dataclasses import replace

import numpy as np
import pytest

from backend.media.camera import CameraPath, as_camera_path, camera_path
from backend.media.filming import (
    Besides,
    _matrices,
    agree,
    as_strong,
    camera_move,
    filmed,
    filmed_besides,
    move_in,
    stands,
)
from backend.media.motion import layer_fidelity
from backend.media.subject import still_ground
from backend.starter import world
from tests.media import scenes

CIRCLE = world.Shot(subject="ball", colour="red", background="tiled floor", motion="circle")
AWAY = {"x": -9.0, "y": -9.0}  # no subject is seen


def shown(shot: world.Shot, size: int = 64) -> np.ndarray:
    """(8, size, size, 3) uint8."""
    frames = world.render([shot], size=size, frames=8, fps=8).frames[0]
    return np.asarray((frames.movedim(1, -1) * 255).round().byte())


def by(camera: str, background: str = "brick wall", **changes: float) -> np.ndarray:
    return shown(world.Shot(subject="star", colour="blue", background=background, camera=camera, **changes))


def red(frames: np.ndarray) -> np.ndarray:
    """(F, H, W)"""
    r, g, b = np.moveaxis(frames.astype(int), -1, 0)
    return (r > 150) & (g < 90) & (b < 90)


def moved(*clips: np.ndarray) -> np.ndarray | None:
    """How the cameras of all clips move a still scene; None also where one of them does not move."""
    told = [own.path for own in map(move_in, clips) if own is not None]
    return camera_move(told, clips[0].shape[2:0:-1]) if len(told) == len(clips) else None


def besides(*clips: np.ndarray, shown: int | None = None) -> np.ndarray | None:
    paths = [own.path for own in map(move_in, clips) if own is not None]
    assert len(paths) == len(clips)
    each = [Besides(clip, paths[i], paths[:i] + paths[i + 1 :]) for i, clip in enumerate(clips)]
    found = filmed_besides(each[:shown])
    return found[1] if found else None


def goes_as(seen: np.ndarray, pan: np.ndarray, zoom: np.ndarray) -> None:
    path, of_pan, of_zoom = (camera_path(clip) for clip in (seen, pan, zoom))
    assert np.abs(np.diff(path.pan) - np.diff(of_pan.pan)).max() < 0.02
    assert np.abs(np.diff(np.log(path.zoom)) - np.diff(np.log(of_zoom.zoom))).max() < 0.05


@pytest.mark.parametrize("camera", ["pan left", "tilt up", "zoom in", "zoom out"])
def test_the_subject_moves_as_in_one_clip_and_the_camera_as_in_the_other(camera: str) -> None:
    scene, of_camera = shown(CIRCLE), by(camera)
    move = moved(of_camera)
    assert move is not None
    seen = filmed(scene, move)
    assert seen is not None
    assert min(layer_fidelity(scene, of_camera, seen)) > 0.9
    assert layer_fidelity(scene, of_camera, scene)[1] == 0, "which it does not as it was"


def test_beside_a_pan_no_zoom_and_no_roll_is_made_of_what_measuring_adds() -> None:
    move = moved(by("pan right"))
    assert move is not None
    path = as_camera_path(move, 64, 64)
    assert np.ptp(path.pan) > 0.15
    for still, rest in ((path.zoom, 1), (path.roll, 0), (path.tilt, 0)):
        assert np.allclose(still, rest, atol=1e-9)


def test_a_pan_is_taken_from_the_middle_and_a_zoom_from_where_nothing_is_mirrored() -> None:
    pan, closer, wider = (moved(by(move)) for move in ("pan left", "zoom in", "zoom out"))
    assert pan is not None
    assert closer is not None
    assert wider is not None
    at_rest = [[np.allclose(m, np.eye(2, 3)) for m in move].index(True) for move in (pan, closer, wider)]
    assert at_rest[0] in (3, 4)
    assert at_rest[1:] == [0, 7]


def test_of_several_cameras_the_parts_are_put_together_in_any_order() -> None:
    pan, closer, scene = by("pan left"), by("zoom in", "tiled floor"), shown(CIRCLE)
    both = moved(pan, closer)
    assert both is not None
    assert np.allclose(both, moved(closer, pan))
    seen = filmed(scene, both)
    assert seen is not None
    goes_as(seen, pan, closer)
    twice = moved(closer, closer)
    assert twice is not None
    assert as_camera_path(twice, 64, 64).zoom[-1] == pytest.approx(
        camera_path(closer).zoom[-1] ** 2, rel=0.01
    )


def test_of_two_clips_that_move_the_one_is_shown_that_the_others_move_leaves_most_of() -> None:
    """A pan is zoomed into, where nothing is mirrored; a picture that grows would have to be pushed aside."""
    pan, closer = by("pan left"), by("zoom in", "tiled floor")
    for clips in ((pan, closer), (closer, pan)):
        seen = besides(*clips)
        assert seen is not None
        assert np.array_equal(seen[0], pan[0])
        goes_as(seen, pan, closer)
    seen = besides(closer, pan, shown=1)
    assert seen is not None
    assert any(np.array_equal(one, other) for one, other in zip(seen, closer, strict=True))


@pytest.mark.parametrize("size", [(64, 64), (160, 96)], ids=["square", "wide"])
def test_three_moves_go_as_far_at_once_as_alone(size: tuple[int, int]) -> None:
    moves = ({"pan": 0.3}, {"tilt": -0.2}, {"zoom": 1.4})
    clips = [scenes.filmed(size=size, **of) for of in moves]
    seen = besides(*clips)
    assert seen is not None
    wanted, found = [camera_path(clip) for clip in clips], camera_path(seen)
    for part, of in zip(("pan", "tilt", "zoom"), wanted, strict=True):
        assert np.abs(np.diff(getattr(found, part)) - np.diff(getattr(of, part))).max() < 0.03


def test_a_pan_laid_over_itself_goes_twice_as_far_where_a_still_scene_has_no_room() -> None:
    pan = by("pan left", camera_amount=1.5)
    assert moved(pan, pan) is None
    seen = besides(pan, pan)
    assert seen is not None
    assert np.ptp(camera_path(seen).pan) == pytest.approx(2 * np.ptp(camera_path(pan).pan), rel=0.1)
    assert besides(*[pan] * 4) is None
    assert besides(pan, pan, shown=0) is None
    assert moved(*[pan] * 4) is None


def test_what_a_ground_tells_is_sure_where_most_steps_are_explained_by_it() -> None:
    """One that bends from frame to frame, as a small model's does, is followed but not surely."""
    pan = move_in(by("pan left"))
    assert pan is not None
    assert pan.sure
    bent = move_in(scenes.bent(by("pan left"), 1.5))
    assert bent is not None
    assert not bent.sure


def test_moves_agree_that_go_about_as_far_the_same_way() -> None:
    pan, closer = (move_in(by(how)) for how in ("pan left", "zoom in"))
    assert pan is not None
    assert closer is not None
    for strength, same in ((1.0, True), (0.7, True), (0.4, False), (1.6, True), (2.5, False), (-1.0, False)):
        for path in (pan.path, closer.path):
            other = as_strong(path, [strength] * 8)
            assert agree(path, other) == agree(other, path) == same
    assert not agree(pan.path, closer.path)


def test_a_move_goes_as_far_in_each_frame_as_its_strength_there_says() -> None:
    """Over as many frames as there are strengths: the steps count, not where the camera is."""
    pan, zoom = np.linspace(0, 0.3, 4), np.array([1.0, 1.2, 1.44, 1.728])
    path = CameraPath(pan=pan, tilt=-pan, zoom=zoom, roll=100 * pan)
    same = as_strong(path, [1.0] * 4)
    for part in ("pan", "tilt", "zoom", "roll"):
        assert np.allclose(getattr(same, part), getattr(path, part))
    half = as_strong(path, [0.0, 0.5, 0.5, 2.0])
    assert np.allclose(half.pan, [0, 0.05, 0.1, 0.3])
    assert np.allclose(half.zoom, [1, 1.2**0.5, 1.2, 1.728])
    assert np.allclose(as_strong(path, [1.0] * 7).pan, np.linspace(0, 0.3, 7))
    assert as_strong(path, [-1.0] * 4).roll[-1] == pytest.approx(-30)


def test_a_camera_that_stands_still_has_no_move_and_a_scene_that_moves_is_not_filmed() -> None:
    assert moved(by("locked")) is None
    move = moved(by("pan left"))
    assert move is not None
    assert filmed(by("pan left"), move) is None, "its pan would be doubled"


def test_pictures_that_are_no_squares_are_filmed_alike() -> None:
    def ball(moment: float) -> tuple[float, float]:
        return 0.5 + 0.2 * np.cos(6 * moment), 0.5 + 0.2 * np.sin(6 * moment)

    scene, goes = scenes.filmed(ball=ball, size=(160, 96)), scenes.filmed(pan=0.4, tilt=-0.3, size=(160, 96))
    move = moved(goes)
    assert move is not None
    seen = filmed(scene, move)
    assert seen is not None
    assert min(layer_fidelity(scene, goes, seen)) > 0.95
    assert moved(scenes.filmed(pan=1.6, size=(160, 96))) is None


def test_a_ground_that_tells_no_move_gives_none() -> None:
    assert moved(by("pan left", "gray wall", **AWAY)) is None


def test_a_camera_that_leaves_nothing_of_the_scene_gives_none() -> None:
    assert moved(by("pan left", camera_amount=1.0)) is not None
    assert moved(by("pan left", camera_amount=4.0)) is None


def test_what_is_mirrored_at_the_edges_is_ground_and_no_second_subject() -> None:
    """A ball that goes round touches the frame's right side, where a pan to the right shows more."""
    scene = shown(world.Shot(subject="ball", colour="red", background="tiled floor", motion="circle", x=0.65))
    away = shown(world.Shot(subject="ball", colour="red", background="tiled floor", **AWAY))
    move = np.repeat(np.eye(2, 3)[None], 8, axis=0)
    move[1:, 0, 2] = -16
    seen, ground = filmed(scene, move), filmed(away, move)
    assert seen is not None
    assert ground is not None
    assert red(scene)[:, :, -8:].any()
    assert not red(seen)[1:, :, 49:].any()
    assert np.abs(seen[1:, :, 50:].astype(int) - ground[1:, :, 50:]).mean() < 3
    assert np.array_equal(seen[0], scene[0])
    assert np.array_equal(seen[1:, :, :48], scene[1:, :, 16:])


def test_the_still_ground_is_what_the_subject_goes_before() -> None:
    bare = shown(world.Shot(subject="ball", colour="red", background="tiled floor", **AWAY))[0]
    ground = still_ground(shown(CIRCLE))
    assert not red(ground[None]).any()
    assert np.abs(ground.astype(int) - bare).mean() < 1
    assert np.array_equal(still_ground(np.repeat(bare[None], 4, axis=0)), bare)


def test_a_zoom_is_about_the_middle_of_the_picture() -> None:
    """Which is a corner between four pixels: a picture that is its own mirror image stays one."""
    half = np.random.default_rng(0).integers(0, 256, (1, 16, 12, 3)).astype(np.uint8)
    scene = np.concatenate([half, half[:, :, ::-1]], axis=2)
    still = np.zeros(2)
    zooms = _matrices(CameraPath(pan=still, tilt=still, zoom=np.array([0.7, 1.4]), roll=still), 24, 16)
    seen = filmed(np.repeat(scene, 2, axis=0), zooms)
    assert seen is not None
    assert np.abs(seen.astype(int) - seen[:, :, ::-1]).max() <= 1


def test_moves_and_paths_are_the_same_thing() -> None:
    path = CameraPath(
        pan=np.array([0, 0.1]), tilt=np.array([0, -0.2]), zoom=np.array([1, 1.3]), roll=np.array([0, 20.0])
    )
    again = as_camera_path(_matrices(path, 80, 48), 80, 48)
    for part in ("pan", "tilt", "zoom", "roll"):
        assert np.allclose(getattr(again, part), getattr(path, part))


def path_of(clip: np.ndarray) -> CameraPath:
    measured = move_in(clip)
    assert measured is not None
    return measured.path


@pytest.mark.parametrize("camera", ["roll", "pan left", "zoom in"])
def test_a_clip_stands_still_where_the_camera_that_it_should_have_explains_less(camera: str) -> None:
    """Also one whose subject moves, and one that wavers and flickers; not one that goes so."""
    learned = path_of(by(camera))
    grounds = ("tiled floor", "forest", "gray wall")  # the last tells nothing: the subject does
    circling = [shown(replace(CIRCLE, background=ground)) for ground in grounds[:2]]
    for still in [by("locked", ground) for ground in grounds] + circling:
        assert stands(still, learned)
        assert stands(scenes.sampled(scenes.bent(still, 0.4), 3.0), learned)
    for moving in [by(camera, ground) for ground in (*grounds, "striped wall", "night sky")]:
        assert not stands(moving, learned)
        assert not stands(scenes.sampled(scenes.bent(moving, 0.4), 3.0), learned)


def test_a_clip_that_goes_half_the_way_does_not_stand_and_a_move_too_small_to_tell_is_never_missed() -> None:
    learned, half = path_of(by("roll")), path_of(by("roll", camera_amount=0.5))
    assert np.ptp(half.roll) == pytest.approx(np.ptp(learned.roll) / 2, rel=0.1)
    assert not stands(by("roll", camera_amount=0.5), learned)
    assert not stands(by("locked"), as_strong(learned, [0.05] * 8))


def test_a_clip_that_begins_to_go_is_no_still_one_though_more_speaks_against_it() -> None:
    learned = path_of(by("pan left"))
    assert not stands(by("pan left", camera_amount=0.3), learned)
    assert stands(by("pan left", camera_amount=0.15), learned)
    assert not stands(shown(replace(CIRCLE, background="gray wall")), learned), "which tells neither"


def test_a_long_clip_stands_still_too_though_its_steps_are_small() -> None:
    long = np.repeat(by("locked")[:1], 64, axis=0)
    learned = as_strong(path_of(by("pan left")), [1.0] * len(long))
    assert stands(scenes.sampled(scenes.bent(long, 0.4), 3.0), learned)
