"""The rows of `restage bench methods`, the motions that are learned, and the prompts they are tried on."""

from dataclasses import dataclass

from backend.api.settings import CustomizeAVideo, Method, MotionDirector, MotionToken, Vmc
from backend.errors import UserError
from backend.starter.world import FIRST, Shot, caption, sample_shot, shows


@dataclass(frozen=True)
class Row:
    """One way to make clips move as a reference does; without `method` the caption alone has to do it.

    `follow` is how closely clips start from the reference's inverted latent; `clips` how many references it
    learns from, the first one being every row's own; `regular` how many of known motions it gets beside them.
    """

    title: str
    method: Method | None = None
    follow: float = 0.0
    clips: int = 1
    regular: int = 0
    words: str = ""  # for the motion, in place of what moves
    core: bool = False

    @property
    def learner(self) -> str:
        """The name of the first row that learns the same; this one's own, unless they differ in sampling."""
        learned = (self.method, self.clips, self.regular, self.words)
        return next(n for n, r in ROWS.items() if (r.method, r.clips, r.regular, r.words) == learned)


@dataclass(frozen=True)
class Trial:
    """A motion outside the vocabulary: the shot to learn it from."""

    name: str
    shot: Shot
    core: bool = False


V = "doing the V*"  # the motion token's placeholder for its rare word
_plain = CustomizeAVideo(absorber="none")
ROWS: dict[str, Row] = {
    "caption": Row("base, caption only", core=True),
    "coupled": Row("LoRA everywhere, coupled", CustomizeAVideo(absorber="none", placement="both"), core=True),
    "spatial": Row("spatial LoRA only", CustomizeAVideo(absorber="none", placement="spatial")),
    "t-lora": Row("T-LoRA, no absorber", _plain, core=True),
    "attention": Row("T-LoRA on attention alone, spatial absorber", CustomizeAVideo(layers="attention")),
    "customize": Row("T-LoRA, spatial absorber (default)", CustomizeAVideo(), core=True),
    "customize-ti": Row("T-LoRA, textual inversion", CustomizeAVideo(absorber="textual inversion")),
    "customize-both": Row("T-LoRA, both absorbers", CustomizeAVideo(absorber="both")),
    "vmc": Row("VMC, Eq. 17", Vmc(loss="motion cosine")),
    "vmc-16": Row("VMC, Eq. 16", Vmc(loss="motion l2"), core=True),
    "director": Row("MotionDirector", MotionDirector(), core=True),
    "director-mse": Row("MotionDirector, no AD loss", MotionDirector(loss="mse")),
    "token": Row("motion token, 5 clips", MotionToken(), clips=5, regular=7, words=V, core=True),
    "token-alone": Row("motion token, not regularized", MotionToken(regularization="none"), clips=5, words=V),
    "token-even": Row(
        "motion token, no coarse sampling", MotionToken(coarse=0.0), clips=5, regular=7, words=V
    ),
    "inversion": Row("DDIM inversion alone", follow=0.5, core=True),
    "customize-inversion": Row("default, with inversion", CustomizeAVideo(), follow=0.5),
    "vmc-inversion": Row("VMC, Eq. 16, with inversion", Vmc(loss="motion l2"), follow=0.5),
    "director-inversion": Row("MotionDirector, with inversion", MotionDirector(), follow=0.5),
    "token-inversion": Row(
        "motion token, with inversion", MotionToken(), follow=0.5, clips=5, regular=7, words=V
    ),
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
        "figure eight",
        Shot(subject="ring", colour="orange", background="blue sea", motion="figure eight"),
        core=True,
    ),
    Trial("roll", Shot(subject="moon", colour="black", background="brick wall", camera="roll")),
    Trial("zigzag", Shot(subject="cross", colour="white", background="night sky", motion="zigzag")),
    Trial("spiral", Shot(subject="triangle", colour="green", background="striped wall", motion="spiral")),
    Trial(
        "whip pan",
        Shot(subject="heart", colour="purple", background="checkered floor", camera="whip pan"),
    ),
)


# What a camera does before grounds that tell it, to be stacked. The base knows words for it, unlike TRIALS.
CAMERAS = (
    Trial("pan", Shot(subject="heart", colour="purple", background="checkered floor", camera="pan left")),
    Trial("tilt", Shot(subject="moon", colour="white", background="brick wall", camera="tilt up")),
    Trial("zoom", Shot(subject="ring", colour="orange", background="tiled floor", camera="zoom in")),
)


def trial_named(name: str) -> Trial:
    return next(trial for trial in (*TRIALS, *CAMERAS) if trial.name == name)


def subjects_trial(name: str) -> Trial:
    """Raises UserError with the motions of subjects that there are."""
    known = {trial.name: trial for trial in TRIALS if trial.shot.camera == "locked"}
    if name not in known:
        raise UserError(f"There is no subject's motion {name!r}.", f"Choose among {', '.join(known)}.")
    return known[name]


def pair_of(first: str, second: str) -> tuple[Trial, Trial]:
    """Two motions of a subject, or two of a camera. Raises UserError with those that there are."""
    cameras = {trial.name: trial for trial in CAMERAS}
    if first == second:
        raise UserError("A motion is not stacked with itself here.", "Choose two motions.")
    if (first in cameras) != (second in cameras):
        raise UserError(
            f"{first!r} and {second!r} are no pair.", f"Of a camera's there are {', '.join(cameras)}."
        )
    if first in cameras:
        return cameras[first], cameras[second]
    return subjects_trial(first), subjects_trial(second)


def prompts_for(trial: Trial, count: int) -> list[Shot]:
    """Shots unlike the reference in subject, colour and background; a camera's move shows on all of them."""
    shot = trial.shot
    moves = "locked" if shot.camera == "locked" else "pan"
    grounds = [b for b in FIRST.backgrounds if b != shot.background and shows(moves, b)]
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


def known_shots(count: int) -> list[Shot]:
    """Shots of motions inside the vocabulary, one after the other."""
    moving = [m for m in FIRST.motions if m != "still"]
    return [sample_shot(100 + i, vocabulary=FIRST, motion=moving[i % len(moving)]) for i in range(count)]


def words_of(trial: Trial) -> tuple[str, str]:
    """The reference's looks and motion, in words."""
    said = caption(trial.shot)
    # "standing still while the camera rolls": what moves is the camera alone.
    motion = said.motion.removeprefix("standing still ") if trial.shot.camera != "locked" else said.motion
    return said.looks, motion
