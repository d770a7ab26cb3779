"""The names that ModelScope's release, Stable Diffusion and ComfyUI have for modules."""

import pytest
import torch
from diffusers import UNet3DConditionModel

from backend.families.names import flat_names, layers_of, original_name
from tests.families.test_unet3d import MODELSCOPE

BLOCK = "transformer_blocks.0.attn1.to_q"


@pytest.mark.parametrize(
    ("module", "name"),
    [
        (f"transformer_in.{BLOCK}", f"input_blocks.0.1.{BLOCK}"),
        (f"down_blocks.0.attentions.0.{BLOCK}", f"input_blocks.1.1.{BLOCK}"),
        (f"down_blocks.1.attentions.1.{BLOCK}", f"input_blocks.5.1.{BLOCK}"),
        (f"down_blocks.2.temp_attentions.0.{BLOCK}", f"input_blocks.7.2.{BLOCK}"),
        (f"mid_block.attentions.0.{BLOCK}", f"middle_block.1.{BLOCK}"),
        (f"mid_block.temp_attentions.0.{BLOCK}", f"middle_block.2.{BLOCK}"),
        (f"up_blocks.1.attentions.0.{BLOCK}", f"output_blocks.3.1.{BLOCK}"),
        (f"up_blocks.3.temp_attentions.2.{BLOCK}", f"output_blocks.11.2.{BLOCK}"),
        ("down_blocks.3.temp_convs.1.conv1.2", "input_blocks.11.0.temopral_conv.conv1.2"),
        ("mid_block.temp_convs.1.conv4.3", "middle_block.3.temopral_conv.conv4.3"),
        ("down_blocks.1.resnets.0.conv_shortcut", "input_blocks.4.0.skip_connection"),
        ("up_blocks.0.resnets.2.time_emb_proj", "output_blocks.2.0.emb_layers.1"),
        ("mid_block.resnets.1.conv2", "middle_block.3.out_layers.3"),
        ("conv_in", "input_blocks.0.0"),
        ("down_blocks.0.downsamplers.0.conv", ""),
        ("time_embedding.linear_1", ""),
    ],
)
def test_a_module_has_the_name_of_the_first_release(module: str, name: str) -> None:
    """As the released conversions between diffusers and ModelScope name them, at two layers a level."""
    assert original_name(module, 2) == name


def test_no_two_modules_of_a_modelscope_share_a_name() -> None:
    with torch.device("meta"):
        unet = UNet3DConditionModel(**MODELSCOPE)
    modules = [n for n, m in unet.named_modules() if not list(m.children())]
    assert layers_of(modules) == 2
    named = [flat for module in modules for flat in flat_names(module, 2)]
    assert len(named) == len(set(named))


def test_the_number_of_layers_is_told_from_a_motions_modules() -> None:
    one = [f"down_blocks.0.temp_attentions.0.{BLOCK}", f"up_blocks.1.temp_attentions.1.{BLOCK}"]
    assert layers_of(one) == 1
    more = [*one, f"up_blocks.1.temp_attentions.2.{BLOCK}"]
    assert layers_of(more) == layers_of(one[:1]) == 0, "the ways disagree: not all layers are there"
    assert layers_of([*more, f"down_blocks.0.temp_attentions.1.{BLOCK}"]) == 2
