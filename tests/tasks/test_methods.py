"""What every method must do on every kind of base: one suite over all of them."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import pytest
import torch
from safetensors.torch import load_file

from backend.api.presets import read_preset
from backend.api.protocol import Generate, Learn, Motion, Sampling
from backend.diffusion.adapters import learning as adapting
from backend.diffusion.adapters import lora_parameters, lora_state
from backend.diffusion.stacking import PRESENT, stacked
from backend.families.unet3d import UNet3D
from backend.media import clips
from backend.tasks import course, perform
from backend.tasks import learn as learning
from backend.tasks.bases import load_motion, parts_of
from backend.tasks.course import Learning
from backend.tasks.run import Run, Stopped
from tests.conftest import quiet_run
from tests.tasks.cases import CASES, request_for

Request = Callable[[Path], Learn]
PREDICTIONS = ("epsilon", "v_prediction")


@pytest.fixture(params=CASES)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def prediction(name: str) -> str:
    """Of the base: one for each case, in turn. Both for every case would double what takes longest here."""
    return PREDICTIONS[list(CASES).index(name) % 2]


@pytest.fixture
def request_(name: str, prediction: str, toy_bases: dict[str, Path], moving_clip: Path) -> Request:
    """The case's request, into a folder of one's own."""
    return lambda out: request_for(CASES[name], toy_bases[prediction], moving_clip, out)


def tensors(outputs: tuple[str, ...]) -> dict[str, torch.Tensor]:
    """All that was learned, by folder, file and name."""
    files = [(i, path) for i, out in enumerate(outputs) for path in Path(out).glob("weights/*.safetensors")]
    return {f"{i}/{path.name}/{key}": t for i, path in files for key, t in load_file(path).items()}


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[key], other[key]) for key in one)


class Learned(NamedTuple):
    """A case's request, learned once for all the tests that only look at it."""

    request: Learn
    outputs: tuple[str, ...]
    losses: list[float]
    base_after: dict[str, torch.Tensor]


def learn_noting(request: Learn, folder: Path) -> Learned:
    losses: list[float] = []
    opened: list[UNet3D] = []
    open_base, take_step = learning.open_base, course.take_step

    def opening(*args) -> UNet3D:
        opened.append(open_base(*args))
        return opened[0]

    def stepping(*args) -> list[torch.Tensor]:
        taken = take_step(*args)
        losses.extend(loss.item() for loss in taken)
        return taken

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(learning, "open_base", opening)
        patch.setattr(course, "take_step", stepping)
        outputs = perform(request, quiet_run(folder)).outputs
    return Learned(request, outputs, losses, opened[0].denoiser.state_dict())


@pytest.fixture(scope="module")
def once() -> dict[str, Learned]:
    return {}


@pytest.fixture
def learned(name, request_, once, tmp_path_factory) -> Learned:
    if name not in once:
        folder = tmp_path_factory.mktemp("learned")
        once[name] = learn_noting(request_(folder / "motion"), folder)
    return once[name]


def test_it_learns_a_whole_preset_and_leaves_the_base_bit_equal(name, learned):
    assert len(learned.outputs) == CASES[name].outputs
    kept = tensors(learned.outputs)
    assert all(t.isfinite().all() and t.abs().max() > 0 for t in kept.values())
    preset = read_preset(Path(learned.outputs[0]))
    assert type(preset.method) is type(learned.request.method)
    assert None not in vars(preset.method).values()  # what was used is written down, not what was left open
    before = UNet3D(Path(learned.request.base), "toy", device="cpu").denoiser.state_dict()
    assert same(before, learned.base_after)


def test_the_same_seed_learns_the_same_to_the_last_bit_and_another_does_not(learned, request_, tmp_path):
    again = learn_noting(request_(tmp_path / "again"), tmp_path / "a")
    assert again.losses == learned.losses
    assert len(set(again.losses)) == len(again.losses)
    assert same(tensors(again.outputs), tensors(learned.outputs))
    other = replace(request_(tmp_path / "other"), seed=6)
    assert not same(tensors(perform(other, quiet_run(tmp_path / "b")).outputs), tensors(learned.outputs))


def stopping_after(folder: Path, steps: int) -> Run:
    """Surroundings that are shut down once `steps` learning steps were reported."""
    seen: list[int] = []
    run = quiet_run(folder)
    return replace(
        run,
        progress=lambda phase, done, *_: seen.append(done) if phase.startswith("Learning") else None,
        stop=lambda: "shutdown" if len(seen) >= steps else "",
    )


def goes_on(request: Learn, whole: tuple[str, ...], folder: Path, *stops: int) -> None:
    """Interrupted after so many steps, and after so many more."""
    for steps in stops:
        with pytest.raises(Stopped):
            perform(request, stopping_after(folder, steps))
        assert not Path(request.out).exists()
    assert same(tensors(whole), tensors(perform(request, quiet_run(folder)).outputs))


def test_interrupted_and_resumed_equals_uninterrupted(learned, request_, tmp_path):
    goes_on(request_(tmp_path / "motion"), learned.outputs, tmp_path, 1, 2)


