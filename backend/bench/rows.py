"""The rows of `restage bench methods`, the motions that are learned, and the prompts they are tried on."""

from dataclasses import dataclass

from backend.api.settings import CustomizeAVideo, Method, Vmc
from backend.starter.world import FIRST, Shot, caption


@dataclass(frozen=True)
class Row:
    """One way to make clips move as a reference does; without `method` the caption alone has to do it.

    `follow` is how closely clips start from the reference's inverted latent; `clips` how many references it
    learns from, the first one being every row's own.
    """

    title: str
    method: Method | None = None
    follow: float = 0.0
    clips: int = 1
    core: bool = False


@dataclass(frozen=True)
class Trial:
    """A motion outside the vocabulary: the shot to learn it from."""

    name: str
    shot: Shot
    core: bool = False


_plain = CustomizeAVideo(absorber="none")
ROWS: dict[str, Row] = {
    "caption": Row("base, caption only", core=True),
    "coupled": Row("LoRA everywhere, coupled", CustomizeAVideo(absorber="none", placement="both"), core=True),
    "spatial": Row("spatial LoRA only", CustomizeAVideo(absorber="none", placement="spatial")),
    "t-lora": Row("T-LoRA, no absorber", _plain, core=True),
    "customize": Row("T-LoRA, spatial absorber (default)", CustomizeAVideo(), core=True),
    "customize-ti": Row("T-LoRA, textual inversion", CustomizeAVideo(absorber="textual inversion")),
    "customize-both": Row("T-LoRA, both absorbers", CustomizeAVideo(absorber="both")),
    "vmc": Row("VMC, Eq. 17", Vmc(), core=True),
    "vmc-16": Row("VMC, Eq. 16", Vmc(loss="motion l2")),
    "inversion": Row("DDIM inversion alone", follow=0.5, core=True),
    "customize-inversion": Row("default, with inversion", CustomizeAVideo(), follow=0.5),
    "vmc-inversion": Row("VMC, with inversion", Vmc(), follow=0.5),
}

TRIALS: tuple[Trial, ...] = (
    Trial("circle", Shot(subject="ball", colour="red", background="green field", motion="circle"), core=True),
    Trial(
        "pendulum",
        Shot(subject="star", colour="yellow", background="brick wall", motion="pendulum", phase=0.25),
        core=True,
    ),
    Trial("bounce", Shot(subject="box", colour="blue", background="gray wall", motion="bounce"), core=True),
    Trial(
        "whip pan",
        Shot(subject="heart", colour="purple", background="checkered floor", camera="whip pan"),
        core=True,
    ),
    Trial(
        "figure eight", Shot(subject="ring", colour="orange", background="blue sea", motion="figure eight")
    ),
    Trial("zigzag", Shot(subject="cross", colour="white", background="night sky", motion="zigzag")),
    Trial("spiral", Shot(subject="triangle", colour="green", background="striped wall", motion="spiral")),
    Trial("roll", Shot(subject="moon", colour="black", background="brick wall", camera="roll")),
)


def prompts_for(trial: Trial, count: int) -> list[Shot]:
    """Shots that differ from the reference in subject, colour and background; textured if a camera moves."""
    shot = trial.shot
    plain = () if shot.camera == "locked" else ("gray wall", "brown ground")
    grounds = [b for b in FIRST.backgrounds if b not in (shot.background, *plain)]
    colours = [c for c in FIRST.colours if c != shot.colour]
    subjects = [s for s in FIRST.subjects if s != shot.subject]
    # Steps that have no factor in common with the lists' lengths: no two prompts share anything.
    return [
        Shot(
            subject=subjects[(2 * i + 1) % len(subjects)],
            colour=colours[(3 * i + 1) % len(colours)],
            background=grounds[(3 * i + 2) % len(grounds)],
        )
        for i in range(count)
    ]


def words_of(trial: Trial) -> tuple[str, str]:
    """The reference's looks and motion, in words."""
    said = caption(trial.shot)
    # "standing still while the camera rolls": what moves is the camera alone.
    motion = said.motion.removeprefix("standing still ") if trial.shot.camera != "locked" else said.motion
    return said.looks, motion
