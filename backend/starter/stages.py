"""What one training step of each stage minimizes.

Shapes: B clips or pictures, F frames, C latent channels, h×w latent size, L tokens.
"""

from __future__ import annotations

import random

import torch
from diffusers import AutoencoderKL, DDIMScheduler, UNet3DConditionModel
from transformers import CLIPTextModel, CLIPTokenizer

from .data import Bank
from .films import SHARE, Films
from .models import upload
from .world import Shot, caption

KL_WEIGHT = 1e-6
SUBJECT_WEIGHT = 3.0
"""How much more a subject's pixels count for the autoencoder: they are few beside the background's."""
COVER_WEIGHT = 2.0
"""How much more the cells of the latents count, in clips and stills, that a subject covers."""
STILLS_NOISE, CLIPS_NOISE, NOISE_SPREAD, EVEN = 0.0, 0.8, 0.9, 0.15
"""Timesteps are logit-normal (mean and spread of the logit), an EVEN share of them uniform: most steps are
spent where words change the prediction most, for shapes around t = 450 on this schedule, for motion above."""
NO_CAPTION = 0.1
"""Share of samples without a caption, for classifier-free guidance."""


def autoencoder_loss(
    autoencoder: AutoencoderKL,
    pictures: torch.Tensor,
    masks: torch.Tensor,
    films: Films | None = None,
) -> torch.Tensor:
    """L1 and squared error of the round trip, subjects weighing more, with a trace of KL.

    Pictures (B, 3, H, W) in [-1, 1] and their subjects' masks (B, 1, H, W); `films` take the place of some.
    """
    pictures, masks = pictures.to(autoencoder.device), masks.to(autoencoder.device)
    if films is not None:
        filmed = films.pictures(max(1, len(pictures) // SHARE))
        pictures, masks = pictures.clone(), masks.clone()
        pictures[: len(filmed)], masks[: len(filmed)] = filmed, 0
    posterior = autoencoder.encode(pictures).latent_dist
    error = autoencoder.decode(posterior.sample()).sample.float() - pictures
    weights = 1 + SUBJECT_WEIGHT * masks
    loss: torch.Tensor = (weights * (error.abs() + 4 * error.square())).mean()
    loss += KL_WEIGHT * posterior.kl().mean()
    return loss


def noise_levels(count: int, middle: float, device: torch.device) -> torch.Tensor:
    """Random timesteps (count,) as fractions in [0, 1), most of them around the sigmoid of `middle`."""
    most = torch.sigmoid(middle + NOISE_SPREAD * torch.randn(count, device=device))
    even = torch.rand(count, device=device)
    return torch.where(torch.rand(count, device=device) < EVEN, even, most).clamp(max=0.9999)


def chances(
    x_t: torch.Tensor,
    candidates: torch.Tensor,
    signal: torch.Tensor,
    spread: torch.Tensor,
    missing: torch.Tensor | None = None,
) -> torch.Tensor:
    """How likely each of `candidates` (B, M, …) lies behind x_t = signal · x_0 + spread · noise (B, …), when
    any of them may be x_0 but for those that are `missing` (B, M); signal and spread (B,). They add up to 1.

    Xu et al., Stable Target Field (arXiv 2302.00670), Eq. 5.
    """
    per_clip = (-1, *[1] * (candidates.ndim - 1))
    far = (x_t.unsqueeze(1) - signal.view(per_clip) * candidates).square().flatten(2).sum(2)
    likely = -far / (2 * spread.square()).unsqueeze(1)
    if missing is not None:
        likely = likely.masked_fill(missing, -torch.inf)
    return torch.softmax(likely, 1)


def expected(likely: torch.Tensor, candidates: torch.Tensor) -> torch.Tensor:
    """The mean (B, …) of candidates (B, M, …), each weighing as much as its chance (B, M).

    It is what a prediction from one candidate alone scatters around, so a model learns the same from it,
    sooner: near t = 1000 from all clips of a caption at once.
    """
    weights = likely.view(*likely.shape, *[1] * (candidates.ndim - 2))
    mean: torch.Tensor = (weights * candidates).sum(1)  # einsum would round it to bf16 under autocast
    return mean


class Denoising:
    """The loss of the `stills` and `clips` stages: v-prediction on latents, text encoder learning along."""

    def __init__(
        self,
        unet: UNet3DConditionModel,
        text_encoder: CLIPTextModel,
        tokenizer: CLIPTokenizer,
        scheduler: DDIMScheduler,
        bank: Bank,
        clips_noise: float = CLIPS_NOISE,
    ) -> None:
        self.unet, self.text_encoder, self.tokenizer, self.scheduler = (
            unet,
            text_encoder,
            tokenizer,
            scheduler,
        )
        self.bank, self.clips_noise = bank, clips_noise

    def loss(self, batch: int, rng: random.Random, *, stills: bool) -> torch.Tensor:
        """Mean square error of v over `batch` clips, or over a random frame of each, subjects weighing more.

        Half of the clips show the opposite of the other half in the same noise, their looks alike: all that
        tells a pair apart is its words for motion, so that nothing else drowns what they do.
        """
        count, device = batch if stills else (batch + 1) // 2, self.unet.device
        groups = self.bank.choose(count, rng)
        levels = noise_levels(count, STILLS_NOISE if stills else self.clips_noise, device)
        if not stills:
            groups += [self.bank.opposite(group, rng) for group in groups]
            levels = levels.repeat(2)
        numbers = upload(torch.tensor(groups), device)
        candidates, covers, missing = self._candidates(numbers, stills=stills)
        which = (torch.rand(len(groups), device=device) * self.bank.sizes[numbers]).long()
        x_0 = candidates[torch.arange(len(groups), device=device), which]
        noise = torch.randn(count, *x_0.shape[1:], device=device).repeat(len(groups) // count, 1, 1, 1, 1)
        t = (levels * self.scheduler.config.num_train_timesteps).long()
        x_t = self.scheduler.add_noise(x_0, noise, t)
        likely = chances(x_t, candidates, *self._scales(t), missing)
        v = self.velocity(x_t, t, expected(likely, candidates))
        # Of x_t and the group, as v is: for a group's own words what is best to predict in each cell stays.
        # For stills of several motions it leans to those that expect a subject there, as it would without a
        # caption: there cells weigh alike.
        text, said = self.text([self.bank.shot(group) for group in groups], rng, stills=stills)
        weights = 1 + COVER_WEIGHT * said.view(-1, 1, 1, 1, 1) * expected(likely, covers)
        error: torch.Tensor = (self.unet(x_t, t, text).sample.float() - v).square()
        return (weights * error).mean() / weights.mean()

    def _candidates(
        self, groups: torch.Tensor, *, stills: bool
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """The groups' clips (B, M, C, F, h, w), of stills a random frame of each, how much of their cells a
        subject covers (B, M, 1, F, h, w), and which there are not (B, M)."""
        rows = self.bank.rows[groups]
        latents, covers = self.bank.latents[rows].float(), self.bank.covers[rows].unsqueeze(3) / 255
        if stills:
            b, m = (torch.arange(count, device=rows.device) for count in rows.shape)
            frames = torch.randint(latents.shape[2], rows.shape, device=rows.device)
            latents, covers = (of[b.unsqueeze(1), m, frames].unsqueeze(2) for of in (latents, covers))
        return latents.transpose(2, 3), covers.transpose(2, 3), rows < 0

    def _scales(self, t: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """How much of the clip and how much noise (B,) are in x_t."""
        signal: torch.Tensor = self.scheduler.alphas_cumprod.to(t.device)[t].sqrt()
        return signal, (1 - signal.square()).sqrt()

    def velocity(self, x_t: torch.Tensor, t: torch.Tensor, x_0: torch.Tensor) -> torch.Tensor:
        """The v (B, C, F, h, w) of `x_t` when `x_0` is what to expect behind it."""
        signal, spread = (of.view(-1, 1, 1, 1, 1) for of in self._scales(t))
        v: torch.Tensor = signal * (x_t - signal * x_0) / spread - spread * x_0
        return v

    def text(
        self, shots: list[Shot], rng: random.Random, *, stills: bool
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Text (B, L, D) of the shots' captions, freshly worded, the looks alone for stills; and whether
        there is a caption (B,), 1 or 0."""
        captions = [caption(shot, rng) for shot in shots]
        prompts = ["" if rng.random() < NO_CAPTION else c.looks if stills else c.full for c in captions]
        ids = self.tokenizer(prompts, padding="max_length", truncation=True, return_tensors="pt").input_ids
        embedded: torch.Tensor = self.text_encoder(upload(ids, self.unet.device)).last_hidden_state
        return embedded, upload(torch.tensor([float(bool(words)) for words in prompts]), self.unet.device)