def test_a_stage_in_which_the_motion_learns_on_is_resumed_too(toy_base, moving_clip, tmp_path):
    """The motion token's last: two steps after the motion's four."""
    case = CASES["motion token and who"]
    whole, request = (request_for(case, toy_base, moving_clip, tmp_path / out) for out in ("whole", "motion"))
    goes_on(request, perform(whole, quiet_run(tmp_path / "a")).outputs, tmp_path / "b", 5)


def test_a_stage_moves_all_that_it_declares_on_from_where_it_was_and_nothing_else(
    request_, tmp_path, monkeypatch
):
    """What an earlier stage learned and a later one learns on is not begun anew."""
    begin, end = course.Learning._steps, course.Learning._stage

    def beginning(self: Learning, at, until):
        denoiser = self.family.denoiser
        for name in at.stage.learn.keys() & self.learned.keys() & self.adapters.keys():
            assert same(lora_state(denoiser, name), self.learned[name])
        moved = [id(p) for name in at.stage.learn for p in lora_parameters(denoiser, name).values()]
        held = [(p, p.detach().clone()) for p in denoiser.parameters() if id(p) not in moved]
        acting = [(lora.state, {k: t.clone() for k, t in lora.state.items()}) for lora in at.acting]
        begin(self, at, until)
        assert all(torch.equal(now, before) for now, before in held)
        assert all(same(now, before) for now, before in acting)

    def ended(self: Learning, index, rng, resumed):
        before = {n: {k: t.clone() for k, t in state.items()} for n, state in self.learned.items()}
        end(self, index, rng, resumed)
        for name, state in self.learned.items():
            assert name in self.stages[index].learn or same(before[name], state)
            assert name not in before or name not in self.stages[index].learn or not same(before[name], state)
            assert all(t.any() for key, t in state.items() if ".lora_B." in key)
        assert not any(p.requires_grad and p.grad is not None for p in self.family.denoiser.parameters())

    monkeypatch.setattr(course.Learning, "_steps", beginning)
    monkeypatch.setattr(course.Learning, "_stage", ended)
    perform(request_(tmp_path / "motion"), quiet_run(tmp_path))


def predicted(family: UNet3D) -> torch.Tensor:
    """What the base makes of some latents at the moment."""
    config, rng = family.denoiser.config, torch.Generator().manual_seed(0)
    latents = torch.randn(1, config.in_channels, 4, 8, 8, generator=rng)
    text = torch.randn(1, 4, config.cross_attention_dim, generator=rng)
    with torch.no_grad():
        made: torch.Tensor = family.denoiser(latents, 500, encoder_hidden_states=text).sample
    return made


def test_what_is_saved_acts_as_it_did_when_it_had_learned(
    name, prediction, toy_bases, moving_clip, tmp_path, monkeypatch
):
    """With a factor of its own on a motion, which has to be saved too; on the kind of base that the others
    do not have the case on."""
    as_learned: list[torch.Tensor] = []
    save = course.Learning._save

    def saving(self: Learning, at) -> None:
        save(self, at)
        if self.method.kept in at.stage.learn:
            with adapting(self.family.denoiser, (), (self.method.kept,)):
                as_learned.append(predicted(self.family))

    monkeypatch.setattr(course.Learning, "_save", saving)
    other = next(kind for kind in PREDICTIONS if kind != prediction)
    request = request_for(CASES[name], toy_bases[other], moving_clip, tmp_path / "motion")
    if getattr(request.method, "learns", "motion") == "motion":
        request = replace(request, method=replace(request.method, alpha=1.5))
    outputs = perform(request, quiet_run(tmp_path)).outputs
    family = UNet3D(Path(request.base), "toy", device="cpu")
    plain, motion = predicted(family), load_motion(Motion(path=outputs[0]), family)
    with stacked(family.denoiser, parts_of([motion], 4, 0.0), family.frame_layer):
        again = predicted(family)
    torch.testing.assert_close(again, as_learned[-1], atol=1e-5, rtol=1e-4)
    assert (again - plain).abs().max() > 1e-3


def test_what_is_kept_acts_at_strength_1_and_is_the_base_at_0(learned, tmp_path):
    request, outputs = learned.request, learned.outputs

    def made(strength: float, *presets: str) -> object:
        motions = tuple(Motion(path=path, strength=strength) for path in presets)
        asked = Generate(job="g", prompt="a ball moving right", out=str(tmp_path / "g.mp4"),
                         base=request.base, motions=motions, compute=request.compute,
                         sampling=Sampling(guidance=1.0), follow=0.0)  # fmt: skip
        (path,) = perform(asked, quiet_run(tmp_path)).outputs
        return clips.read(clips.Clip(path=path), frames=4, fps=8, size=None).tolist()

    base = made(0.0)
    assert made(0.0, *outputs) == base
    # Beside less of it, not beside the base: a motion also brings its words, which then are there as well.
    assert made(1.0, outputs[0]) != made(PRESENT, outputs[0])
