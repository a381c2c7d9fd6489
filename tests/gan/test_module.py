"""The GAN module on toy networks of every shape: one step serves all, and a resumed run equals the unbroken one."""

import copy
from functools import cache, partial
from pathlib import Path
from typing import Any

import pytest
import torch
from toys import OPTIMIZER, TASKS, assert_equal_states, fit, losses, plain, reports, rows, task

from seesaw.gan.dynamics import Alternating, Simultaneous
from seesaw.gan.module import GAN
from seesaw.types import UserError

Rows = list[tuple[int, dict[str, float]]]


@pytest.mark.parametrize("name", TASKS)
def test_every_shape_trains_and_reports(name: str) -> None:
    gan = task(name)
    before = copy.deepcopy(gan.state_dict())
    fit(gan, 24)
    assert (gan.images_shown, gan.batches) == (192, 24)
    moved = {
        k.split(".")[0]
        for k, v in gan.state_dict().items()
        if isinstance(v, torch.Tensor) and not torch.equal(v, before[k])
    }
    assert {"G", "D", "G_ema"} <= moved
    assert [shown for shown, _ in rows(gan)] == [32, 64, 96, 128, 160]
    for values in reports(gan):
        assert {
            "train/loss/G",
            "train/loss/D",
            "train/D/adversarial",
            "train/D/accuracy",
            "train/D/logits_real",
            "train/updates/G",
            "train/lr/D",
            "train/images_per_sec",
        } <= set(values)
        assert all(name.startswith(("train/", "balance/")) for name in values)
        assert all(value == value for value in values.values())
    assert {"train/grad_norm/G", "train/grad_norm/D"} <= set(reports(gan)[0])
    assert gan.latest_metrics == reports(gan)[-1]


def test_micro_batches_give_the_gradient_of_the_batch() -> None:
    whole, parts = task("plain").double(), task("plain", micro_batch=3).double()
    fit(whole, 6, precision="64-true")
    fit(parts, 6, precision="64-true")
    for a, b in zip(whole.parameters(), parts.parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-12)


def timeless(rows: Rows) -> Rows:
    """Without the figures that a clock gives."""
    return [(shown, {k: v for k, v in values.items() if k != "train/images_per_sec"}) for shown, values in rows]


@cache
def unbroken_run(name: str) -> GAN:
    """This task after 20 batches."""
    gan = task(name)
    fit(gan, 20)
    return gan


@pytest.mark.parametrize("name", TASKS)
@pytest.mark.parametrize("cut", [3, 10])
def test_a_resumed_run_is_bit_equal(name: str, cut: int, tmp_path: Path) -> None:
    """Weights, optimisers' effect, averages and reports, cut inside a window and (growing) inside a fade."""
    unbroken, part, other = unbroken_run(name), task(name), task(name)
    fit(part, cut).save_checkpoint(tmp_path / "a.ckpt")
    fit(other, 20 - cut, ckpt=str(tmp_path / "a.ckpt"), start=8 * cut)
    assert other.images_shown == unbroken.images_shown
    assert other.batches == unbroken.batches
    assert other.meter.updates == unbroken.meter.updates
    assert_equal_states(unbroken, other)
    assert timeless(rows(part) + rows(other)) == timeless(rows(unbroken))


def test_checkpoints_load_with_weights_only(tmp_path: Path) -> None:
    for name in ("gated", "augmented"):
        fit(task(name), 3).save_checkpoint(tmp_path / "a.ckpt")
        loaded = torch.load(tmp_path / "a.ckpt", weights_only=True)
        assert loaded["progress"]["images_shown"] == 24
        assert not any("_orig_mod" in key for key in loaded["state_dict"])


def test_a_skipped_d_does_not_move_but_its_loss_is_logged() -> None:
    gan = task("gated")
    fit(gan, 40)
    skipped = 40 - gan.meter.updates["D"]
    assert gan.meter.updates["G"] == 40
    assert 0 < skipped < 40
    assert sum(values["balance/skipped/D"] for values in reports(gan)) == skipped - gan.meter.skipped["D"] - in_flight(
        gan
    )
    assert all(values["balance/skipped/G"] == 0 for values in reports(gan))
    assert all("train/D/adversarial" in values for values in reports(gan))
    assert reports(gan)[-1]["train/updates/D"] < reports(gan)[-1]["train/updates/G"]


def in_flight(gan: GAN) -> float:
    """Skipped phases of D in windows that were sent and not yet read."""
    sent = [message for message, _ in gan.meter.statistics.mailbox.sent if message.kind == "window"]
    return sum(message.known["balance/skipped/D"] for message in sent)


def test_growing_clears_adam_and_changes_the_resolution() -> None:
    gan = task("growing")
    fit(gan, 5)
    assert next(gan.sample(2, seed=0)).shape[-1] == 4
    gan = task("growing")
    fit(gan, 6)  # depth 1 begins with image 40: Adam has taken one step since
    assert next(gan.sample(2, seed=0)).shape[-1] == 8
    assert gan.G.alpha.item() == 0.0
    steps = {int(s["step"]) for o in gan.trainer.optimizers for s in o.state.values()}
    assert steps == {1}
    assert gan.last_change == 40


def test_the_first_average_is_the_generator_and_then_lags() -> None:
    gan = task("plain", ema_half_life=0.0)
    fit(gan, 3)
    for a, b in zip(gan.G_ema.parameters(), gan.G.parameters(), strict=True):
        assert torch.equal(a, b)
    gan = task("plain", ema_half_life=1e9)
    fit(gan, 3)
    assert any(not torch.equal(a, b) for a, b in zip(gan.G_ema.parameters(), gan.G.parameters(), strict=True))


def test_divergence_is_reported_in_one_sentence() -> None:
    sgd = partial(torch.optim.SGD, lr=1e30)
    gan = plain(optimizer={"G": sgd, "D": sgd}, log_kimg=0.016)
    with pytest.raises(UserError, match=r"training diverged before .* kimg: .*loss/D.* not finite"):
        fit(gan, 20)


def test_the_networks_lie_channels_last() -> None:
    gan = task("plain")
    assert all(p.is_contiguous(memory_format=torch.channels_last) for p in gan.parameters() if p.ndim == 4)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"micro_batch": -3}, "micro_batch is -3; it must be at least 1, or null"),
        ({"micro_batch": 0}, "micro_batch is 0;"),
        ({"log_kimg": -5.0}, "log_kimg is -5.0; it must be above 0"),
        ({"log_kimg": float("nan")}, "log_kimg is nan; it must be above 0"),
        ({"ema_half_life": -5.0}, "ema_half_life is -5.0; it must be at least 0"),
        ({"optimizer": {"G": OPTIMIZER["G"]}}, "optimizer has G; a GAN takes one under G and one under D"),
        ({"optimizer": {}}, "optimizer has nothing; a GAN takes"),
        ({"dynamics": {}}, "dynamics has nothing; a GAN takes one"),
        (
            {"dynamics": {"alternating": Alternating(), "simultaneous": Simultaneous()}},
            "dynamics has alternating, simultaneous; a GAN takes one",
        ),
        ({"loss": {"d": losses()["d"]}}, "a loss names D's term under d and G's under g, and this one has d"),
        ({"order": ("G", "G")}, r"order is \['G', 'G'\]; it must be \[D, G\] or \[G, D\]"),
        ({"schedule": {"beta1": 0.5}}, "schedule has lr and beta2, and no beta1; other numbers are scheduled at"),
    ],
)
def test_options_with_which_nothing_would_be_trained_are_refused(options: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        plain(**options)
