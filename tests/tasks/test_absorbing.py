"""How an absorber acts while the motion learns beside it."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from backend.api.protocol import Learn
from backend.api.settings import CustomizeAVideo, MotionToken, resolved
from backend.diffusion.adapters import Lora, learning, lora_parameters, merged, remove_loras
from backend.families.unet3d import UNet3D
from backend.methods.base import Example, Material
from backend.methods.customize_a_video import TemporalLora
from backend.methods.motion_token import RareToken
from backend.tasks import course, perform
from backend.tasks.course import Learning
from backend.tasks.given import Given
from backend.tasks.prepare import Prepared, seeded
from tests.conftest import quiet_run
from tests.tasks.cases import Case, lora, request_for


def test_beside_half_precision_weights_a_gentle_absorber_acts_as_it_was_learned(toy_base, tmp_path):
    """Merged into bf16 weights a change below half a unit in the last place is gone; beside it is not."""
    family = UNet3D(toy_base, "toy", device="cpu", precision="bf16")
    method = TemporalLora(resolved(CustomizeAVideo(), {}), Material())
    task = Learning(
        Learn(job="", clips=(), motion="", out=""), family, method, Prepared([], "", ()), quiet_run(tmp_path)
    )
    absorber = method.adapters[0]
    task._add(absorber)
    task.learned["absorber"] = {
        k: p.detach() + 1e-3 for k, p in lora_parameters(family.denoiser, "absorber").items()
    }
    remove_loras(family.denoiser)
    assert task._acting(method.stages(1)[1]) == []
    assert lora_parameters(family.denoiser, "absorber")


def test_so_does_a_given_one_unless_its_ranks_differ(toy_base, tmp_path):
    family = UNet3D(toy_base, "toy", device="cpu", precision="bf16")
    method = TemporalLora(resolved(CustomizeAVideo(absorber="given", given="looks"), {}), Material())
    given = lora(family, "spatial attention", 1.0)
    nothing = Learn(job="", clips=(), motion="", out="")
    task = Learning(nothing, family, method, Prepared([], "", ()), quiet_run(tmp_path), Given(given))
    latents, text = torch.randn(1, 4, 2, 8, 8).bfloat16(), family.embed(["a ball"])

    def predicted(act: tuple[str, ...]) -> Tensor:
        with torch.no_grad(), learning(family.denoiser, (), act):
            return family.predict(latents, torch.tensor([500]), text)

    assert task._acting(method.stages(1)[0]) == []
    apart = predicted(method.absorber.loras) - predicted(())
    remove_loras(family.denoiser)
    plain = predicted(())
    with merged(family.denoiser, [given]):
        assert (apart - (predicted(()) - plain)).abs().mean() < 0.2 * apart.abs().mean()
    name = next(key for key in given.state if key.endswith("lora_A.weight"))
    other = name.replace("lora_A", "lora_B")
    uneven = {name: given.state[name].repeat(2, 1), other: given.state[other].repeat(1, 2)}
    mixed = Lora(given.state | uneven, given.scale)
    task = replace(task, given=Given(mixed))
    assert task._acting(method.stages(1)[0]) == [mixed]


def test_a_new_word_rests_in_steps_whose_caption_does_not_say_it(toy_base, tmp_path):
    """A gradient of zeros is none to AdamW: it goes on as before."""
    family = UNet3D(toy_base, "toy", device="cpu")
    method = RareToken(
        resolved(MotionToken(), {}), Material(looks=("a ball",), stills=("a brown dog on grass",))
    )
    nothing = Learn(job="", clips=(), motion="", out="")
    task = Learning(nothing, family, method, Prepared([], "", ()), quiet_run(tmp_path))
    read = task._reader(method.stages(1)[1], {"subject": task._vectors("subject")})
    assert read is not None
    assert read("a X* dog").requires_grad
    assert not read("a dog pll").requires_grad


@pytest.mark.parametrize(
    ("absorber", "learns"),
    [
        ("spatial LoRA", "absorber"),
        ("textual inversion", "token"),
        ("both", "absorber"),
        ("both", "token"),
    ],
)
def test_what_an_absorber_learned_acts_in_the_motions_loss(
    absorber, learns, toy_base, moving_clip, tmp_path, monkeypatch
):
    """The loss of the motion's first step, in which its own LoRA does nothing yet, tells what acts in it.

    Of "both" the other one hardly learns.
    """
    first: list[float] = []
    original = course.take_step

    def noting(stage, *args):
        losses = original(stage, *args)
        if "motion" in stage.learn and len(first) < number:
            first.append(losses[0].item())
        return losses

    monkeypatch.setattr(course, "take_step", noting)
    for number, rate in enumerate((1e-6, 0.03), start=1):
        own = {"absorber_learning_rate": 1e-6, "token_learning_rate": 1e-6, f"{learns}_learning_rate": rate}
        case = Case(CustomizeAVideo(absorber=absorber, **own))
        request = request_for(case, toy_base, moving_clip, tmp_path / f"motion {number}")
        perform(request, quiet_run(tmp_path / str(number)))
    assert abs(first[0] - first[1]) > 1e-4


def test_clips_of_related_motions_are_learned_without_the_absorber(toy_base, tmp_path):
    """It acts in the clip's loss, and in theirs the base predicts as if there were none."""
    family = UNet3D(toy_base, "toy", device="cpu", precision="fp32")
    method = TemporalLora(resolved(CustomizeAVideo(), {}), Material())
    x, text = torch.randn(1, family.latent_channels, 2, 4, 4), family.embed(["a ball"])
    example = Example(x, x[:0], text, text)
    prepared = Prepared([example], "", (), regular=[example])
    asked = Learn(job="", clips=(), motion="", out="")
    task = Learning(asked, family, method, prepared, quiet_run(tmp_path))
    for adapter in method.adapters:
        task._add(adapter)
    task.learned["absorber"] = {
        k: p.detach() + 0.3 for k, p in lora_parameters(family.denoiser, "absorber").items()
    }
    remove_loras(family.denoiser)
    task._add(method.adapters[-1])
    plain = family.predict(x, torch.tensor([500]), text)
    assert task._acting(method.stages(1)[1]) == []  # merged, it would act in both
    step, seen = prepared.step(family, seeded(0), None), []
    predict = family.predict

    def noted(*given: Tensor) -> Tensor:
        seen.append(predict(x, torch.tensor([500]), text))
        return predict(*given)

    family.predict = noted
    assert len(list(method.losses(step))) == 2
    assert not torch.allclose(seen[0], plain, atol=1e-3)
    torch.testing.assert_close(seen[1], plain)
