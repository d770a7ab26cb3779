"""The starter's training: what each stage may change, and that it goes on from where it stopped."""

import random
import shutil
from argparse import Namespace
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import CLIPTokenizer

from backend.api.bases import STARTER
from backend.families.unet3d import bypass_temporal
from backend.starter import loop, models, train
from backend.starter.data import GROUP, Bank, write_bank
from backend.starter.export import weights_in
from backend.starter.films import Films
from backend.starter.loop import Checkpoint, run
from backend.starter.models import (
    LATENT_CHANNELS,
    Size,
    new_autoencoder,
    new_scheduler,
)
from backend.starter.pictures import drawn_ahead
from backend.starter.stages import Denoising, autoencoder_loss
from backend.starter.tokenizer import TOKENS, known_words, write_tokenizer
from backend.starter.world import FIRST, FULL, opposed, words_of

SIZE = Size(pixels=32, frames=4)
CPU = torch.device("cpu")


def test_what_is_exported_are_averaged_weights_which_follow_the_trained_ones(tmp_path: Path) -> None:
    modules = torch.nn.ModuleDict({"part": torch.nn.Linear(1, 1, bias=False)})
    with torch.no_grad():
        modules["part"].weight.fill_(0)
    checkpoint = Checkpoint(tmp_path / "part.pt", modules, ema_decay=0.25)
    for _ in range(2):
        with torch.no_grad():
            modules["part"].weight.add_(1)
        checkpoint.advance()
    # After one step 2/11 of what was, after two 3/12: 1 − 2/11 = 9/11, and 9/44 + 2 · 3/4.
    assert checkpoint.ema["part.weight"].item() == pytest.approx(9 / 44 + 1.5)
    checkpoint.save()
    assert modules["part"].weight.item() == 2
    assert Checkpoint(tmp_path / "part.pt", modules).load(averaged=True)
    assert modules["part"].weight.item() == pytest.approx(9 / 44 + 1.5)


@pytest.mark.parametrize(("half", "pays"), [(0.4, True), (0.9, False), (2.0, False)])
def test_bfloat16_is_taken_on_a_cpu_where_it_is_clearly_faster(
    half: float, pays: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.ops.mkldnn, "_is_mkldnn_bf16_supported", lambda: True)
    monkeypatch.setattr(models, "_seconds", lambda of: half if of.dtype == torch.bfloat16 else 1.0)
    models._halves_pay.cache_clear()
    assert models.mixed_precision(CPU)._enabled == pays
    models._halves_pay.cache_clear()


def test_every_known_word_is_one_token_and_any_other_text_encodes(denoising: Denoising) -> None:
    tokenizer = denoising.tokenizer
    assert all(len(tokenizer.tokenize(word)) == 1 for word in known_words())
    assert tokenizer.unk_token_id not in tokenizer("Ünïcode zebras! 日本 🙂").input_ids[1:-1]
    assert len(tokenizer("word " * 200, truncation=True).input_ids) == TOKENS


