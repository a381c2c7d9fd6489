"""Labels: y goes wherever z goes, on a small conditional generator with an embedding and a projection discriminator."""

import copy
from pathlib import Path
from typing import Any

import pytest
import pytorch_lightning as pl
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader
from toy_nets import LabelledD, LabelledG
from toys import LABELS, REALS, Recorder, Stream, assert_equal_states, fit, losses, plain, reports, rows, task

from seesaw.gan.balance import Pac
from seesaw.gan.memory import check_memory
from seesaw.gan.module import GAN
from seesaw.gan.penalties import R1, GradientPenalty
from seesaw.shared import sampling
from seesaw.shared.ema import with_estimated_batch_norm
from seesaw.types import UserError
from seesaw.util import key


def watched(net: nn.Module, seen: list[Tensor | None]) -> None:
    """Notes the labels of every forward pass."""
    net.register_forward_pre_hook(lambda module, given: seen.append(given[1]))


def test_two_batches_are_those_by_hand() -> None:
    """Float64, with R1: y of the reals is also y of the fakes, in both players' steps."""
    gan = task("labelled").double()
    G, D = copy.deepcopy(gan.G), copy.deepcopy(gan.D)
    fit(gan, 2, precision="64-true")
    opt_g, opt_d = (torch.optim.Adam(net.parameters(), lr=1e-3, betas=(0.5, 0.99)) for net in (G, D))
    softplus = nn.functional.softplus
    for shown in (0, 8):
        x = (REALS[shown : shown + 8].double() / 127.5 - 1).requires_grad_()
        y = torch.tensor([k % 3 for k in range(shown, shown + 8)])
        z = [
            torch.randn(8, 5, generator=torch.Generator().manual_seed(key(3, shown, name, "z")), dtype=torch.float64)
            for name in "DG"
        ]
        real = D([x], y)
        (slope,) = torch.autograd.grad(real.sum(), x, create_graph=True)
        loss = (softplus(-real) + softplus(D(G(z[0], y).images, y)) + 0.05 * slope.square().sum((1, 2, 3))).mean()
        opt_d.zero_grad()
        loss.backward()
        opt_d.step()
        opt_g.zero_grad()
        softplus(-D(G(z[1], y).images, y)).mean().backward()
        opt_g.step()
    for ours, theirs in ((gan.G, G), (gan.D, D)):
        for (name, a), b in zip(ours.state_dict().items(), theirs.state_dict().values(), strict=True):
            torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-12, msg=name)  # BatchNorm's statistics too


@pytest.mark.parametrize("micro_batch", [None, 5])
def test_every_forward_pass_gets_the_labels_of_its_rows(micro_batch: int | None) -> None:
    gan = task("labelled", micro_batch=micro_batch)
    of_g: list[Tensor | None] = []
    of_d: list[Tensor | None] = []
    watched(gan.G, of_g)
    watched(gan.D, of_d)
    fit(gan, 2)
    batches = [torch.tensor([k % 3 for k in range(start, start + 8)]) for start in (0, 8)]
    parts = [part for y in batches for _ in "DG" for part in y.split(micro_batch or 8)]
    assert [y.tolist() for y in of_g] == [part.tolist() for part in parts]
    # Reals and fakes in D's step, fakes in G's.
    twice = [part for y in batches for n in (2, 1) for part in y.split(micro_batch or 8) for _ in range(n)]
    assert [y.tolist() for y in of_d] == [part.tolist() for part in twice]


def gradients(y: Tensor) -> dict[str, list[Tensor]]:
    gan = task("labelled")
    fit(gan, 1)
    game = gan.game(REALS[:8].float() / 127.5 - 1, y, {})
    return {player: [g for g in game.gradients(gan.phases[player]) or [] if g is not None] for player in "GD"}


def test_other_labels_give_other_gradients() -> None:
    one, same, other = gradients(LABELS[:8]), gradients(LABELS[:8]), gradients(LABELS[1:9])
    for player in "GD":
        for a, b, c in zip(one[player], same[player], other[player], strict=True):
            assert torch.equal(a, b)
            assert not torch.equal(a, c)


