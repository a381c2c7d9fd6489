"""The set that needs no files at all: scikit-learn's handwritten digits."""

from functools import cache

import numpy as np
import torch
from torch import Tensor

from seesaw.data.images import ImageSet, brought_to
from seesaw.data.module import ImageData
from seesaw.functional.resolution import Resolution


class Digits(ImageData):
    """scikit-learn's handwritten digits, see `digits`."""

    def load(self) -> ImageSet:
        return digits(self.resolution, self.channels)


def digits(resolution: Resolution, channels: int = 1) -> ImageSet:
    """The 1797 handwritten digits that scikit-learn carries (Alpaydin & Kaynak, UCI 1998): no download.

    They are 8x8 with values 0 ... 16, here scaled to 0 ... 255 and enlarged bilinearly; 10 classes.
    """
    images, y = published()
    return ImageSet(brought_to(images.clone(), resolution, channels), "digits", y.clone(), 10)


@cache
def published() -> tuple[Tensor, Tensor]:
    """Images, uint8 (1797, 1, 8, 8), and labels, int64 (1797,), read once: scikit-learn parses a text, which takes longer than
    to build a small model."""
    from sklearn.datasets import load_digits  # half a second, which other sets need not wait for

    bunch = load_digits()
    images = torch.from_numpy((bunch.images * (255 / 16)).round().astype(np.uint8))[:, None]
    return images, torch.from_numpy(bunch.target.astype(np.int64))
