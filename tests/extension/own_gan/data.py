"""A data set: bright squares on a dark ground, of two classes, small and large."""

from typing import Unpack

import torch

from seesaw.data.images import ImageSet
from seesaw.data.module import Common, ImageData


class Squares(ImageData):
    """`n` grey images, each with one square whose side is a quarter (class 0) or half (class 1) of the image's."""

    def __init__(self, n: int = 64, **common: Unpack[Common]) -> None:
        super().__init__(**common)
        self.n = n

    def load(self) -> ImageSet:
        size, y = self.resolution, torch.arange(self.n) % 2
        images = torch.zeros(self.n, self.channels, size, size, dtype=torch.uint8)
        for k, image in enumerate(images):
            side, at = (size // 4, size // 2)[k % 2], k % (size // 2)
            image[:, at : at + side, at : at + side] = 200
        return ImageSet(images, "squares", y, 2)
