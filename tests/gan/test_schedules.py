"""Schedules of images shown against hand-computed values."""

import math

import pytest

from seesaw.gan.schedules import Constant, Cosine, Linear, Plateau
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


@pytest.mark.parametrize("wrong", [{"factor": 1.0}, {"factor": 0.0}, {"patience": 0}])
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
