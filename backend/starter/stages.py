"""What one training step of each stage minimizes.

Shapes: B clips or pictures, F frames, C latent channels, h×w latent size, L tokens.
"""

from __future__ import annotations

import random

import torch
import torch.nn.functional as nn_f
from diffusers import AutoencoderKL, DDIMScheduler, UNet3DConditionModel
from transformers import CLIPTextModel, CLIPTokenizer

from .data import Bank, random_pictures
from .films import SHARE, Films
from .models import Size
from .world import Shot, Vocabulary, caption

KL_WEIGHT = 1e-6
SUBJECT_WEIGHT = 3.0
"""How much more a subject's pixels count for the autoencoder: they are few beside the background's."""
STILLS_NOISE, CLIPS_NOISE, NOISE_SPREAD, EVEN = 0.0, 0.8, 0.9, 0.15
"""Timesteps are logit-normal (mean and spread of the logit), an EVEN share of them uniform: most steps are
spent where words change the prediction most, for shapes around t = 450 on this schedule, for motion above."""
NO_CAPTION = 0.1
"""Share of samples without a caption, for classifier-free guidance."""


def autoencoder_loss(
    autoencoder: AutoencoderKL,
    size: Size,
    batch: int,
    rng: random.Random,
    vocabulary: Vocabulary,
    films: Films | None = None,
) -> torch.Tensor:
    """L1 and squared error of the round trip, subjects weighing more, with a trace of KL."""
    pictures, masks = random_pictures(rng, batch, size, autoencoder.device, vocabulary)
    if films is not None:
        filmed = films.pictures(rng, max(1, batch // SHARE)).to(pictures.device)
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


def expected(
    x_t: torch.Tensor, candidates: torch.Tensor, signal: torch.Tensor, spread: torch.Tensor
) -> torch.Tensor:
    """What to expect behind x_t = signal · x_0 + spread · noise when any of `candidates` (M, …) may be x_0.

    Xu et al., Stable Target Field (arXiv 2302.00670), Eq. 5: the mean of the candidates, each weighing as
    much as it is likely. It is what a prediction from one candidate alone scatters around, so a model learns
    the same from it, sooner: near t = 1000 from all clips of a caption at once.
    """
    far = (x_t - signal * candidates).square().flatten(1).sum(1) / (2 * spread.square())
    likely = torch.softmax(-far, 0).view(-1, *[1] * x_t.ndim)
    mean: torch.Tensor = (likely * candidates).sum(0)  # einsum would round it to bf16 under autocast
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
        """Mean square error of v over `batch` clips, or over one random frame of each.

        Half of the clips show the opposite of the other half in the same noise, their looks alike: all that
        tells a pair apart is its words for motion, so that nothing else drowns what they do.
        """
        count = batch if stills else (batch + 1) // 2
        groups = [rng.choice(self.bank.groups) for _ in range(count)]
        levels = noise_levels(count, STILLS_NOISE if stills else self.clips_noise, self.unet.device)
        if not stills:
            groups += [self.bank.opposite(rows, rng) for rows in groups]
            levels = levels.repeat(2)
        shots = [self.bank.shots[rows[0]] for rows in groups]
        candidates = [self._clips(rows, rng, stills=stills) for rows in groups]
        noise = torch.randn(count, *candidates[0].shape[1:], device=self.unet.device)
        noise = noise.repeat(len(groups) // count, 1, 1, 1, 1)
        t = (levels * self.scheduler.config.num_train_timesteps).long()
        x_t = self.scheduler.add_noise(torch.stack([clips[0] for clips in candidates]), noise, t)
        v = torch.stack([self.velocity(*of_one) for of_one in zip(x_t, t, candidates, strict=True)])
        return nn_f.mse_loss(self.unet(x_t, t, self.text(shots, rng, stills=stills)).sample.float(), v)

    def _clips(self, rows: list[int], rng: random.Random, *, stills: bool) -> torch.Tensor:
        """Clips (M, C, F, h, w) in these rows of the bank, a random one first; of stills one frame each."""
        latents = self.bank.latents[rng.sample(rows, len(rows))].float().transpose(1, 2)
        if not stills:
            return latents
        frames = torch.tensor([rng.randrange(latents.shape[2]) for _ in rows], device=latents.device)
        return latents[torch.arange(len(rows), device=latents.device), :, frames].unsqueeze(2)

    def velocity(self, x_t: torch.Tensor, t: torch.Tensor, candidates: torch.Tensor) -> torch.Tensor:
        """The v (C, F, h, w) to be expected of `x_t` when any of `candidates` (M, C, F, h, w) may be x_0."""
        signal = self.scheduler.alphas_cumprod.to(x_t.device)[t].sqrt()
        spread = (1 - signal.square()).sqrt()
        x_0 = expected(x_t, candidates, signal, spread)
        v: torch.Tensor = signal * (x_t - signal * x_0) / spread - spread * x_0
        return v

    def text(self, shots: list[Shot], rng: random.Random, *, stills: bool) -> torch.Tensor:
        """Text (B, L, D) of the shots' captions, freshly worded; the looks alone for stills."""
        captions = [caption(shot, rng) for shot in shots]
        prompts = ["" if rng.random() < NO_CAPTION else c.looks if stills else c.full for c in captions]
        ids = self.tokenizer(prompts, padding="max_length", truncation=True, return_tensors="pt").input_ids
        embedded: torch.Tensor = self.text_encoder(ids.to(self.unet.device)).last_hidden_state
        return embedded
