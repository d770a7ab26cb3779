"""Several motions, and strengths that change over the clip, through whole requests on a toy base."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from backend.api.presets import read_preset, write_preset
from backend.api.protocol import Clip, Edit, Generate, Motion, Sampling
from backend.diffusion.adapters import Lora, merged
from backend.diffusion.composing import Places, composed
from backend.diffusion.stacking import PRESENT
from backend.errors import UserError
from backend.families.unet3d import UNet3D
from backend.tasks import perform
from backend.tasks.bases import LoadedMotion, load_motions, parts_of
from backend.tasks.making import native
from backend.tasks.prompted import read_apart
from backend.tasks.stacking import apart, by_kind
from tests.conftest import quiet_run
from tests.tasks.conftest import CPU, WORDS, curve, pixels


def test_a_curve_of_zeros_is_the_base_and_of_ones_the_plain_motion(made, motions):
    path = motions[0]
    assert np.array_equal(made(motions=(curve(path, 0, 0, 0),)), made())
    plain = made(motions=(Motion(path=str(path)),))
    assert np.array_equal(made(motions=(curve(path, 1, 1),)), plain)
    along_frames = made(motions=(curve(path, 1, 1 + 1e-6),))  # no constant: blended in every layer
    assert np.abs(along_frames.astype(int) - plain.astype(int)).max() <= 2


def test_a_curve_acts_when_it_says(made, motions):
    early, late = (made(motions=(curve(motions[0], *s),)) for s in ((1, 1, 0, 0), (0, 0, 1, 1)))
    assert not np.array_equal(early, late)
    assert not np.array_equal(early, made())


@pytest.mark.parametrize("balance", [0.0, 1.0])
def test_motions_stack_in_any_order(made, motions, balance):
    """Within two levels of 255: sums in another order, then eight bits and the file format."""
    stack = (Motion(path=str(motions[0]), strength=0.6), curve(motions[1], 1, 0, 1))
    one, other = (made(motions=m, balance=balance).astype(int) for m in (stack, stack[::-1]))
    assert np.abs(one - other).max() <= 2


def test_balance_changes_two_motions_and_leaves_one_alone(made, motions):
    both = [Motion(path=str(path)) for path in motions]
    assert np.array_equal(made(motions=(both[0],), balance=0.0), made(motions=(both[0],), balance=1.0))
    assert not np.array_equal(made(motions=tuple(both), balance=0.0), made(motions=tuple(both), balance=1.0))


def test_a_request_may_say_whose_a_motion_is(made, motions, camera):
    """So a result that is made again stays as it was, whoever its motion was given to since."""
    subject, other = Motion(path=str(motions[0])), Motion(path=str(motions[1]))
    as_cameras = made(motions=(subject, replace(other, kind="camera")), sampling=APART)
    assert np.array_equal(as_cameras, made(motions=(subject, Motion(path=str(camera))), sampling=APART))
    assert not np.array_equal(as_cameras, made(motions=(subject, other), sampling=APART))


def _apart(family, loaded, guidance):
    parts = parts_of(loaded, 4, 0.0)
    said = read_apart(family, "a red ball", guidance, loaded, [p.strengths for p in parts[: len(loaded)]])
    return apart(family, said, by_kind(loaded, parts))


ADDED, APART = Sampling(stacking="added"), Sampling(stacking="apart")


def test_looks_are_nobodys_motion(made, camera):
    write_preset(camera, replace(read_preset(camera), kind="style", motion="", looks="ink"))
    with pytest.raises(UserError, match="holds looks and no motion"):
        made(motions=(Motion(path=str(camera), kind="camera"),))


def test_a_cameras_and_a_subjects_motion_act_apart_where_that_is_asked_for(made, motions, camera):
    both = (Motion(path=str(motions[0])), Motion(path=str(camera)))
    added, apart = (made(motions=both, sampling=s).astype(int) for s in (ADDED, APART))
    assert np.abs(added - apart).max() > 8
    assert np.abs(made(motions=both[::-1], sampling=APART).astype(int) - apart).max() <= 2
    assert np.array_equal(made(motions=both), added)  # this base was not measured


@pytest.mark.parametrize("off", [0, 1])
def test_one_of_the_two_alone_acts_as_ever(made, motions, camera, off):
    both = [Motion(path=str(motions[0])), Motion(path=str(camera))]
    alone = (both[1 - off],)
    both[off] = replace(both[off], strength=0.0)
    for acting in (tuple(both), alone):
        assert np.array_equal(made(motions=acting, sampling=APART), made(motions=alone, sampling=ADDED))


@pytest.mark.parametrize("weak", [0, 1], ids=["subject", "camera"])
def test_apart_a_motion_that_hardly_acts_is_hardly_there(made, motions, camera, weak):
    """Towards strength 0 is no jump: not in places, nor in words, nor in what guidance leads away from."""
    both = [Motion(path=str(motions[0])), Motion(path=str(camera))]
    alone = made(prompt="a red ball", motions=(both[1 - weak],), sampling=APART).astype(int)
    apart = made(prompt="a red ball", motions=tuple(both), sampling=APART)
    both[weak] = replace(both[weak], strength=1e-5)
    hardly = made(prompt="a red ball", motions=tuple(both), sampling=APART)
    assert np.abs(hardly - alone).max() < 0.1 * np.abs(apart - alone).max()


@pytest.mark.parametrize(
    ("acting", "guidance"),
    [((), 6.0), ((0.0,), 6.0), ((1.0,), 2.0), ((0.0, PRESENT / 2), 4.0), ((PRESENT / 4, -1.0), 2.0)],
)
def test_guidance_is_the_bases_for_motions_as_far_as_one_is_present(toy_base, motions, acting, guidance):
    family = UNet3D(toy_base, "toy", device="cpu")
    asked = [Motion(path=str(path), strength=s) for path, s in zip(motions, acting, strict=False)]
    loaded = load_motions(asked, family)
    family.profile = replace(family.profile, guidance=6.0)
    assert native(Sampling(), family, loaded).guidance == 6.0  # where the base says no other
    family.profile = replace(family.profile, moving_guidance=2.0)
    assert native(Sampling(), family, loaded).guidance == guidance
    assert native(Sampling(guidance=7.0), family, loaded).guidance == 7.0
    keyed = [curve(motions[0], 0, *acting)] if acting else []
    assert native(Sampling(), family, load_motions(keyed, family)).guidance == guidance


def test_two_subjects_are_added_up(made, motions):
    both = tuple(Motion(path=str(path)) for path in motions)
    assert np.array_equal(made(motions=both, sampling=APART), made(motions=both, sampling=ADDED))


def test_apart_the_strengths_go_over_the_clip_and_the_base_is_left_as_it_was(made, motions, camera, toy_base):
    steady = Motion(path=str(motions[0]))
    early, late = (made(motions=(steady, curve(camera, *s)), sampling=APART) for s in ((1, 0), (0, 1)))
    assert not np.array_equal(early, late)
    family = UNet3D(toy_base, "toy", device="cpu")
    before = {name: weights.clone() for name, weights in family.denoiser.state_dict().items()}
    loaded = load_motions((steady, curve(camera, 1, 0)), family)
    noise = torch.randn(1, family.latent_channels, 4, 2, 2, generator=torch.Generator().manual_seed(0))
    with torch.no_grad(), _apart(family, loaded, 2.0) as predict:
        predict(noise, torch.tensor([500]))
    assert all(torch.equal(weights, before[name]) for name, weights in family.denoiser.state_dict().items())


def test_apart_a_clip_is_the_same_alone_and_after_another(toy_base, motions, camera, made, tmp_path):
    """What is remembered of a clip's places ends with it."""
    both = (Motion(path=str(motions[0])), Motion(path=str(camera)))
    request = Generate(
        job="g", prompt=f"a red ball {' '.join(WORDS)}", out=str(tmp_path / "two.mp4"), base=str(toy_base),
        motions=both, sampling=APART, count=2, compute=CPU,
    )  # fmt: skip
    _, second = perform(request, quiet_run(tmp_path)).outputs
    assert np.array_equal(pixels(second), made(motions=both, sampling=APART, seed=request.seed + 1))


