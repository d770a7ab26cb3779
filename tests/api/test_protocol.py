"""What may be written on the wire, what may not, and what is said about that."""

import subprocess
import sys
from pathlib import Path
from typing import Any, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backend.api import protocol
from backend.api.protocol import (
    Clip,
    Compute,
    Edit,
    Finish,
    Finished,
    Generate,
    Key,
    Learn,
    Message,
    Motion,
    Rate,
    Sampling,
    check,
    decode,
    encode,
    per_frame,
)
from backend.api.settings import CustomizeAVideo
from backend.errors import UserError

ROOT = Path(__file__).parents[2]
LEARN = b'{"type": "Learn", "job": "a", "clips": [], "motion": "m", "out": "o"'
GENERATE = b'{"type": "Generate", "job": "a", "prompt": "p", "out": "o"'


@settings(deadline=None)
@given(st.one_of(*(st.from_type(kind) for kind in get_args(Message))))
def test_every_message_survives_the_wire(message: Any) -> None:
    line = encode(message)
    assert line.endswith(b"\n")
    assert line.count(b"\n") == 1
    assert decode(line) == message


def test_a_path_that_is_not_unicode_survives_the_wire() -> None:
    message = Finished(job="j", outputs=("caf\udce9.mp4", "線\n.mp4"), seconds=1.0)
    assert decode(encode(message)) == message


def test_a_field_left_out_has_its_default() -> None:
    assert decode(GENERATE + b"}") == Generate(job="a", prompt="p", out="o")


def test_a_whole_number_will_do_for_a_float() -> None:
    line = GENERATE + b', "motions": [{"type": "Motion", "path": "m", "strength": 1}]}'
    motion = decode(line).motions[0]
    assert motion == Motion(path="m", strength=1.0)
    assert type(motion.strength) is float


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        (b"", "not a message"),
        (b"hello", "not a message"),
        (b'{"type": "Cancel", "job": "a"', "not a message"),
        (b"\xff", "not a message"),
        (b"[" * 100_000, "not a message"),
        (b"9" * 10_000, "not a message"),
        (b"[1]", "message: expected Learn or Generate or Edit"),
        (b"null", "message: expected"),
        (b'{"job": "a"}', "message: expected"),
        (b'{"type": "Nope"}', "message: expected"),
        (b'{"type": ["Cancel"]}', "message: expected"),
        (b'{"type": "Cancel"}', "message: Cancel needs job"),
        (b'{"type": "Cancel", "job": 7}', "message.job: expected str, got 7"),
        (b'{"type": "Cancel", "job": null}', "message.job: expected str, got None"),
        (b'{"type": "Cancel", "job": "a", "x": 1}', "message: Cancel has no x"),
        (GENERATE + b', "seed": 1.5}', "message.seed: expected int, got 1.5"),
        (GENERATE + b', "seed": true}', "message.seed: expected int, got True"),
        (GENERATE + b', "motions": {}}', "message.motions: expected tuple"),
        (
            GENERATE + b', "motions": [{"type": "Motion", "path": 1}]}',
            "message.motions[0].path: expected str",
        ),
        (GENERATE + b', "motions": [{"type": "Clip", "path": "p"}]}', "message.motions[0]: expected Motion"),
        (
            GENERATE + b', "sampling": {"type": "Sampling", "steps": "9"}}',
            "steps: expected int or null, got '9'",
        ),
        (
            GENERATE + b', "sampling": {"type": "Sampling", "guidance": NaN}}',
            "guidance: expected float or null",
        ),
        (GENERATE + b', "balance": 1' + b"0" * 400 + b"}", "message.balance: expected float, got 1000"),
        (
            GENERATE + b', "compute": {"type": "Compute", "memory": "huge"}}',
            "message.compute.memory: expected 'auto' or 'fast' or 'balanced' or 'low', got 'huge'",
        ),
        (LEARN + b', "quality": "ultra"}', "message.quality: expected 'draft' or 'normal' or 'best'"),
        (LEARN + b', "method": {"type": "Cancel", "job": "a"}}', "message.method: expected CustomizeAVideo"),
        (
            LEARN + b', "method": {"type": "CustomizeAVideo", "rank": "4"}}',
            "message.method.rank: expected int or null, got '4'",
        ),
        (
            LEARN + b', "method": {"type": "CustomizeAVideo", "token": 1}}',
            "message.method: CustomizeAVideo has no token",
        ),
    ],
)
def test_a_bad_line_is_refused_and_the_place_named(line: bytes, complaint: str) -> None:
    with pytest.raises(protocol.ProtocolError) as caught:
        decode(line)
    assert complaint in str(caught.value)


def test_a_request_from_before_curves_is_still_read() -> None:
    line = GENERATE + b', "motions": [{"type": "Motion", "path": "m", "strength": 0.5}]}'
    assert decode(line).motions == (Motion(path="m", strength=0.5),)


def test_a_request_from_before_finishing_is_still_read() -> None:
    assert decode(GENERATE + b"}").finish == Finish()


def test_a_strength_without_keys_is_the_same_at_every_frame() -> None:
    assert per_frame(0.7, (), 3) == (0.7, 0.7, 0.7)


