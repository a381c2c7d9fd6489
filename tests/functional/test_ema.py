"""The decay of the averaged generator."""

import pytest

from seesaw.functional.ema import ema_decay


def test_half_life_is_the_time_after_which_half_is_left() -> None:
    kept = 1.0
    for _ in range(100):
        kept *= ema_decay(64, half_life=6400, images_shown=10**9)
    assert kept == pytest.approx(0.5, rel=1e-9)


def test_the_half_life_is_at_most_five_percent_of_the_images_shown() -> None:
    assert ema_decay(64, 10_000, images_shown=20_000) == pytest.approx(0.5 ** (64 / 1000), rel=1e-12)
    assert ema_decay(64, 10_000, images_shown=400_000) == pytest.approx(0.5 ** (64 / 10_000), rel=1e-12)


def test_nothing_is_kept_without_a_half_life() -> None:
    assert ema_decay(64, 0, images_shown=1000) == 0.0
    assert ema_decay(64, 10_000, images_shown=0) == 0.0


def test_without_a_ramp_the_decay_is_fixed_from_the_first_step() -> None:
    assert ema_decay(64, 10_000, images_shown=64, ramp=None) == pytest.approx(0.5 ** (64 / 10_000), rel=1e-12)
