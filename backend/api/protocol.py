"""Every message the add-on and the backend may exchange, and how it travels.

One message is one line of JSON. Large data travels by path. `VERSION` changes with any change here;
the reader is strict, and `Ready` comes first so that a mismatch is noticed before anything is sent.
"""

import json
from typing import TYPE_CHECKING, Literal

from .acting import BALANCE, BALANCE_HELP, Key, Looks, Motion, per_frame
from .exchange import Export, Import
from .finishing import Finish
from .settings import CustomizeAVideo, Method
from .values import ProtocolError, check, described, from_plain, limited, to_plain, value

if TYPE_CHECKING:
    from fractions import Fraction

__all__ = [
    "VERSION",
    "Cancel",
    "Cancelled",
    "Clip",
    "Compute",
    "Edit",
    "Export",
    "Failed",
    "Finish",
    "Finished",
    "Generate",
    "Import",
    "Key",
    "Learn",
    "Looks",
    "Message",
    "Motion",
    "Outcome",
    "Preview",
    "Progress",
    "ProtocolError",
    "Rate",
    "Ready",
    "Request",
    "Sampling",
    "check",
    "decode",
    "encode",
    "per_frame",
]

VERSION = 7
Quality = Literal["draft", "normal", "best"]
Precision = Literal["auto", "fp32", "bf16", "fp16"]
Memory = Literal["auto", "fast", "balanced", "low"]
Stacking = Literal["added", "apart", "filmed"]  # Blender keeps a choice by its place: new ones come last
FOLLOW_HELP = (
    "1 keeps the layout of the clip that a motion was learned from, as far as it acts; 0 is fresh noise"
)
STACKING_HELP = (
    "Several motions: added up in one clip; a camera's and a subject's apart in it, each in its place, in "
    "2.5 times the time; or filmed: each makes a clip and one is shown, its subject goes the other subjects' "
    "ways too, and the cameras' moves are laid over it; two take 2.5 to 4 times as long as one. Filmed, "
    "where one camera's motion alone leaves its clip standing still, the move of the clip it was learned "
    "from is laid over it, if that can be measured"
)


# ------------------------------------------------------------------ parts of requests


@value
class Rate:
    """Frames per second as a fraction: 24000/1001 is not 24."""

    num: int = limited(24, 1, 1_000_000)
    den: int = limited(1, 1, 1_000_000)

    def fraction(self) -> "Fraction":
        from fractions import Fraction  # loads decimal: not while Blender starts

        return Fraction(self.num, self.den)


@value
class Clip:
    """A range of a movie file's own frames, and in words what is seen in it."""

    path: str
    first_frame: int = limited(0, 0, 10_000_000, "First frame of the file that is used")
    frame_count: int | None = limited(None, 1, 10_000_000, "Frames used from there; all when None")
    reverse: bool = False
    looks: str = ""  # what is seen, without how it moves: "a red ball over a green field"


@value
class Compute:
    """Where and how precisely to compute; "auto" chooses from what is free."""

    device: str = "auto"  # "auto", "cpu", "cuda", "cuda:1", "mps"
    precision: Precision = described("auto", "Of the numbers. Leave it on auto unless results are broken")
    memory: Memory = described("auto", "Fast needs most memory, low least; auto is the fastest that fits")


@value
class Sampling:
    """How a clip is sampled and written. None is the base's own value."""

    frames: int | None = limited(None, 2, 256, "Frames the model makes")
    width: int | None = limited(None, 32, 2048, "Width in pixels")
    height: int | None = limited(None, 32, 2048, "Height in pixels")
    steps: int | None = limited(None, 1, 1000, "Denoising steps")
    guidance: float | None = limited(
        None, 0.0, 50.0, "How strictly the prompt is obeyed (classifier-free guidance); 1 is without"
    )
    stacking: Stacking | None = described(None, STACKING_HELP)
    rate: Rate | None = None  # of the written file; None is the base's
    length: int | None = limited(None, 1, 100_000, "Frames of the written file; None keeps the base's tempo")


# ------------------------------------------------------------------ add-on → backend


