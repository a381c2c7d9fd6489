"""DiffAugment's kinds against torchvision and formulas written out, on a photograph."""

from typing import Any

import pytest
import torch
import torchvision.transforms.functional as TF
from photograph import photograph
from torch import Tensor

from seesaw.gan.augment import DiffAugment

N = 400


def found(policy: list[Any], image: Tensor) -> Tensor:
    torch.manual_seed(0)
    return DiffAugment(policy)([image.repeat(N, 1, 1, 1)])[0]


@pytest.mark.parametrize("shape", [(16, 16), (12, 20)], ids=str)
def test_every_shift_is_one_of_torchvisions_and_all_are_equally_frequent(shape: tuple[int, int]) -> None:
    image = photograph("china", *shape)
    down, across = (int(n / 8 + 0.5) for n in shape)
    moved = [
        TF.affine(image, angle=0.0, translate=[x, y], scale=1.0, shear=[0.0])
        for x in range(-across, across + 1)
        for y in range(-down, down + 1)
    ]
    same = torch.stack([(found(["translation"], image) - one).abs().amax((1, 2, 3)) < 1e-6 for one in moved])
    assert (same.sum(0) == 1).all()
    assert same.sum(1).min() > N / len(moved) / 3


@pytest.mark.parametrize("shape", [(16, 16), (10, 20)], ids=str)
def test_every_cutout_is_one_of_torchvisions(shape: tuple[int, int]) -> None:
    image, (h, w) = photograph("flower", *shape), shape
    sides = [int(n / 2 + 0.5) for n in shape]
    cut = {}
    for y in range(h + 1 - sides[0] % 2):
        for x in range(w + 1 - sides[1] % 2):
            top, left = y - sides[0] // 2, x - sides[1] // 2
            rows, columns = min(top + sides[0], h) - max(top, 0), min(left + sides[1], w) - max(left, 0)
            cut[y, x] = TF.erase(image, max(top, 0), max(left, 0), rows, columns, torch.zeros(()))
    same = torch.stack([(found(["cutout"], image) == one).flatten(1).all(1) for one in cut.values()])
    assert (same.sum(0) >= 1).all()
    assert (same.sum(1) > 0).float().mean() > 0.6


def test_colours_are_those_of_the_paper_in_its_order() -> None:
    """The three numbers of each image are found again by regression on the grey axis and beside it."""
    image = photograph("china", 16, 16).double()
    seen = found(["color"], image)
    grey, rest = image.mean(0), image - image.mean(0)
    seen_grey, seen_rest = seen.mean(1), seen - seen.mean(1, keepdim=True)
    contrast = ((seen_grey - seen_grey.mean((1, 2), keepdim=True)) * (grey - grey.mean())).sum((1, 2))
    contrast = contrast / (grey - grey.mean()).square().sum()
    saturation = (seen_rest * rest).sum((1, 2, 3)) / rest.square().sum() / contrast
    brightness = seen_grey.mean((1, 2)) - grey.mean()
    for values, low, high in ((contrast, 0.5, 1.5), (saturation, 0, 2), (brightness, -0.5, 0.5)):
        assert values.min() >= low
        assert values.max() <= high
        assert values.mean() == pytest.approx((low + high) / 2, abs=0.09 * (high - low))
        assert values.std() == pytest.approx((high - low) / 12**0.5, rel=0.12)
    b, s, c = (v[:, None, None, None] for v in (brightness, saturation, contrast))
    x = image + b
    x = x.mean(1, keepdim=True) + s * (x - x.mean(1, keepdim=True))
    x = x.mean((1, 2, 3), keepdim=True) + c * (x - x.mean((1, 2, 3), keepdim=True))
    torch.testing.assert_close(seen, x)


def test_grey_images_keep_their_saturation() -> None:
    image = photograph("china", 8, 8)[:1]
    torch.manual_seed(0)
    seen = DiffAugment(["color"])([image.repeat(50, 1, 1, 1)])[0]
    assert (seen.flatten(1).std(1) > 0.4 * image.std()).all()


@pytest.mark.parametrize("policy", [[], ["colour"], ["cutout", "cutout"]], ids=str)
def test_a_policy_of_other_kinds_is_refused(policy: list[Any]) -> None:
    with pytest.raises(ValueError, match="it must be a list of color, translation, cutout, each at most once"):
        DiffAugment(policy)