def test_only_one_worker_exports(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(train, "export", lambda folder, *_: pytest.fail(f"another wrote {folder} too"))
    monkeypatch.setattr(train, "denoiser_checkpoint", lambda _: pytest.fail("another read the weights too"))
    monkeypatch.setattr(train.workers, "rank", lambda: 1)
    train.export_folder(Namespace(out=tmp_path))


def told(*words: str) -> Namespace:
    return train.prepared(train.argument_parser(None).parse_args(words))


def test_an_export_may_be_the_mean_with_another_starter(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    other, made = shutil.copytree(STARTER, tmp_path / "other"), {}
    parts = ("unet", "text_encoder")
    for part in parts:
        file = weights_in(other, part)
        save_file({key: torch.zeros_like(weight) for key, weight in load_file(file).items()}, file)
    monkeypatch.setattr(train, "trained_autoencoder", lambda _: None)
    monkeypatch.setattr(train, "export", lambda *given: made.update(zip(parts, given[3:5], strict=True)))
    train.export_folder(
        told("--work", str(tmp_path / "work"), "--start", str(STARTER), "--average", str(other))
    )
    for part in parts:
        shipped = load_file(weights_in(STARTER, part))
        for key, weight in made[part].named_parameters():
            assert torch.equal(weight, shipped[key].float() / 2)


@pytest.mark.parametrize("option", ["--start", "--average"])
def test_what_is_no_starters_folder_is_refused_before_anything_begins(option: str, tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="no starter's folder"):
        told("--work", str(tmp_path / "work"), option, str(tmp_path))
    assert not (tmp_path / "work").exists()


def test_the_shipped_text_encoder_still_has_a_token_for_every_known_word() -> None:
    """A word added to the world's captions would give its embeddings to other words."""
    shipped = CLIPTokenizer.from_pretrained(STARTER / "tokenizer")
    assert all(len(shipped.tokenize(word)) == 1 for word in known_words())


def test_the_bank_holds_the_latents_of_its_shots(denoising: Denoising) -> None:
    assert denoising.bank.latents.shape == (64, 4, LATENT_CHANNELS, 4, 4)
    assert len(denoising.bank.shots) == 64


def test_clips_of_the_same_words_lie_together_in_the_bank(denoising: Denoising) -> None:
    groups = denoising.bank.groups
    assert sorted(row for rows in groups for row in rows) == list(range(64))
    assert all(len(rows) % GROUP == 0 for rows in groups)
    for rows in groups:
        shots = [denoising.bank.shots[row] for row in rows]
        assert len({words_of(shot) for shot in shots}) == 1
        assert len({(shot.x, shot.size) for shot in shots}) == len(shots)


def test_a_still_is_one_frame_of_each_of_its_groups_clips(denoising: Denoising) -> None:
    bank = denoising.bank
    stills, covers, missing = denoising._candidates(torch.tensor([3, 0]), stills=True)
    assert not missing.any()
    for of_group, cells, group in zip(stills, covers, (3, 0), strict=True):
        for still, cover, row in zip(of_group, cells, bank.groups[group], strict=True):
            frame = next(f for f in range(4) if torch.equal(still[:, 0], bank.latents[row][f].float()))
            assert torch.equal(cover[0, 0], bank.covers[row][frame] / 255)


def test_one_clip_alone_is_trained_on_its_own_velocity(denoising: Denoising) -> None:
    x_0, noise, t = torch.randn(1, 8, 4, 4, 4), torch.randn(1, 8, 4, 4, 4), torch.tensor([600])
    x_t = denoising.scheduler.add_noise(x_0, noise, t)
    v = denoising.velocity(x_t, t, x_0)
    assert torch.allclose(v, denoising.scheduler.get_velocity(x_0, noise, t), atol=1e-4)


def test_a_groups_opposite_says_the_opposite_and_looks_alike(denoising: Denoising) -> None:
    bank = denoising.bank
    for group in range(len(bank.groups)):
        shot, other = bank.shot(group), bank.shot(bank.opposite(group, random.Random(0)))
        assert words_of(other) == words_of(opposed(shot))
    assert any(bank.shots[rows[0]].motion not in ("still", "spin") for rows in bank.groups)


def test_stills_give_gradients_to_spatial_layers_and_words_only(denoising: Denoising) -> None:
    with bypass_temporal(denoising.unet):
        denoising.loss(2, random.Random(0), stills=True).backward()
    learned = {name for name, p in denoising.unet.named_parameters() if p.grad is not None}
    assert not [n for n in learned if "temp_" in n or "transformer_in" in n]
    assert [n for n in learned if ".attentions." in n]
    assert all(p.grad is not None for n, p in denoising.text_encoder.named_parameters())
    denoising.unet.zero_grad()


def test_clips_give_gradients_to_every_layer(denoising: Denoising) -> None:
    denoising.loss(2, random.Random(0), stills=False).backward()
    assert not [name for name, p in denoising.unet.named_parameters() if p.grad is None]
    denoising.unet.zero_grad()


def test_bypassed_frames_do_not_see_each_other(denoising: Denoising) -> None:
    x, t = torch.randn(1, LATENT_CHANNELS, 4, 4, 4), torch.tensor([500])
    text = torch.randn(1, TOKENS, 128)
    with torch.no_grad(), bypass_temporal(denoising.unet):
        whole = denoising.unet(x, t, text).sample
        alone = denoising.unet(x[:, :, 2:3], t, text).sample
    assert torch.allclose(whole[:, :, 2:3], alone, atol=1e-5)


def test_the_same_seed_gives_the_same_loss(denoising: Denoising) -> None:
    losses = []
    for _ in range(2):
        torch.manual_seed(3)
        losses.append(denoising.loss(2, random.Random(3), stills=False).item())
    assert losses[0] == losses[1]


def test_training_resumes_where_it_stopped(tmp_path: Path) -> None:
    args = Namespace(device=CPU, minutes=0.01, rate=1e-3, decay=0.25, stage="autoencoder")
    steps = []
    for _ in range(2):
        modules = torch.nn.ModuleDict({"autoencoder": new_autoencoder(SIZE)})
        checkpoint = Checkpoint(tmp_path / "autoencoder.pt", modules)
        checkpoint.load()
        steps.append(checkpoint.step)
        model = modules["autoencoder"]
        pictures = drawn_ahead(0, 4, SIZE, FIRST, loaders=0)
        run(
            checkpoint,
            lambda _, model=model, more=pictures: autoencoder_loss(model, *next(more)),
            args,
        )
    assert steps[0] == 0
    assert steps[1] > 0


def test_while_clips_are_learned_the_bank_takes_in_new_ones(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(loop, "NOTED_EVERY", 0.0)
    write = partial(
        write_bank, tmp_path / "bank", lambda: new_autoencoder(SIZE), SIZE, device=CPU, vocabulary=FULL
    )
    write(chunks=1, chunk=2 * GROUP)
    write_tokenizer(tmp_path / "tokenizer")
    banks: list[Bank] = []

    def opened(args: Namespace) -> Bank:
        banks.append(Bank(args.work / "bank", CPU))
        write(chunks=2, chunk=2 * GROUP)
        return banks[0]

    monkeypatch.setattr(train, "read_bank", opened)
    facts = {"minutes": 0.001, "rate": 1e-4, "decay": 0, "noise": 0.6, "batch": 2, "stage": "clips"}
    train.train_denoiser(Namespace(device=CPU, size=SIZE, work=tmp_path, start=None, **facts))
    assert len(banks[0].shots) == 4 * GROUP
    assert (tmp_path / "denoiser.pt").exists()


def test_the_schedule_neither_clips_nor_ends_in_pure_noise() -> None:
    scheduler = new_scheduler()
    assert not scheduler.config.clip_sample
    assert not scheduler.config.rescale_betas_zero_snr
    assert 0 < scheduler.alphas_cumprod[-1] < 1e-3


def test_without_a_bank_training_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="--stage bank"):
        train.read_bank(Namespace(bank=tmp_path, device=CPU, vocabulary=FULL, dwell=[]))


def test_loaders_draw_for_both_stages_and_their_pictures_are_shown_again(
    films: Films, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[str, int]] = []

    @contextmanager
    def again(drawn: object, count: int, *_: object) -> Iterator[object]:
        asked.append(("pictures", count))
        yield drawn

    monkeypatch.setattr(train, "shown_again", again)
    monkeypatch.setattr(train, "write_bank", lambda *_, loaders, **__: asked.append(("clips", loaders)))
    facts = {"minutes": 0.001, "rate": 1e-3, "decay": 0, "batch": 4, "start": STARTER, "work": tmp_path}
    facts |= {"device": CPU, "size": SIZE, "vocabulary": FIRST, "films": films, "chunks": 1, "loaders": 1}
    facts["bank"] = tmp_path / "bank"
    args = Namespace(stage="autoencoder", **facts)
    train.train_autoencoder(args)
    train.train_bank(args)
    assert asked == [("pictures", 4), ("clips", 1)]


def test_the_decoder_alone_learns_so_that_latents_stay(films: Films, tmp_path: Path) -> None:
    facts = {"minutes": 0.003, "rate": 1e-2, "decay": 0, "batch": 4, "loaders": 0, "work": tmp_path}
    facts |= {"device": CPU, "size": SIZE, "vocabulary": FIRST, "films": films, "start": STARTER}
    averages = []
    for stage in ("autoencoder", "decoder"):
        train.train_autoencoder(Namespace(stage=stage, **facts))
        averages.append(torch.load(tmp_path / "autoencoder.pt", weights_only=True)["ema"])
    before, after = averages
    changed = {name.split(".")[1] for name in before if not torch.equal(before[name], after[name])}
    assert changed == {"decoder", "post_quant_conv"}


def test_training_goes_on_from_the_shipped_weights_where_there_is_no_checkpoint(tmp_path: Path) -> None:
    weights = Path(train.__file__).parent / "weights"
    write_tokenizer(tmp_path / "tokenizer")
    args = Namespace(device=CPU, size=Size(), work=tmp_path, start=weights)
    checkpoint = train.denoiser_checkpoint(args)
    assert train.take_up(checkpoint, args, averaged=True)
    shipped = load_file(next((weights / "unet").glob("*.safetensors")))
    taken = checkpoint.modules["unet"].state_dict()
    assert all(torch.equal(taken[name], tensor.float()) for name, tensor in shipped.items())
    assert not train.take_up(train.denoiser_checkpoint(args), Namespace(**vars(args) | {"start": None}))
