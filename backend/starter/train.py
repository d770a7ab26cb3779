"""How the starter was made: `python -m backend.starter.train --stage … --minutes … --work DIR`.

Stages, in order; each goes on from its own last checkpoint in DIR:

    autoencoder   pictures ↔ latents
    bank          clips drawn and encoded, their scale measured
    stills        UNet and text encoder on single frames, temporal layers bypassed: words for looks
    positions     every layer is told where its frames and pixels lie, once
    clips         all of the UNet on whole clips: words for motion; a bank may be written meanwhile
    decoder       the autoencoder again, its encoder held fast: the UNet still fits its latents
    export        write a diffusers pipeline folder, weights in fp16
"""

from __future__ import annotations

import argparse
import random
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from functools import partial
from pathlib import Path

import torch
from diffusers import AutoencoderKL
from diffusers.models.attention_processor import AttnProcessor
from safetensors.torch import load_file
from transformers import CLIPTokenizer

from backend.families.unet3d import bypass_temporal, flatten_convolutions

from . import workers
from .data import Bank, encode, write_bank
from .export import PARTS, average_with, export, weights_in
from .films import read_films
from .loop import Checkpoint, run, saved_step
from .models import Size, new_autoencoder, new_scheduler, new_text_encoder, new_unet
from .pictures import drawn_ahead, shown_again
from .positions import mark_positions
from .stages import CLIPS_NOISE, Denoising, autoencoder_loss
from .tokenizer import write_tokenizer
from .world import VOCABULARIES, render, sample_shot

STILLS_EVERY = 6
"""Every so many steps of stage `clips` is one of stills: frames stay good with temporal layers bypassed."""
MARKED_AT = 900
"""The timestep at which stage `positions` measures how loud layers are: where motions are decided."""
AUTOENCODER = "autoencoder.pt"
PICTURES_PER_CLIP = 4
"""Single frames that take the place of one clip in a batch: they cost about as much."""


def take_up(checkpoint: Checkpoint, args: argparse.Namespace, *, averaged: bool = False) -> bool:
    """The stage's checkpoint, else the weights in the pipeline folder `args.start`; False without both."""
    if checkpoint.load(averaged=averaged):
        return True
    if args.start is None:
        return False
    for name, module in checkpoint.modules.items():
        module.load_state_dict(load_file(weights_in(args.start, name)))
    checkpoint.average_anew()
    return True


def autoencoder_checkpoint(args: argparse.Namespace) -> Checkpoint:
    modules = torch.nn.ModuleDict({"autoencoder": new_autoencoder(args.size)}).to(args.device)
    return Checkpoint(args.work / AUTOENCODER, modules, ema_decay=0.99)


def trained_autoencoder(args: argparse.Namespace) -> AutoencoderKL:
    """The averaged autoencoder, its latents scaled to unit variance over 256 clips."""
    checkpoint = autoencoder_checkpoint(args)
    if not take_up(checkpoint, args, averaged=True):
        raise SystemExit("Train the autoencoder first: --stage autoencoder.")
    autoencoder: AutoencoderKL = checkpoint.modules["autoencoder"].eval()
    autoencoder.register_to_config(scaling_factor=1.0)
    shots = [sample_shot(seed, vocabulary=args.vocabulary) for seed in range(256)]
    frames = render(shots, size=args.size.pixels, frames=1, device=args.device).frames
    autoencoder.register_to_config(scaling_factor=round(1 / encode(autoencoder, frames).std().item(), 4))
    return autoencoder


def tokenizer_of(args: argparse.Namespace) -> CLIPTokenizer:
    return CLIPTokenizer.from_pretrained(args.work / "tokenizer")


def denoiser_checkpoint(args: argparse.Namespace) -> Checkpoint:
    unet = new_unet(args.size)
    if args.device.type == "cpu":
        # Plain attention: at eight frames the fused kernel's backward takes longer than all the rest.
        unet.set_attn_processor(AttnProcessor())
    flatten_convolutions(unet)
    modules = torch.nn.ModuleDict({"unet": unet, "text_encoder": new_text_encoder(tokenizer_of(args))})
    # eval(): the temporal convolutions' dropout does a model this small no good.
    return Checkpoint(args.work / "denoiser.pt", modules.eval().to(args.device))


