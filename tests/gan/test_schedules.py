"""Schedules of images shown against hand-computed values, and numbers of a run that follow one."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import pytorch_lightning as pl
from toys import OPTIMIZER, assert_equal_states, fit, losses, plain, reports, rows

from seesaw.gan.balance import InstanceNoise
from seesaw.gan.losses import WassersteinD, WassersteinG
from seesaw.gan.module import GAN
from seesaw.gan.penalties import R1, R2, Drift, GradientPenalty, PathLength
from seesaw.gan.schedules import Constant, Cosine, Linear, Plateau, from_shape
from seesaw.shared.schedules import check_range
from seesaw.types import at


def test_constant() -> None:
    assert Constant(0.3)(10**9) == 0.3


def test_linear() -> None:
    schedule = Linear(1.0, 0.0, kimg=100, begin_kimg=20)
    assert [schedule(k * 1000) for k in (0, 20, 60, 100, 500)] == pytest.approx([1, 1, 0.5, 0, 0])


def test_cosine() -> None:
    schedule = Cosine(2e-4, 5e-5, kimg=100)
    assert schedule(0) == pytest.approx(2e-4)
    assert schedule(25_000) == pytest.approx(5e-5 + 1.5e-4 * (1 + math.cos(math.pi / 4)) / 2)
    assert schedule(10**6) == pytest.approx(5e-5)


def test_at_takes_numbers_and_functions() -> None:
    assert at(3.0, 5) == 3.0
    assert at(lambda shown: shown / 2, 5) == 2.5


def test_a_warm_up_rises_from_0_in_a_line_and_multiplies_the_shape() -> None:
    constant, linear = Constant(3.0, warmup_kimg=2), Linear(4.0, 0.0, kimg=8, warmup_kimg=2)
    cosine = Cosine(1.0, 0.0, kimg=4, warmup_kimg=4)
    assert [constant(n) for n in (0, 500, 1000, 2000, 9000)] == pytest.approx([0, 0.75, 1.5, 3, 3])
    assert [linear(n) for n in (0, 1000, 2000, 4000, 8000)] == pytest.approx([0, 3.5 / 2, 3, 2, 0])
    expected = [n / 4000 * 0.5 * (1 + math.cos(math.pi * n / 4000)) for n in (0, 1000, 2000, 3999)]
    assert [cosine(n) for n in (0, 1000, 2000, 3999)] == pytest.approx(expected)


@pytest.mark.parametrize(
    "wrong",
    [
        {"warmup_kimg": -1.0},
        {"kimg": 0.0},
        {"begin_kimg": 5.0},
        {"kimg": math.nan},
        {"warmup_kimg": math.nan},
        {"begin_kimg": -1.0},
        {"kimg": math.inf},
        {"warmup_kimg": math.inf},
    ],
)
def test_times_without_meaning_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=r"it must be (at least 0|above begin_kimg)"):
        Linear(**({"start": 1.0, "end": 0.0, "kimg": 5.0} | wrong))


def test_a_shape_in_a_configuration_names_the_class_and_takes_the_length_of_the_run() -> None:
    where = "seesaw.gan.schedules."
    assert from_shape({"shape": "cosine", "start": 9, "end": 1}, 50) == {
        "_target_": f"{where}Cosine", "kimg": 50, "start": 9, "end": 1,
    }  # fmt: skip
    assert from_shape({"shape": "linear", "start": 9, "end": 1, "kimg": 3}, 50)["kimg"] == 3
    assert from_shape({"shape": "constant", "value": 2}, 50) == {"_target_": f"{where}Constant", "value": 2}
    with pytest.raises(ValueError, match="shape is square; it must be one of constant, linear, cosine"):
        from_shape({"shape": "square"}, 50)


@pytest.mark.parametrize("shape", [Linear, Cosine])
@pytest.mark.parametrize("ends", [(1.0, -0.5), (-0.5, 1.0), (1.0, math.nan), (math.inf, 0.0)])
def test_both_ends_are_checked(shape: type[Linear], ends: tuple[float, float]) -> None:
    with pytest.raises(ValueError, match=r"gamma is (-0\.5|nan|inf); it must be at least 0"):
        check_range("gamma", shape(*ends, kimg=1), least=0)
    check_range("gamma", shape(0.0, 1.0, kimg=1), least=0)
    with pytest.raises(ValueError, match=r"p is 0\.0; it must be above 0 and below 1"):
        check_range("p", shape(0.5, 0.0, kimg=1), above=0, below=1)


NEGATIVE = Linear(1.0, -0.5, kimg=1)


@pytest.mark.parametrize(
    ("build", "name"),
    [
        (lambda: R1(NEGATIVE), "gamma"),
        (lambda: R2(NEGATIVE), "gamma"),
        (lambda: GradientPenalty(NEGATIVE), "weight"),
        (lambda: Drift(NEGATIVE), "weight"),
        (lambda: PathLength(NEGATIVE), "weight"),
        (lambda: InstanceNoise(NEGATIVE), "std"),
        (lambda: plain(ema_half_life=NEGATIVE), "ema_half_life"),
        (lambda: plain(schedule={"lr": NEGATIVE}), r"schedule\.lr"),
    ],
    ids=["r1", "r2", "wgan_gp", "drift", "path_length", "instance_noise", "ema_half_life", "lr"],
)
def test_a_number_out_of_its_range_at_the_end_is_refused(build: Callable[[], object], name: str) -> None:
    with pytest.raises(ValueError, match=rf"{name} is -0\.5; it must be at least 0"):
        build()


# Numbers of a run

NUMBERS: dict[str, tuple[Callable[[Any], dict[str, Any]], str, str]] = {
    "gamma": (lambda v: {"penalty": {"r1": R1(v)}}, "phases.D.terms.r1.gamma", "r1.gamma"),
    "lazy gamma": (lambda v: {"penalty": {"r1": R1(v, interval=2)}}, "phases.D_reg2.terms.r1.gamma", "r1.gamma"),
    "weight": (
        lambda v: {"penalty": {"wgan_gp": GradientPenalty(v)}, "loss": losses(WassersteinD(), WassersteinG())},
        "phases.D.terms.wgan_gp.weight",
        "wgan_gp.weight",
    ),
    "drift": (lambda v: {"penalty": {"drift": Drift(v)}}, "phases.D.terms.drift.weight", "drift.weight"),
    "std": (
        lambda v: {"balance": {"instance_noise": InstanceNoise(v)}},
        "balance.instance_noise.std",
        "instance_noise.std",
    ),
    "ema_half_life": (lambda v: {"ema_half_life": v}, "ema_half_life", "ema_half_life"),
}
"""What a value becomes as options of a GAN, where its attribute is, and under which name it is logged."""
START, END, FROM, TO, WARM = 4.0, 1.0, 16, 40, 24


def by_hand(shown: int) -> float:
    """A line from 4 to 1 between 16 and 40 images, after a warm-up over the first 24."""
    value = START + (END - START) * min(max((shown - FROM) / (TO - FROM), 0), 1)
    return value * min(shown / WARM, 1)


def line() -> Linear:
    return Linear(START, END, kimg=TO / 1000, begin_kimg=FROM / 1000, warmup_kimg=WARM / 1000)


class SetByHand(pl.Callback):
    """Puts the number into its place before each batch."""

    def __init__(self, place: str, ahead: int) -> None:
        self.place, self.ahead = place.split("."), ahead

    def on_train_batch_start(self, trainer: pl.Trainer, pl_module: Any, *args: Any) -> None:
        owner = pl_module
        for name in self.place[:-1]:
            owner = owner[name] if isinstance(owner, dict) or hasattr(owner, "keys") else getattr(owner, name)
        setattr(owner, self.place[-1], by_hand(pl_module.images_shown + self.ahead))


@pytest.mark.parametrize("number", NUMBERS)
def test_a_number_follows_its_schedule(number: str) -> None:
    """Bit-equal to a run in which the number is set by hand before each batch; its values are logged."""
    options, place, name = NUMBERS[number]
    scheduled, manual, fixed = plain(**options(line())), plain(**options(1.5)), plain(**options(1.5))
    fit(scheduled, 9)
    # The average moves after the batch, at the time that it has then reached.
    fit(manual, 9, callbacks=[SetByHand(place, ahead=8 if number == "ema_half_life" else 0)])
    fit(fixed, 9)
    nets = ("G_ema",) if number == "ema_half_life" else ("G", "D")
    for net in nets:
        assert_equal_states(getattr(scheduled, net), getattr(manual, net))
    pairs = zip(getattr(scheduled, nets[-1]).parameters(), getattr(fixed, nets[-1]).parameters(), strict=True)
    assert any(not a.equal(b) for a, b in pairs)
    logged = [(shown, values[f"train/schedule/{name}"]) for shown, values in rows(scheduled)]
    assert logged == [(shown, pytest.approx(by_hand(shown))) for shown in (32, 64)]
    assert not any("schedule" in key for values in reports(fixed) for key in values)


def everything() -> GAN:
    """Every kind of number on a schedule, in one run."""
    return plain(
        penalty={"r1": R1(line(), interval=2), "wgan_gp": GradientPenalty(Cosine(1.0, 0.0, kimg=0.05))},
        balance={"instance_noise": InstanceNoise(Linear(0.5, 0.0, kimg=0.06))},
        ema_half_life=Linear(10.0, 60.0, kimg=0.06),
        schedule={"lr": Cosine(1.0, 0.1, kimg=0.08, warmup_kimg=0.02), "beta2": Linear(0.9, 0.99, kimg=0.07)},
        optimizer=OPTIMIZER,
    )


@pytest.mark.parametrize("cut", [3, 6])
def test_a_resumed_run_with_scheduled_numbers_is_bit_equal(cut: int, tmp_path: Path) -> None:
    whole, part, other = everything(), everything(), everything()
    fit(whole, 11)
    fit(part, cut).save_checkpoint(tmp_path / "a.ckpt")
    fit(other, 11 - cut, ckpt=str(tmp_path / "a.ckpt"), start=8 * cut)
    assert_equal_states(whole, other)
    for a, b in zip(whole.trainer.optimizers, other.trainer.optimizers, strict=True):
        assert a.param_groups[0]["betas"] == b.param_groups[0]["betas"]
    names = {"r1.gamma", "wgan_gp.weight", "instance_noise.std", "ema_half_life", "beta2"}
    assert {name for name in reports(other)[0] if "schedule" in name} == {f"train/schedule/{name}" for name in names}
    for ours, theirs in zip(rows(whole), rows(part) + rows(other), strict=True):
        assert ours[0] == theirs[0]
        assert ours[1].pop("train/images_per_sec") != theirs[1].pop("train/images_per_sec")
        assert ours[1] == theirs[1]


# Plateaus


def test_plateau_halves_after_patience_and_starts_counting_again() -> None:
    schedule = Plateau(factor=0.5, patience=2, threshold=0.01, lowest=0.2)
    values = []
    for distance in (10.0, 9.0, 8.95, 8.92, 8.93, 8.0, 8.0, 8.0, 8.0, 8.0):
        schedule.observe(distance)
        values.append(schedule(0))
    assert values == [1, 1, 1, 0.5, 0.5, 0.5, 0.5, 0.25, 0.25, 0.2]


def test_plateau_survives_a_resume() -> None:
    schedule, other = Plateau(patience=1), Plateau(patience=1)
    for distance in (3.0, 3.0):
        schedule.observe(distance)
    other.load_state_dict(schedule.state_dict())
    assert (other.value, other.best, other.stuck) == (0.5, 3.0, 0)


def test_plateau_forgets_distances_that_no_longer_compare() -> None:
    schedule = Plateau(patience=1)
    for distance in (3.0, 3.0):
        schedule.observe(distance)
    schedule.forget()
    schedule.observe(500.0)
    assert (schedule.value, schedule.best, schedule.stuck) == (0.5, 500.0, 0)


@pytest.mark.parametrize("wrong", [{"factor": 1.0}, {"factor": 0.0}, {"patience": 0}, {"lowest": -0.1}])
def test_plateau_refuses(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="it must be"):
        Plateau(**wrong)


def test_a_plateau_below_zero_is_one_too() -> None:
    """An unbiased kernel distance can be negative: a slightly worse value is no progress there either."""
    plateau = Plateau(factor=0.5, patience=2, threshold=0.1)
    for value in (-0.01, -0.0095, -0.0099):
        plateau.observe(value)
    assert plateau(0) == 0.5
    plateau.observe(-0.02)
    assert plateau.best == -0.02
