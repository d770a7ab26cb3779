"""What all methods do with settings that the loop reads: rates that fall, offset noise."""

import pytest

from backend.api.settings import resolved
from backend.methods import METHODS
from backend.methods.base import Material


@pytest.mark.parametrize("kind", METHODS, ids=lambda kind: kind.__name__)
@pytest.mark.parametrize(("own", "falls"), [({}, 0.0), ({"rate_falls": 0.7}, 0.7)], ids=["paper", "base"])
def test_rates_fall_as_the_base_says_and_stay_without(
    kind: type, own: dict[str, float], falls: float
) -> None:
    method = METHODS[kind](resolved(kind(), own), Material())
    assert method.rate_falls == falls


@pytest.mark.parametrize("kind", METHODS, ids=lambda kind: kind.__name__)
def test_noise_is_offset_where_it_is_asked_for(kind: type) -> None:
    assert METHODS[kind](resolved(kind(), {}), Material()).offset == 0.0
    assert METHODS[kind](resolved(kind(offset=0.1), {}), Material()).offset == 0.1