@pytest.mark.parametrize("guidance", [1.0, 3.0])
def test_apart_a_camera_is_said_and_kept_apart_as_far_as_it_is_present(toy_base, motions, camera, guidance):
    """Of LoRAs that change nothing only the words are left: apart the camera's alone, added up both."""
    family = UNet3D(toy_base, "toy", device="cpu")
    still = (Motion(path=str(motions[0])), curve(camera, 0, PRESENT))
    loaded = [
        replace(one, lora=Lora({k: torch.zeros_like(t) for k, t in one.lora.state.items()}, 1.0))
        for one in load_motions(still, family)
    ]
    x, t = torch.randn(1, 4, 4, 8, 8, generator=torch.Generator().manual_seed(0)), torch.tensor([500])
    subjects, cameras = WORDS
    texts = (
        "",
        "a red ball",
        f"a red ball {cameras}",
        f"a red ball {subjects}",
        f"a red ball {subjects} {cameras}",
    )
    with torch.no_grad():
        with _apart(family, loaded, guidance) as predict:
            made = predict(x, t)
        empty, plain, by_camera, by_subject, by_both = (
            family.predict(x, t, family.embed([s])) for s in texts
        )
    present = torch.tensor([0, 1 / 3, 2 / 3, 1]).view(1, 1, 4, 1, 1)
    apart, added = plain + present * (by_camera - plain), by_subject + present * (by_both - by_subject)
    told = added + present * (apart - added)
    torch.testing.assert_close(made, empty + guidance * (told - empty), atol=1e-5, rtol=1e-4)