@value
class Learn:
    """Learn the motion of clips into the preset folder `out`."""

    job: str
    clips: tuple[Clip, ...]
    motion: str  # how it moves, in words: "moving in a circle"
    out: str
    title: str = ""
    base: str = "starter"
    method: Method = CustomizeAVideo()
    quality: Quality = described("normal", "How long to learn")
    steps: int | None = limited(None, 1, 100_000, "Learning steps; None lets quality decide")
    seed: int = limited(0, 0, 2**31 - 1, "The same seed gives the same result")
    checkpoints: int = limited(4, 1, 20, "Stages of learning to choose among afterwards; 1 is the end alone")
    preview_prompt: str = ""  # with words, a preview is made at each checkpoint
    stills: tuple[Clip, ...] = ()  # pictures (or clips) whose looks are learned, for methods that do
    regular: tuple[Clip, ...] = ()  # of related motions, which are not to be forgotten; looks: all words
    compute: Compute = Compute()


@value
class Generate:
    """Make `count` new clips at `out` (numbered -2, -3 … after the first)."""

    job: str
    prompt: str
    out: str
    motions: tuple[Motion, ...] = ()
    looks: tuple[Looks, ...] = ()
    base: str = "starter"
    seed: int = limited(0, 0, 2**31 - 1, "The same seed gives the same clip")
    count: int = limited(1, 1, 64, "Clips to make, each with the next seed")
    balance: float = limited(BALANCE, 0.0, 1.0, BALANCE_HELP)
    follow: float | None = limited(None, 0.0, 1.0, FOLLOW_HELP)
    sampling: Sampling = Sampling()
    finish: Finish = Finish()
    compute: Compute = Compute()


@value
class Edit:
    """Make a clip again from its DDIM-inverted latent with another prompt."""

    job: str
    clip: Clip
    prompt: str
    out: str
    follow: float = limited(
        1.0, 0.0, 1.0, "1 keeps the layout of the clip (its DDIM-inverted latent), 0 starts from fresh noise"
    )
    motions: tuple[Motion, ...] = ()
    looks: tuple[Looks, ...] = ()
    base: str = "starter"
    seed: int = limited(0, 0, 2**31 - 1, "The same seed gives the same clip")
    count: int = limited(1, 1, 64, "Clips to make, each with the next seed")
    inversion_steps: int | None = limited(
        None, 2, 1000, "Steps that read the clip, and as many that make it anew: more is closer and slower"
    )
    balance: float = limited(BALANCE, 0.0, 1.0, BALANCE_HELP)
    sampling: Sampling = Sampling()
    finish: Finish = Finish()
    compute: Compute = Compute()


@value
class Cancel:
    job: str


# ------------------------------------------------------------------ backend → add-on


@value
class Ready:
    version: int
    device: str  # what requests with device "auto" will use, in words


@value
class Progress:
    job: str
    phase: str  # in words: "Learning the motion"
    done: int
    total: int
    note: str = ""


@value
class Preview:
    """A clip made with what is learned so far."""

    job: str
    path: str
    step: int


@value
class Finished:
    job: str
    outputs: tuple[str, ...]  # clips, or the preset folder
    seconds: float
    notes: tuple[str, ...] = ()  # what the artist should know about the result


@value
class Failed:
    job: str
    error: str  # one sentence
    hint: str = ""  # what to do about it
    traceback: str = ""  # only for what nobody foresaw


@value
class Cancelled:
    job: str


Request = Learn | Generate | Edit | Import | Export
Outcome = Finished | Failed | Cancelled  # every job ends in exactly one
Message = Request | Cancel | Ready | Progress | Preview | Outcome


def encode(message: Message) -> bytes:
    """One line; raises ValueError for NaN and infinity."""
    return json.dumps(to_plain(message), allow_nan=False).encode() + b"\n"


def decode(line: bytes) -> Message:
    """Raise ProtocolError for whatever is not exactly one message."""
    try:
        data = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise ProtocolError(f"not a message: {line[:80]!r}") from error
    message: Message = from_plain(Message, data)
    return message
