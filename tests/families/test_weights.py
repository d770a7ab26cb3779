"""Where bases come from: a folder, the library, a hub; and what is said when there is none."""

import json
import os
import shutil
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import pytest

from backend.api.bases import STARTER
from backend.api.library import default_library
from backend.errors import UserError
from backend.families.profile import read_profile
from backend.families.unet3d import UNet3D
from backend.families.weights import find_base, fingerprint
from tests.families.hub import serving

ROOT = Path(__file__).parents[2]
FETCH = """
import sys
from pathlib import Path
from backend.errors import UserError
from backend.families.weights import find_base
for name in sys.argv[2:]:
    try:
        print(find_base(name, Path(sys.argv[1])))
    except UserError as error:
        print("refused:", error)
"""


def fetch(library: Path, address: str, *names: str) -> list[str]:
    """In a process of its own: the hub's address is read once, when its library is imported."""
    environment = {
        **os.environ,
        "HF_ENDPOINT": address,
        "HF_HUB_DISABLE_XET": "1",
        "HF_HOME": str(library / "hf"),
    }
    command = [sys.executable, "-c", FETCH, str(library), *names]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_a_base_is_fetched_from_a_hub_once_and_works(toy_base, tmp_path):
    (tmp_path / "hub").mkdir()
    served = shutil.copytree(toy_base, tmp_path / "hub" / "toy")
    (served / "unet" / "model.ckpt").write_bytes(b"not wanted")
    with serving(served, "someone/toy") as (address, fetched):
        first, second, missing = fetch(tmp_path, address, "someone/toy", "someone/toy", "someone/other")
    assert first == second == str(tmp_path / "models" / "someone" / "toy")
    assert fetched.count("unet/diffusion_pytorch_model.safetensors") == 1
    assert "unet/model.ckpt" not in fetched
    assert "refused: The hub has no model 'someone/other'" in missing
    assert UNet3D(Path(first), "someone/toy", device="cpu").embed(["a ball"]).shape[0] == 1


def test_without_a_network_fetching_says_so(tmp_path):
    (said,) = fetch(tmp_path, "http://127.0.0.1:9", "a/b")
    assert "refused: The base model 'a/b' could not be fetched" in said


def test_a_base_in_the_librarys_models_is_found_by_name(toy_base, tmp_path):
    folder = shutil.copytree(toy_base, tmp_path / "models" / "mine")
    assert find_base("mine", tmp_path) == folder


def test_a_folder_is_a_base(toy_base, tmp_path):
    assert find_base(str(toy_base), tmp_path) == toy_base


@pytest.mark.parametrize("name", ["nothing-here", "/no/such/folder", "~nobody-is-called-so/base", ""])
def test_a_base_that_is_nowhere_is_refused_with_what_to_do(name, tmp_path):
    with pytest.raises(UserError, match="There is no base model") as caught:
        find_base(name, tmp_path)
    assert "pipeline folder" in caught.value.hint


def test_a_pipeline_of_another_kind_is_refused(toy_base, tmp_path):
    folder = shutil.copytree(toy_base, tmp_path / "other")
    index = json.loads((folder / "model_index.json").read_text())
    index["unet"] = ["diffusers", "UNet2DConditionModel"]
    (folder / "model_index.json").write_text(json.dumps(index))
    with pytest.raises(UserError, match="UNet2DConditionModel"):
        find_base(str(folder), tmp_path)


def test_a_fingerprint_knows_other_weights_and_another_architecture(toy_base, tmp_path):
    one = fingerprint(toy_base)
    assert fingerprint(shutil.copytree(toy_base, tmp_path / "copy")) == one

    trained = shutil.copytree(toy_base, tmp_path / "trained")
    weights = trained / "unet" / "diffusion_pytorch_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"x")
    assert fingerprint(trained).architecture == one.architecture
    assert fingerprint(trained).weights != one.weights

    wider = shutil.copytree(toy_base, tmp_path / "wider")
    config = json.loads((wider / "unet" / "config.json").read_text())
    (wider / "unet" / "config.json").write_text(json.dumps(config | {"layers_per_block": 2}))
    assert fingerprint(wider).architecture != one.architecture


def test_the_starter_is_found_by_its_name(tmp_path):
    assert find_base("starter", tmp_path) == STARTER


@pytest.mark.parametrize(
    ("said", "wrong"),
    [
        ({"frames": None}, "frames is None"),
        ({"frames": 0}, "frames is 0"),
        ({"width": "256"}, "width is '256'"),
        ({"fps": "24/0"}, "cannot be read"),
        ({"fps": -8}, "fps is -8"),
        ({"frames": 1}, "frames is 1, not a whole number from 2"),
        ({"learn": {"Vmc": {"caption": "everything"}}}, "caption.*'everything'"),
        ({"learn": {"Vmc": {"rank": 0}}}, "Rank is 0"),
        ({"learn": {"Vcm": {}}}, "Vcm"),
        ({"moving_guidance": "low"}, "guidance is 'low', not a number"),
        ({"stacking": "beside"}, "stacking is 'beside', not added or apart or filmed"),
    ],
)
def test_a_profile_that_makes_no_clip_or_sets_what_no_method_has_is_refused_in_a_sentence(
    said: dict[str, object], wrong: str, tmp_path: Path
) -> None:
    (tmp_path / "restage.json").write_text(json.dumps({"schema": 1, "name": "odd"} | said))
    with pytest.raises(UserError, match=wrong):
        read_profile(tmp_path, "odd", 64)


def test_a_profiles_rate_may_be_a_fraction(tmp_path: Path) -> None:
    (tmp_path / "restage.json").write_text('{"schema": 1, "name": "film", "fps": "24000/1001"}')
    assert read_profile(tmp_path, "film", None).fps == Fraction(24000, 1001)


def test_a_library_in_a_home_that_is_not_there_is_no_crash(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RESTAGE_LIBRARY", "~nobody-is-called-so/restage")
    assert default_library() == Path("~nobody-is-called-so/restage")