@pytest.mark.parametrize(
    ("keys", "strengths"),
    [
        ([(0.5, 0.3)], [0.3] * 5),
        ([(0, 0), (1, 1)], [0, 0.25, 0.5, 0.75, 1]),
        ([(1, 1), (0, 0)], [0, 0.25, 0.5, 0.75, 1]),
        ([(0.25, 0), (0.75, 2)], [0, 0, 1, 2, 2]),
        ([(0.5, 0), (0.5, 1)], [0, 0, 1, 1, 1]),
        ([(0, 0.1), (0.25, 0.2), (0.5, 0.4), (0.75, 0.8), (1, 1.6)], [0.1, 0.2, 0.4, 0.8, 1.6]),
    ],
)
def test_a_curve_is_straight_between_its_keys_and_held_outside(
    keys: list[tuple[float, float]], strengths: list[float]
) -> None:
    curve = tuple(Key(at=at, strength=strength) for at, strength in keys)
    assert per_frame(1.0, curve, 5) == pytest.approx(strengths)


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_what_is_not_a_number_is_never_written(number: float) -> None:
    with pytest.raises(ValueError, match="JSON compliant"):
        encode(Motion(path="m", strength=number))  # type: ignore[arg-type]


def generate(**changes: Any) -> Generate:
    return Generate(job="a", prompt="p", out="o", **changes)


def learn(**changes: Any) -> Learn:
    return Learn(job="a", clips=(), motion="m", out="o", **changes)


@pytest.mark.parametrize(
    ("request_", "complaint"),
    [
        (generate(count=0), "Count is 0, outside 1 to 64."),
        (generate(seed=-1), "Seed is -1, outside 0 to 2147483647."),
        (generate(seed=10**400), f"Seed is 1{'0' * 400}, outside 0 to 2147483647."),
        (generate(motions=(Motion(path="m", strength=2.1),)), "Strength is 2.1, outside -2 to 2."),
        (generate(motions=(Motion(path="m", strength=float("nan")),)), "Strength is nan"),
        (generate(motions=(Motion(path="m", curve=(Key(at=1.5),)),)), "At is 1.5, outside 0 to 1."),
        (generate(motions=(Motion(path="m", curve=(Key(strength=-3.0),)),)), "Strength is -3"),
        (generate(finish=Finish(strength=1.5)), "Strength is 1.5, outside 0 to 1."),
        (generate(balance=1.1), "Balance is 1.1, outside 0 to 1."),
        (generate(sampling=Sampling(frames=1)), "Frames is 1, outside 2 to 256."),
        (generate(sampling=Sampling(width=4096)), "Width is 4096"),
        (generate(sampling=Sampling(rate=Rate(num=0))), "Num is 0"),
        (learn(steps=0), "Steps is 0, outside 1 to 100000."),
        (learn(method=CustomizeAVideo(rank=0)), "Rank is 0, outside 1 to 128."),
        (learn(method=CustomizeAVideo(learning_rate=1.0)), "Learning rate is 1, outside 1e-06 to 0.1."),
        (
            Edit(job="a", clip=Clip(path="c", frame_count=0), prompt="p", out="o"),
            "Frame count is 0, outside 1 to 10000000.",
        ),
        (
            Edit(job="a", clip=Clip(path="c"), prompt="p", out="o", follow=1.01),
            "Follow is 1.01, outside 0 to 1.",
        ),
    ],
)
def test_what_is_outside_its_limits_is_refused_with_a_hint(request_: Message, complaint: str) -> None:
    with pytest.raises(UserError) as caught:
        check(request_)
    assert complaint in caught.value.message
    assert caught.value.hint.startswith("Choose a value from")


def test_what_is_at_its_limits_is_taken() -> None:
    check(
        generate(
            count=64, motions=(Motion(path="m", strength=-2.0),), sampling=Sampling(frames=2, guidance=50)
        )
    )
    check(learn(steps=None, method=CustomizeAVideo(rank=None)))


def test_a_rate_is_exact() -> None:
    assert Rate(num=24000, den=1001).fraction() * 1001 == 24000


def test_choices_are_those_that_messages_take() -> None:
    assert get_args(protocol.Quality) == ("draft", "normal", "best")
    assert Learn(job="a", clips=(), motion="m", out="o").quality in get_args(protocol.Quality)
    assert Compute().precision in get_args(protocol.Precision)
    assert Compute().memory in get_args(protocol.Memory)


def test_blender_can_import_the_api_with_the_standard_library_alone() -> None:
    names = sorted(path.stem for path in (ROOT / "backend" / "api").glob("[a-z]*.py"))
    assert {"client", "protocol", "presets", "settings"} <= set(names)
    program = (
        f"import sys, importlib; sys.path.insert(0, {str(ROOT)!r})\n"
        f"for name in {names}: importlib.import_module('backend.api.' + name)\n"
        "tops = {name.partition('.')[0] for name in sys.modules}\n"
        "strange = tops - sys.stdlib_module_names - {'backend', '__main__'}\n"
        "assert not strange, strange"
    )
    subprocess.run([sys.executable, "-I", "-S", "-c", program], check=True)
