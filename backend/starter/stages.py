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
from .world import Shot, Vocabulary, backwards, caption

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


class Denoising:
    """The loss of the `stills` and `clips` stages: v-prediction on latents, text encoder learning along."""

    def __init__(
        self,
        unet: UNet3DConditionModel,
        text_encoder: CLIPTextModel,
        tokenizer: CLIPTokenizer,
        scheduler: DDIMScheduler,
        bank: Bank,
    ) -> None:
        self.unet, self.text_encoder, self.tokenizer, self.scheduler = (
            unet,
            text_encoder,
            tokenizer,
            scheduler,
        )
        self.bank = bank

    def loss(self, batch: int, rng: random.Random, *, stills: bool) -> torch.Tensor:
        """Mean square error of v over `batch` clips, or over one random frame of each.

        Half of the clips are the other half played backwards under the opposite words, in the same noise:
        all that tells a pair apart is its words for motion, so that nothing else drowns what they do.
        """
        count = batch if stills else (batch + 1) // 2
        rows = [rng.randrange(len(self.bank.shots)) for _ in range(count)]
        latents, shots = self.bank.latents[rows], [self.bank.shots[row] for row in rows]
        if stills:
            frames = torch.tensor([rng.randrange(latents.shape[1]) for _ in rows], device=latents.device)
            latents = latents[torch.arange(batch, device=latents.device), frames].unsqueeze(1)
        x_0 = latents.float().transpose(1, 2)  # (B, C, F, h, w)
        noise, levels = torch.randn_like(x_0), noise_levels(count, STILLS_NOISE, x_0.device)
        if not stills:
            x_0, noise = torch.cat((x_0, x_0.flip(2))), noise.repeat(2, 1, 1, 1, 1)
            levels = noise_levels(count, CLIPS_NOISE, x_0.device).repeat(2)
            shots += [backwards(shot) for shot in shots]
        t = (levels * self.scheduler.config.num_train_timesteps).long()
        x_t = self.scheduler.add_noise(x_0, noise, t)
        v = self.scheduler.get_velocity(x_0, noise, t)
        return nn_f.mse_loss(self.unet(x_t, t, self.text(shots, rng, stills=stills)).sample.float(), v)

    def text(self, shots: list[Shot], rng: random.Random, *, stills: bool) -> torch.Tensor:
        """Text (B, L, D) of the shots' captions, freshly worded; the looks alone for stills."""
        captions = [caption(shot, rng) for shot in shots]
        prompts = ["" if rng.random() < NO_CAPTION else c.looks if stills else c.full for c in captions]
        ids = self.tokenizer(prompts, padding="max_length", truncation=True, return_tensors="pt").input_ids
        embedded: torch.Tensor = self.text_encoder(ids.to(self.unet.device)).last_hidden_state
        return embedded
