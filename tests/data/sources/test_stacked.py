"""Stacked sets."""

from typing import Any

import pytest
import torch

from seesaw.data.images import ImageSet
from seesaw.data.sources.stacked import StackedDigits, stacked

COMMON: dict[str, Any] = {"resolution": 8, "channels": 3, "batch_size": 8}


def base(n: int = 50) -> ImageSet:
    return ImageSet(torch.randint(0, 256, (n, 1, 8, 8), dtype=torch.uint8), "numbers", torch.arange(n) % 10, 10)


def test_each_channel_is_an_image_and_the_class_their_triple() -> None:
    small = base()
    reals = stacked(small, 200, seed=3)
    assert (len(reals), reals.shape, reals.classes) == (200, (200, 3, 8, 8), 1000)
    picked = torch.tensor([5, 199, 5])
    images, y = reals.gather(picked), reals.labels(picked)
    assert images.dtype == torch.uint8
    assert y is not None
    for image, number, label in zip(images, picked, y, strict=True):
        for channel, source in enumerate(reals.table[number]):
            assert torch.equal(image[channel], small.images[source, 0])
        assert label == int("".join(str(int(source) % 10) for source in reals.table[number]))
    assert reals.description == "stacked_numbers 200x3x8x8"


def test_the_draw_is_uniform_and_shared_by_all_runs() -> None:
    small = base()
    reals = stacked(small, 30_000)
    counts = torch.bincount(reals.table.flatten(), minlength=50)
    assert (counts - 1800).abs().max() < 6 * 1800**0.5
    assert reals.identity == stacked(small, 30_000).identity
    assert reals.identity not in (stacked(small, 30_000, seed=1).identity, stacked(base(), 30_000).identity)
    one, other = (StackedDigits(seed=seed, n=100, **COMMON).reals for seed in (1, 2))
    assert one.identity == other.identity


def test_levels_and_copies_are_stacks_too() -> None:
    reals = stacked(base(), 20)
    all_of_them = torch.arange(20)
    copy = reals.to(torch.device("cpu"))
    assert torch.equal(copy.gather(all_of_them), reals.gather(all_of_them))
    assert copy.identity == reals.identity
    small = ImageSet(reals.gather(all_of_them), "stacks").level(4)
    assert torch.equal(reals.level(4).gather(all_of_them), small.images)


def test_grey_stacks_are_refused() -> None:
    with pytest.raises(ValueError, match="channels must be 3 for stacked images, not 1"):
        StackedDigits(**(COMMON | {"channels": 1}))
