"""Stored images and what players see."""

import torch

from seesaw.functional.pixels import mirrored, selected, to_8_bit, to_stored, to_unit


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


def test_every_level_of_sixteen_bits_comes_back() -> None:
    levels = torch.arange(65536, dtype=torch.int32).to(torch.uint16).view(1, 1, 256, 256)
    unit = to_unit(levels, torch.float32)
    torch.testing.assert_close(unit.flatten(), (torch.arange(65536) * (2 / 65535) - 1).float(), atol=1e-6, rtol=0)
    assert torch.equal(to_stored(unit, 16), levels)
    assert to_stored(torch.tensor([[[[-3.0, 3.0]]]]), 16).tolist() == [[[[0, 65535]]]]


def test_sixteen_bits_as_eight() -> None:
    """257 n is n: the values of 8 bits, and the nearest of them."""
    levels = torch.arange(65536, dtype=torch.int32)
    found = to_8_bit(levels.to(torch.uint16))
    assert (found.int() * 257 - levels).abs().max() == 128
    assert torch.equal(found[::257], torch.arange(256, dtype=torch.uint8))
    assert to_8_bit(found) is found


def test_sixteen_bits_are_gathered_and_mirrored_as_any_other() -> None:
    """Beyond 32767 too, where int16 is negative."""
    levels = torch.randint(0, 65536, (6, 2, 4, 6), dtype=torch.int32)
    which = torch.tensor([True, False, True])
    found = mirrored(selected(levels.to(torch.uint16), torch.tensor([5, 0, 3])), which)
    assert found.dtype == torch.uint16
    expected = levels[[5, 0, 3]].numpy().copy()
    expected[[0, 2]] = expected[[0, 2], :, :, ::-1]
    assert torch.equal(found.int(), torch.from_numpy(expected))