def test_a_class_without_images_gets_no_gradient() -> None:
    found = gradients(torch.zeros(8, dtype=torch.int64))
    for player, net in (("G", LabelledG()), ("D", LabelledD())):
        names = [name for name, _ in net.named_parameters()]
        of_embedding = found[player][names.index("embedding.weight")]
        assert of_embedding[0].abs().sum() > 0
        assert of_embedding[1:].abs().sum() == 0


@pytest.mark.parametrize("name", ["plain", "noisy"])
def test_a_generator_without_classes_ignores_labels(name: str) -> None:
    without, given = task(name), task(name)
    fit(without, 6)
    fit(given, 6, labels=LABELS)
    assert given.classes == 0
    assert_equal_states(without, given)


# Sampling


def trained() -> GAN:
    gan = task("labelled")
    fit(gan, 10)
    return gan


def test_samples_of_a_class_of_a_tensor_and_of_classes_that_are_drawn() -> None:
    gan = trained()
    z = sampling.latents(10, 5, seed=4)
    inputs = torch.randn(16, 64, 5, generator=torch.Generator().manual_seed(key(3, "batch norm")))
    drawn = torch.randint(3, (1024,), generator=torch.Generator().manual_seed(key(3, "labels")))
    G = with_estimated_batch_norm(gan.G_ema, list(zip(inputs, drawn.split(64), strict=True)))
    of_seed = torch.randint(3, (10,), generator=torch.Generator().manual_seed(key(4, "labels")))
    assert len(set(of_seed.tolist())) == 3
    for y, expected in ((1, torch.full((10,), 1)), (LABELS[:10], LABELS[:10]), (None, of_seed)):
        found = torch.cat(list(gan.sample(10, seed=4, y=y, batch_size=4)))
        with torch.no_grad():
            images = torch.cat([G(a, b).images[0] for a, b in zip(z.split(4), expected.split(4), strict=True)])
        assert torch.equal(found, images.add(1).mul(127.5).round().clamp(0, 255).to(torch.uint8))
    assert not torch.equal(next(gan.sample(10, seed=4, y=1)), next(gan.sample(10, seed=4, y=2)))
    assert torch.equal(next(gan.sample(10, seed=4)), next(gan.sample(10, seed=4)))


def test_the_raw_generator_takes_labels_too_and_nothing_is_disturbed() -> None:
    gan = trained()
    state, rng = copy.deepcopy(gan.state_dict()), torch.get_rng_state()
    raw = torch.cat(list(gan.sample(10, seed=4, y=2, ema=False, batch_size=4)))
    gan.G.eval()
    with torch.no_grad():
        images = gan.G(sampling.latents(10, 5, seed=4), torch.full((10,), 2)).images[0]
    expected = images.add(1).mul(127.5).round().clamp(0, 255)
    assert (raw - expected).abs().max() <= 1  # chunks round differently
    assert torch.equal(rng, torch.get_rng_state())
    for name, value in gan.state_dict().items():
        if isinstance(value, Tensor):
            assert torch.equal(value, state[name]), name