def test_an_edit_takes_them_apart_too(toy_base, moving_clip, motions, camera, tmp_path):
    acting = (Motion(path=str(motions[0])), Motion(path=str(camera)))
    request = Edit(
        job="e", clip=Clip(path=str(moving_clip)), prompt="a red ball", out=str(tmp_path / "edit.mp4"),
        motions=acting, base=str(toy_base), sampling=ADDED, compute=CPU,
    )  # fmt: skip
    added, apart = (
        pixels(perform(replace(request, sampling=s), quiet_run(tmp_path)).outputs[0]) for s in (ADDED, APART)
    )
    assert not np.array_equal(added, apart)


@pytest.mark.parametrize("memory", ["fast", "low"])
@pytest.mark.parametrize("guidance", [1.0, 3.0])
def test_apart_is_what_its_formula_says(toy_base, motions, camera, guidance, memory):
    """diffusion/composing.py written out: each group under its own words, with its own LoRA, looks in all.

    Over two steps, the second of which finds the subject's places remembered.
    """
    family = UNet3D(toy_base, "toy", device="cpu", memory=memory)
    of_subject, of_camera = load_motions((Motion(path=str(motions[0])), Motion(path=str(camera))), family)
    look = replace(of_subject, preset=replace(of_subject.preset, kind="style", motion=""))
    loaded = [of_subject, look, of_camera]
    rng = torch.Generator().manual_seed(0)
    noise = torch.randn(2, 1, family.latent_channels, 4, 8, 8, generator=rng)
    steps = list(zip(noise, torch.tensor([[500], [300]]), strict=True))
    with torch.no_grad():
        with _apart(family, loaded, guidance) as predict:
            made = [predict(x, t) for x, t in steps]

        def said(x: torch.Tensor, t: torch.Tensor, words: str, *acting: LoadedMotion) -> torch.Tensor:
            with merged(family.denoiser, [one.lora for one in (look, *acting)]):
                return family.predict(x, t, family.embed([words]))

        k, s = f"a red ball {WORDS[1]}", f"a red ball {WORDS[0]}"
        places = Places()
        for step, (x, t) in zip(made, steps, strict=True):
            guided = said(x, t, "") + guidance * (said(x, t, k) - said(x, t, ""))
            by_camera = said(x, t, k, of_camera) - said(x, t, k)
            by_subject = said(x, t, s, of_subject) - said(x, t, s)
            now = places.after(by_subject, int(t))
            expected = composed(guided, by_camera, by_subject, now, guidance)
            torch.testing.assert_close(step, expected, atol=1e-5, rtol=1e-4)
    assert not torch.equal(now, Places().after(by_subject, 300))
