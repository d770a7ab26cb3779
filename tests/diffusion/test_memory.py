import pytest
import torch

from backend.diffusion.memory import GIB, choose_device, choose_dtype, choose_mode, free_bytes
from backend.errors import UserError


@pytest.mark.parametrize(
    ("free", "mode"), [(24, "fast"), (8, "balanced"), (3, "low")], ids=["24 GiB", "8 GiB", "3 GiB"]
)
def test_the_mode_for_a_modelscope_size_unet_follows_what_is_free(free, mode):
    assert choose_mode("auto", free * GIB, int(2.8 * GIB), int(6.3 * GIB)) == mode


def test_a_chosen_mode_is_kept_whatever_is_free():
    assert choose_mode("fast", 0, GIB, GIB) == "fast"


def test_the_cpu_computes_in_full_precision_unless_told_otherwise():
    assert choose_dtype("auto", torch.device("cpu")) == torch.float32
    assert choose_dtype("bf16", torch.device("cpu")) == torch.bfloat16


@pytest.mark.parametrize("name", ["cuda:99", "toaster"])
def test_a_device_that_is_not_there_is_refused_in_a_sentence(name):
    with pytest.raises(UserError, match="not available on this machine"):
        choose_device(name)


def test_free_memory_is_a_plausible_amount():
    assert 2**27 < free_bytes(torch.device("cpu")) < 2**45