def test_shards_share_the_labels() -> None:
    gan = trained()
    whole = list(gan.sample(10, seed=4, batch_size=3))
    shards = [list(gan.sample(10, seed=4, batch_size=3, shard=(rank, 2))) for rank in (0, 1)]
    for k, chunk in enumerate(whole):
        assert torch.equal(chunk, shards[k % 2][k // 2])


@pytest.mark.parametrize(
    ("y", "sentence"),
    [
        (3, "labels must be 10 integers from 0 to 2, not 3"),
        (-1, "labels must be 10 integers from 0 to 2, not -1"),
        (torch.zeros(9), r"labels must be 10 integers from 0 to 2, not \[9\]"),
        (torch.zeros(10, 1), r"not \[10, 1\]"),
        (torch.full((10,), 7), r"not \[10\]"),
    ],
)
def test_labels_that_the_model_does_not_have_are_refused(y: Any, sentence: str) -> None:
    with pytest.raises(UserError, match=sentence):
        sampling.labels(10, 3, 0, y)
    with pytest.raises(UserError, match=sentence):
        next(task("labelled").sample(10, seed=0, y=y))


def test_a_model_without_labels_refuses_a_class() -> None:
    with pytest.raises(UserError, match=r"takes no labels, so a class cannot be chosen; train it with data\.labels"):
        next(task("plain").sample(4, seed=0, y=1))
    assert sampling.labels(4, 0, 0) is None


def test_labels_are_drawn_evenly_and_by_the_seed_alone() -> None:
    y = sampling.labels(9000, 3, seed=1)
    assert y is not None
    assert y.dtype == torch.int64
    assert torch.bincount(y, minlength=3).tolist() == pytest.approx([3000] * 3, rel=0.06)
    assert torch.equal(y, sampling.labels(9000, 3, seed=1))
    assert not torch.equal(y, sampling.labels(9000, 3, seed=2))


# Elsewhere


class Checked(pl.Callback):
    """Checks the memory before the first batch."""

    def on_train_start(self, trainer: pl.Trainer, pl_module: Any) -> None:
        check_memory(pl_module, 8, (1, 8, 8))


def test_the_memory_check_passes_labels_and_changes_nothing() -> None:
    gan, unchecked, seen = task("labelled"), task("labelled"), []
    watched(gan.G, seen)
    fit(gan, 3, callbacks=[Checked()])
    fit(unchecked, 3)
    assert [y.tolist() for y in seen[:2]] == [[0] * 8] * 2
    assert_equal_states(gan, unchecked)


@pytest.mark.parametrize("m", [2, 4])
def test_packing_gives_d_the_labels_of_each_pack(m: int, tmp_path: Path) -> None:
    def packed() -> GAN:
        parts, penalty = {"pac": Pac(m)}, {"r1": R1(0.1), "wgan_gp": GradientPenalty(1.0)}
        torch.manual_seed(0)
        return plain(G=LabelledG(), D=LabelledD(pack=m), balance=parts, penalty=penalty)

    gan: GAN = packed()
    of_g: list[Tensor | None] = []
    of_d: list[Tensor | None] = []
    watched(gan.G, of_g)
    watched(gan.D, of_d)
    fit(gan, 1)
    assert {tuple(y.shape) for y in of_g} == {(8,)}
    expected = [[k % 3 for k in range(first, first + m)] for first in range(0, 8, m)]
    assert [y.tolist() for y in of_d] == [expected] * 4  # reals, fakes, between the two; fakes in G's step
    whole, part, other = packed(), packed(), packed()
    fit(whole, 7)
    fit(part, 4).save_checkpoint(tmp_path / "a.ckpt")
    fit(other, 3, ckpt=str(tmp_path / "a.ckpt"), start=32)
    assert_equal_states(whole, other)


def test_a_run_learns_what_its_classes_are() -> None:
    """Class 0 is black and class 1 white: after training the samples of a class have its brightness."""
    y = torch.arange(64) % 2
    reals = (255 * y)[:, None, None, None].expand(64, 1, 8, 8).to(torch.uint8)
    adam = {player: lambda weights: torch.optim.Adam(weights, lr=1e-2, betas=(0.0, 0.9)) for player in "GD"}
    torch.manual_seed(0)
    gan = GAN(LabelledG(), LabelledD(), losses(), adam, penalty={"r1": R1(0.1)}, ema_half_life=200.0)
    fit(gan, 150, size=16, reals=reals, labels=y)
    dark, light = (torch.cat(list(gan.sample(64, seed=0, y=c))).float().mean().item() for c in (0, 1))
    assert dark < 90
    assert light > 165


def test_a_batch_without_labels_is_refused_by_a_model_with_labels() -> None:
    gan = task("labelled")
    trainer = pl.Trainer(
        accelerator="cpu", max_steps=2, logger=Recorder(), enable_checkpointing=False, enable_progress_bar=False,
        enable_model_summary=False,
    )  # fmt: skip
    with pytest.raises(UserError, match=r"takes labels, and the batches have none: give data\.labels=true"):
        trainer.fit(gan, DataLoader(Stream(0, 1), batch_size=None))


def test_what_is_logged_is_what_a_model_without_labels_logs() -> None:
    gan = task("labelled")
    fit(gan, 9)
    assert [shown for shown, _ in rows(gan)] == [32, 64]
    assert {"train/loss/D", "train/D/r1", "train/D/accuracy", "train/grad_norm/G"} <= set(reports(gan)[0])