def train_autoencoder(args: argparse.Namespace) -> None:
    # Loaders are forked before this process has a GPU: what inherits one aborts when it ends.
    seed = saved_step(args.work / AUTOENCODER) * workers.count() + workers.rank()
    drawn = drawn_ahead(seed, args.batch, args.size, args.vocabulary, args.loaders)
    checkpoint = autoencoder_checkpoint(args)
    # The encoder to hold fast is the averaged one, which encoded the bank.
    take_up(checkpoint, args, averaged=args.stage == "decoder")
    films = args.films and args.films.to(args.device)
    autoencoder = checkpoint.modules["autoencoder"]
    if args.stage == "decoder":
        for part in (autoencoder.encoder, autoencoder.quant_conv):
            part.requires_grad_(False)
    # Loaders are there for a GPU, which outruns them.
    again = shown_again(drawn, args.batch, args.size, args.device) if args.loaders else nullcontext(drawn)
    with again as pictures:
        run(checkpoint, lambda _: autoencoder_loss(autoencoder, *next(pictures), films), args)


def train_bank(args: argparse.Namespace, autoencoder: Callable[[], AutoencoderKL] | None = None) -> None:
    write_bank(
        args.bank,
        autoencoder or partial(trained_autoencoder, args),
        args.size,
        args.chunks,
        args.device,
        args.vocabulary,
        films=args.films,
        loaders=args.loaders,
    )


def read_bank(args: argparse.Namespace) -> Bank:
    bank = Bank(args.bank, args.device, args.vocabulary, args.dwell)
    if not bank.groups:
        raise SystemExit("Encode clips first: --stage bank.")
    return bank


def open_denoiser(args: argparse.Namespace, *, averaged: bool = False) -> tuple[Checkpoint, Denoising]:
    """The checkpoint of `stills` and `clips`, taken up, and their loss on the bank."""
    checkpoint = denoiser_checkpoint(args)
    take_up(checkpoint, args, averaged=averaged)
    unet, text_encoder = checkpoint.modules["unet"], checkpoint.modules["text_encoder"]
    return checkpoint, Denoising(unet, text_encoder, tokenizer_of(args), new_scheduler(), read_bank(args))


def denoiser_loss(denoising: Denoising, batch: int, rng: random.Random, *, stills: bool) -> torch.Tensor:
    """The loss of `batch` clips, or of as many stills as cost the same."""
    with bypass_temporal(denoising.unet) if stills else nullcontext():
        return denoising.loss(batch * (PICTURES_PER_CLIP if stills else 1), rng, stills=stills)


def train_denoiser(args: argparse.Namespace) -> None:
    teach_denoiser(*open_denoiser(args), args)


def teach_denoiser(checkpoint: Checkpoint, denoising: Denoising, args: argparse.Namespace) -> None:
    """Stage `stills` or `clips`, whichever `args.stage` says."""
    denoising.clips_noise = args.noise

    def loss(rng: random.Random) -> torch.Tensor:
        stills = args.stage == "stills" or checkpoint.step % STILLS_EVERY == 0
        return denoiser_loss(denoising, args.batch, rng, stills=stills)

    run(checkpoint, loss, args, meanwhile=denoising.bank.grow)


def give_positions(args: argparse.Namespace) -> None:
    checkpoint, denoising = open_denoiser(args, averaged=True)
    unet, bank = denoising.unet, denoising.bank
    noise = torch.randn_like(bank.latents[:2].float().transpose(1, 2))
    text, _ = denoising.text(bank.shots[:2], random.Random(0), stills=False)
    mark_positions(unet, noise, torch.tensor([MARKED_AT] * 2, device=args.device), text)
    checkpoint.average_anew()
    if workers.rank() == 0:
        checkpoint.save()


