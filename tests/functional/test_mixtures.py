"""Mixtures of Gaussians."""

import math

import pytest
import torch

from seesaw.functional.mixtures import draw, grid, ring


def test_published_means() -> None:
    """Ring: (cos(2 pi i / 8), sin(2 pi i / 8)). Grid: (-4 + 2i, -4 + 2j)."""
    expected = torch.tensor([[math.cos(math.pi * i / 4), math.sin(math.pi * i / 4)] for i in range(8)])
    torch.testing.assert_close(ring(), expected)
    assert {tuple(p) for p in grid().tolist()} == {(-4.0 + 2 * i, -4.0 + 2 * j) for i in range(5) for j in range(5)}


def test_draws_have_the_mixtures_moments_and_depend_on_the_seed_alone() -> None:
    means = grid(3, 1.5)
    points, modes = draw(means, 0.2, 200_000, seed=4)
    assert torch.equal(points, draw(means, 0.2, 200_000, seed=4)[0])
    assert not torch.equal(points, draw(means, 0.2, 200_000, seed=5)[0])
    counts = torch.bincount(modes, minlength=9) / len(modes)
    torch.testing.assert_close(counts, torch.full((9,), 1 / 9), atol=0.003, rtol=0)
    for mode in range(9):
        own = points[modes == mode]
        torch.testing.assert_close(own.mean(0), means[mode], atol=0.006, rtol=0)
        torch.testing.assert_close(own.std(0), torch.full((2,), 0.2), atol=0.006, rtol=0)


def test_impossible_mixtures_are_refused() -> None:
    with pytest.raises(ValueError, match="modes must be at least 1"):
        ring(0)
    with pytest.raises(ValueError, match="spacing above 0"):
        grid(5, 0.0)
