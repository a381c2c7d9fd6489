"""The drift of fixed latents' images."""

import pytest
import torch

from seesaw.metrics.drift import Drift


def test_it_is_the_mean_squared_difference_in_unit_values() -> None:
    drift = Drift()
    one = torch.randint(0, 256, (36, 3, 16, 16), dtype=torch.uint8)
    two = torch.randint(0, 256, (36, 3, 16, 16), dtype=torch.uint8)
    assert drift.update(one) == {}
    expected = ((one.double() - two.double()) / 127.5).square().mean().item()
    assert drift.update(two)["drift"] == pytest.approx(expected, rel=1e-5)
    assert drift.update(two) == {"drift": 0.0}
    assert drift.update(torch.zeros_like(one))["drift"] > 0
    assert drift.update(torch.full_like(one, 255))["drift"] == pytest.approx(4.0)


def test_scales_are_compared_at_the_smaller_one() -> None:
    drift = Drift()
    small = torch.randint(0, 256, (36, 1, 8, 8), dtype=torch.uint8)
    drift.update(small)
    large = small.repeat_interleave(2, -1).repeat_interleave(2, -2)
    assert drift.update(large) == {"drift": 0.0}
    assert drift.update(large.flip(-1))["drift"] > 0


def test_a_checkpoint_holds_no_more_than_64_px() -> None:
    drift = Drift()
    drift.update(torch.zeros(36, 3, 256, 256, dtype=torch.uint8))
    assert drift.before is not None
    assert drift.before.shape == (36, 3, 64, 64)


def test_other_shapes_are_compared_at_the_same_scale() -> None:
    """96x160 after 48x80 in a growing run: both are averaged to 24x40."""
    drift = Drift()
    coarse = torch.randint(0, 256, (36, 1, 48, 80), dtype=torch.uint8)
    drift.update(coarse)
    assert drift.update(coarse.repeat_interleave(2, -1).repeat_interleave(2, -2)) == {"drift": 0.0}
    assert drift.before is not None
    assert drift.before.shape[2:] == (24, 40)


def test_points_are_compared_without_scaling() -> None:
    drift = Drift()
    drift.update(torch.zeros(36, 2, 1, 1))
    assert drift.update(torch.full((36, 2, 1, 1), 3.0)) == {"drift": 9.0}
