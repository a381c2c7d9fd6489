"""Sets that are read into memory; each is a subclass of `ImageData`, whose constructor names what the user may set."""

from typing import Unpack

from seesaw.data.images import ImageSet
from seesaw.data.module import Common, ImageData
from seesaw.data.sources import Split, digits, fashion_mnist


class Digits(ImageData):
    """scikit-learn's handwritten digits: see `seesaw.data.sources.digits`."""

    def load(self) -> ImageSet:
        return digits(self.resolution, self.channels)


class FashionMNIST(ImageData):
    """Fashion-MNIST: see `seesaw.data.sources.fashion_mnist` for `root` and `split`."""

    def __init__(self, root: str | None = None, split: Split = "train", **common: Unpack[Common]) -> None:
        super().__init__(**common)
        if split not in ("train", "test"):
            raise ValueError(f"split must be one of train, test, not {split!r}")
        self.root, self.split = root, split

    def load(self) -> ImageSet:
        return fashion_mnist(self.resolution, self.channels, self.root, self.split, self.cache_dir)
