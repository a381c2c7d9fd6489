"""Stored images and what players see."""

import torch

from seesaw.functional.pixels import to_stored, to_unit


def test_every_grey_level_comes_back() -> None:
    levels = torch.arange(256, dtype=torch.uint8).view(1, 1, 16, 16)
    unit = to_unit(levels, torch.float32)
    assert unit.min() == -1
    assert unit.max() == 1
    torch.testing.assert_close(unit.flatten(), torch.arange(256) * (2 / 255) - 1, atol=1e-6, rtol=0)
    assert torch.equal(to_stored(unit), levels)
    assert to_stored(torch.tensor([[[[-3.0, 3.0]]]])).tolist() == [[[[0, 255]]]]  # clipped, not wrapped


def test_points_are_copied_unchanged() -> None:
    points = torch.tensor([[[[3.5]], [[-4.0]]]])
    unit = to_unit(points, torch.float32)
    assert torch.equal(unit, points)
    unit.zero_()
    assert points[0, 0, 0, 0] == 3.5
    assert torch.equal(to_stored(points), points)