def export_folder(args: argparse.Namespace) -> None:
    if workers.rank() > 0:
        return
    checkpoint = denoiser_checkpoint(args)
    take_up(checkpoint, args, averaged=True)
    if args.average is not None:
        average_with(checkpoint.modules, args.average)
    export(
        args.out,
        args.size,
        trained_autoencoder(args),
        checkpoint.modules["unet"],
        checkpoint.modules["text_encoder"],
        tokenizer_of(args),
        new_scheduler(),
        args.taught,
    )


STAGES: dict[str, Callable[[argparse.Namespace], None]] = {
    "autoencoder": train_autoencoder,
    "bank": train_bank,
    "stills": train_denoiser,
    "positions": give_positions,
    "clips": train_denoiser,
    "decoder": train_autoencoder,
    "export": export_folder,
}


def argument_parser(description: str | None) -> argparse.ArgumentParser:
    """What all ways to train are told; `prepared` makes of it what the stages read."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--work", type=Path, required=True, help="checkpoints and encoded clips")
    parser.add_argument(
        "--out", type=Path, default=Path(__file__).parent / "weights", help="where export writes"
    )
    parser.add_argument("--device", type=torch.device, default=torch.device("cpu"))
    parser.add_argument("--batch", type=int, default=16, help="of each worker")
    parser.add_argument(
        "--loaders", type=int, default=0, help="processes that draw for a GPU: pictures, clips"
    )
    parser.add_argument("--rate", type=float, default=1e-3)
    parser.add_argument("--chunks", type=int, default=12, help="thousands of clips that stage bank encodes")
    parser.add_argument("--moving", type=float, help="share of the bank's cameras that move, where it shows")
    parser.add_argument(
        "--vocabulary", choices=VOCABULARIES, default="full", help="how much of the world is taught"
    )
    parser.add_argument(
        "--stress", nargs="*", default=[], help="words to draw more often: subjects, motions, numbers"
    )
    parser.add_argument(
        "--dwell",
        nargs="*",
        default=[],
        help="such words whose clips are shown oftener than drawn",
    )
    parser.add_argument("--start", type=Path, help="a starter's folder to go on from without checkpoints")
    parser.add_argument("--average", type=Path, help="export the mean with the starter in this folder")
    parser.add_argument("--films", type=Path, help="a folder of shots filmed in Blender")
    parser.add_argument("--pixels", type=int, default=64)
    parser.add_argument("--frames", type=int, default=8)
    return parser


def prepared(args: argparse.Namespace) -> argparse.Namespace:
    args.taught, args.vocabulary = args.vocabulary, VOCABULARIES[args.vocabulary]
    try:
        args.vocabulary.check(args.dwell)
        args.vocabulary = args.vocabulary.stressing(args.stress)
    except ValueError as error:
        raise SystemExit(str(error)) from error
    if args.moving is not None:
        args.vocabulary = replace(args.vocabulary, camera_share=args.moving)
    # The world's motions take one second: so does a clip, whatever its number of frames.
    args.size = Size(pixels=args.pixels, frames=args.frames, fps=args.frames)
    args.films = read_films(args.films, args.size) if args.films else None
    for folder in filter(None, (args.start, args.average)):
        for part in PARTS:
            weights_in(folder, part)
    args.work.mkdir(parents=True, exist_ok=True)
    args.bank = args.work / "bank"
    write_tokenizer(args.work / "tokenizer")
    return args


def main() -> None:
    parser = argument_parser(__doc__)
    parser.add_argument("--stage", choices=STAGES, required=True)
    parser.add_argument("--workers", type=int, default=1, help="processes that train together, a thread each")
    parser.add_argument(
        "--decay", type=float, default=0.25, help="last share of the run over which the rate falls to 0"
    )
    parser.add_argument(
        "--noise", type=float, default=CLIPS_NOISE, help="logit around which the timesteps of clips lie"
    )
    args = prepared(parser.parse_args())
    workers.start(args.workers, STAGES[args.stage], args)


if __name__ == "__main__":
    main()
