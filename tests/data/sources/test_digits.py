import numpy as np
import torch
from sklearn.datasets import load_digits

from seesaw.data.sources.digits import digits


def test_digits_are_the_1797_real_ones() -> None:
    reals = digits(8)
    bunch = load_digits()
    assert reals.description == "digits 1797x1x8x8"
    assert reals.images.dtype == torch.uint8
    assert reals.images.max() == 255
    assert np.abs(reals.images[:, 0].numpy() / 255 - bunch.images / 16).max() <= 0.5 / 255 + 1e-9
    assert reals.y.tolist() == bunch.target.tolist()
    assert reals.classes == 10


def test_digits_enlarged_keep_their_brightness_and_class() -> None:
    small, large = digits(8).images.double(), digits(32, channels=3).images.double()
    assert large.shape == (1797, 3, 32, 32)
    assert torch.equal(large[:, 0], large[:, 2])
    means = large[:, :1].mean((2, 3)) - small.mean((2, 3))
    assert means.abs().max() < 8
    again = torch.nn.functional.avg_pool2d(large[:, :1], 4)
    correlation = torch.corrcoef(torch.stack([again.flatten(), small.flatten()]))[0, 1]
    assert 0.95 < correlation < 1
