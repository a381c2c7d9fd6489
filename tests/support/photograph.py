"""A part of scikit-learn's photographs, `china` and `flower`."""

from functools import cache

import torch
from sklearn.datasets import load_sample_image
from torch import Tensor


@cache
def _whole(name: str) -> Tensor:
    """(3, 106, 160) in [-1, 1], a quarter of the sides."""
    pixels = torch.tensor(load_sample_image(f"{name}.jpg").copy()).movedim(-1, 0).float() / 127.5 - 1
    return torch.nn.functional.avg_pool2d(pixels, 4)


def photograph(name: str, height: int, width: int) -> Tensor:
    """The middle of the photograph, (3, height, width) in [-1, 1]."""
    whole = _whole(name)
    top, left = (whole.shape[1] - height) // 2, (whole.shape[2] - width) // 2
    return whole[:, top : top + height, left : left + width].clone()
