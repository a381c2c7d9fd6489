"""The probability that adapts: a trace by hand, games in which it has no meaning, exact resume, logs, no host read."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from host_reads import reads_in_training
from toys import assert_equal_states, fit, game, plain, reports

from seesaw.gan.augment import ADA
from seesaw.gan.losses import LeastSquaresD, LeastSquaresG, RelativisticPairedD, WassersteinD
from seesaw.gan.module import GAN
from seesaw.gan.penalties import R1
from seesaw.gan.schedules import Linear


def batch(*logits: float) -> Any:
    return SimpleNamespace(real_logits=torch.tensor(logits), has=lambda name: name == "real_logits")


D, G = SimpleNamespace(player="D"), SimpleNamespace(player="G")


def test_p_follows_a_trace_by_hand() -> None:
    """Batches of 10 images, two an adjustment, 0.1 kimg for the whole way: each adjustment is 20 / 100 = 0.2."""
    part = ADA(target=0.6, interval=2, speed_kimg=0.1)
    part.bind(game())  # type: ignore[arg-type]
    trace = [
        [(D, batch(1, 1, 1, -1))], [(D, batch(2, 3, 0.5, 9))],  # (2 + 4) / 8 = 0.75: up
        [(D, batch(1, -1))], [(D, batch(1, 1)), (D, batch(1, 1)), (G, batch(-1, -1, -1))],  # 4 / 6 = 0.67, R1's pass too: up
        [(D, batch(1, 0))], [(D, batch(1, 1, -1))],  # 2 / 5: down
        [], [],  # a closed gate: nothing seen, p stays
        [(D, batch(-1))], [],  # -1: down
        [(D, batch(-1))], [],  # down, not below 0
    ]  # fmt: skip
    seen = []
    for k, calls in enumerate(trace):
        part.advance(k, 10 * k)
        seen.append((round(part.now.item(), 5), round(part.r_t.item(), 5)))
        for phase, made in calls:
            part.see(phase, made)
    part.advance(len(trace), 10 * len(trace))
    seen.append((round(part.now.item(), 5), round(part.r_t.item(), 5)))
    assert seen[::2] == [(0, 0), (0.2, 0.75), (0.4, 0.66667), (0.2, 0.4), (0.2, 0.4), (0, -1), (0, -1)]
    assert seen[1::2] == seen[:-1:2]


def test_p_ends_at_1() -> None:
    part = ADA(interval=1, speed_kimg=0.01)
    for k in range(5):
        part.advance(k, 8 * k)
        part.see(D, batch(1.0))  # type: ignore[arg-type]
    assert part.now == 1


def test_larger_batches_count_for_more() -> None:
    """A growing model's batches change in size: the step is in images."""
    part = ADA(interval=1, speed_kimg=1.0)
    for k, shown in enumerate((0, 100, 300)):
        part.advance(k, shown)
        part.see(D, batch(1.0))  # type: ignore[arg-type]
    assert part.now == pytest.approx(0.3)


def test_the_sign_is_about_the_losss_boundary() -> None:
    part = ADA(interval=1)
    part.bind(game(LeastSquaresD(), LeastSquaresG()))
    part.see(D, batch(0.4, 0.6, 0.7))  # type: ignore[arg-type]
    assert part.signs == 1


@pytest.mark.parametrize("loss", [WassersteinD, RelativisticPairedD])
def test_losses_of_differences_take_a_p_that_does_not_adapt(loss: Any) -> None:
    with pytest.raises(ValueError, match=f"means nothing under {loss.__name__}.*give augment.ada.p=0.3"):
        ADA().bind(game(loss()))
    ADA(p=0.3).bind(game(loss()))


def test_a_schedule_sets_p_and_logs_it() -> None:
    part = ADA(p=Linear(0.0, 0.8, kimg=0.08))
    gan = plain(augment={"ada": part})
    fit(gan, 10)
    assert part.now == pytest.approx(0.8 * 72 / 80)
    logged = [values["train/augment/p"] for values in reports(gan)]
    assert logged == pytest.approx([0.8 * 24 / 80, 0.8 * 56 / 80], abs=1e-6)
    assert "train/augment/r_t" not in reports(gan)[0]
    assert "train/schedule/ada.p" in reports(gan)[0]


def adaptive(**options: Any) -> GAN:
    pipe = ADA(interval=2, speed_kimg=0.2, target=0.1, filter=1, noise=1, cutout=1)
    return plain(augment={"ada": pipe}, penalty={"r1": R1(0.1)}, **options)


def test_it_is_logged_and_read_by_nobody_in_a_step() -> None:
    gan = adaptive()
    assert reads_in_training(gan, lambda gan: fit(gan, 12)) == []
    values = [(v["train/augment/p"], v["train/augment/r_t"]) for v in reports(gan)]
    assert len({p for p, _ in values}) > 1
    assert all(-1 <= r <= 1 for _, r in values)
    steps = [p / (16 / 200) for p, _ in values]
    assert steps == pytest.approx([round(k) for k in steps], abs=1e-4)


@pytest.mark.parametrize("cut", [3, 6])
@pytest.mark.parametrize("options", [{}, {"micro_batch": 3}], ids=str)
def test_a_resumed_run_is_bit_equal(cut: int, options: dict[str, Any], tmp_path: Path) -> None:
    whole, part, other = (adaptive(**options) for _ in range(3))
    fit(whole, 11)
    fit(part, cut).save_checkpoint(tmp_path / "a.ckpt")
    fit(other, 11 - cut, ckpt=str(tmp_path / "a.ckpt"), start=8 * cut)
    assert whole.augment["ada"].now > 0
    assert_equal_states(whole, other)


def test_it_draws_for_itself_alone() -> None:
    """The same latents with and without it, and reals and fakes by draws of their own."""
    seen: list[list[torch.Tensor]] = [[], []]
    for into, augment in zip(seen, ({}, {"ada": ADA(p=0.9)}), strict=True):
        gan = plain(augment=augment)
        gan.G.register_forward_pre_hook(lambda net, given, into=into: into.append(given[0].clone()))
        fit(gan, 3)
    assert all(torch.equal(a, b) for a, b in zip(*seen, strict=True))
    gan = plain(augment={"ada": ADA(p=0.9)})
    image = [torch.rand(8, 1, 8, 8)]
    assert not torch.equal(gan.into_discriminator(image, None)[0][0], gan.into_discriminator(image, None)[0][0])
