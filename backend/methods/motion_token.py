"""Customizing Motion in Text-to-Video Diffusion Models (Materzynska et al., arXiv 2312.04966).

A few clips of different people doing one motion, all under one generic caption with a rare token V*. What
sees time learns, and the keys and values of words, with more weight on high noise, where movement is
decided; clips of related motions under their own captions keep the base from forgetting those. Then, from
stills, a second token X* may learn who does it.

    V*   settings.token          D^m  Step.examples      f_α(t)     settings.coarse is α
    X*   SUBJECT                 D^r  Step.regular       θ_t, θ_s^{k,v}   adapter "motion"
                                 D^s  Step.stills        X*'s spatial layers   adapter "looks"

Differs from the paper: LoRAs in place of full weights (570.9 million of them on a ModelScope-size UNet), and
so a larger learning rate, and none on the norms and the projections around temporal attention; each clip has
a caption of its own, which says who is seen in a word (the starter's profile: all words); each step takes one
clip of D^m and one of D^r, so that both weigh the same whatever their numbers are; what is predicted is the
base's own, ε or v; for stills temporal layers are bypassed, where the paper lets the one frame through; their
timesteps are even; augmentation is eight variants of each clip, itself among them, by crops and changes of
colour, never a mirror image, which would be another motion; latents are the posterior's mean; X* starts as
the noun before which it stands; words for the motion that do not say V* keep their verbs before it; it does
not stop by itself when copying begins. Who is seen is an adapter of its own, kept beside the motion; it acts
while D^m and D^r go on teaching that.
If asked for, as the starter's profile does, a share of the steps with clips takes one at half its speed,
under "… slowly" (Step.slowed): the paper's base knows what that does to a new motion, a small one has to be
shown.
Differs from the authors' code: nothing known, none was released.
"""

from collections.abc import Iterator

from torch import Tensor
from torch.nn.functional import mse_loss

from backend.api.settings import MotionToken, chosen
from backend.methods.base import TEMPORAL, Adapter, Beside, Material, Method, NewWord, Stage, Step
from backend.methods.losses import ClipLoss, regularized
from backend.methods.wording import captioned, without_looks

PLACEHOLDER = "V*"  # in the words of a motion, for the rare token
SUBJECT = "X*"
PERSON = "person"  # what X* starts from when nothing is said of the stills


class RareToken(Method):
    def __init__(self, settings: MotionToken, material: Material) -> None:
        s = settings
        self.settings, self.looks = s, material.looks
        self.coarse, self.offset, self.rate_falls = chosen(s.coarse), chosen(s.offset), chosen(s.rate_falls)
        self.slowed = chosen(s.slowed)
        self.follow = chosen(s.follow) if len(material.looks) == 1 else 0.0
        self.rate, self.token_rate = chosen(s.learning_rate), chosen(s.token_learning_rate)
        self.loss = ClipLoss(chosen(s.loss), chosen(s.compare), chosen(s.beta))
        motion = Adapter("motion", TEMPORAL[chosen(s.layers)], chosen(s.rank), chosen(s.alpha))
        self.adapters: tuple[Adapter, ...] = (motion,)
        if s.learn_token:
            self.words = (NewWord("token", s.token, (s.token,)),)
            self.kept_word = "token"
        if s.regularization == "given clips" and not material.regular:
            self.notes = ("There were no clips of related motions: the base may take them for this one.",)
        self.has_stills = bool(material.stills)
        if material.stills:
            who = without_looks(material.stills[0]).split()
            self.words += (NewWord("subject", SUBJECT, (who[-1] if who else PERSON,)),)
            self.adapters += (Adapter("looks", ("cross-attention kv",), motion.rank, motion.scale),)
            first = len(material.looks)
            self.beside = (Beside("looks", "subject", self.still_caption(material.stills[0]), clip=first),)

    def motion_words(self, motion: str) -> str:
        token = self.settings.token
        if PLACEHOLDER in motion:
            return motion.replace(PLACEHOLDER, token)
        return motion if token.casefold() in motion.casefold().split() else f"{motion} {token}".strip()

    def caption(self, looks: str, motion: str) -> str:
        return captioned(chosen(self.settings.caption), looks, motion)

    def still_caption(self, looks: str) -> str:
        """ "a brown dog on grass" → "a X* dog"."""
        words = without_looks(looks).split() or [PERSON]
        return looks if SUBJECT in looks else " ".join([*words[:-1], SUBJECT, words[-1]])

    def regular_captions(self) -> tuple[str, ...]:
        """Of the clips that are to be sampled from the base."""
        if self.settings.regularization != "sampled clips":
            return ()
        said = [words.strip() for words in self.settings.regular_words.split(";") if words.strip()]
        captions = said or [without_looks(looks) for looks in self.looks]
        return tuple(captions[i % len(captions)] for i in range(chosen(self.settings.regular_count)))

    def stages(self, steps: int) -> tuple[Stage, ...]:
        learn = {"motion": self.rate}
        if self.settings.learn_token:
            learn["token"] = self.token_rate
        motion = Stage("Learning the motion", learn, (), steps, self.losses)
        if not self.has_stills:
            return (motion,)
        joint = {**learn, "looks": self.rate, "subject": self.token_rate}
        share = max(1, round(steps * chosen(self.settings.subject_share)))
        return motion, Stage("Learning who does it", joint, (), share, self.joint_losses)

    def losses(self, step: Step, act: tuple[str, ...] = ()) -> Iterator[Tensor]:
        example = step.example_at_any_speed(self.slowed)
        with step.learning("motion", act=act):
            n = step.noised(step.clip(example), self.coarse)
            yield self.loss(step, n, step.predict(n, step.text(example)))  # Eq. 2
        yield from regularized(step, self.coarse, act)  # Eq. 3

    def joint_losses(self, step: Step) -> Iterator[Tensor]:
        """A clip or a still, which is a clip of one frame in which only spatial layers learn."""
        if step.chance(0.5):
            yield from self.losses(step, act=("looks",))
            return
        still = step.stills[step.pick(step.stills)]
        with step.learning("looks", act=("motion",), bypass_temporal=True):
            n = step.noised(step.frame(step.clip(still)), coarse=0.0)
            yield mse_loss(step.predict(n, step.text(still)), n.target)
