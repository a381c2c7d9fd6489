"""Sets that are read into memory; each is a subclass of `ImageData`, whose constructor names what the user may set."""

from collections.abc import Callable
from typing import Unpack

from seesaw.data.images import ImageSet
from seesaw.data.module import Common, ImageData
from seesaw.data.sources.cifar import cifar10
from seesaw.data.sources.digits import digits
from seesaw.data.sources.idx import Split, fashion_mnist, mnist
from seesaw.data.sources.stacked import stacked


class Digits(ImageData):
    """scikit-learn's handwritten digits: see `seesaw.data.sources.digits.digits`."""

    def load(self) -> ImageSet:
        return digits(self.resolution, self.channels)


class Downloaded(ImageData):
    """A set with two published splits that is found in `root` or `cache_dir`, or downloaded.

    Args:
        root: folder with the files; null: cache_dir, other usual places, then a download.
        split: train or test.
        common: see `seesaw.data.module.Common`.
    """

    read: Callable[..., ImageSet]

    def __init__(self, root: str | None = None, split: Split = "train", **common: Unpack[Common]) -> None:
        super().__init__(**common)
        if split not in ("train", "test"):
            raise ValueError(f"split must be one of train, test, not {split!r}")
        self.root, self.split = root, split

    def load(self) -> ImageSet:
        return type(self).read(self.resolution, self.channels, self.root, self.split, self.cache_dir)


class FashionMNIST(Downloaded):
    """Fashion-MNIST: see `seesaw.data.sources.idx.fashion_mnist`."""

    read = staticmethod(fashion_mnist)


class MNIST(Downloaded):
    """MNIST: see `seesaw.data.sources.idx.mnist`."""

    read = staticmethod(mnist)


class CIFAR10(Downloaded):
    """CIFAR-10: see `seesaw.data.sources.cifar.cifar10`."""

    read = staticmethod(cifar10)


class StackedDigits(ImageData):
    """scikit-learn's digits, three in one image: see `seesaw.data.sources.stacked`.

    Args:
        n: stacks of the set.
        stack_seed: of the draw; not the run's seed, so that all runs share the set.
        common: see `seesaw.data.module.Common`; channels must be 3.
    """

    def __init__(self, n: int = 128_000, stack_seed: int = 0, **common: Unpack[Common]) -> None:
        super().__init__(**common)
        self.n, self.stack_seed = n, stack_seed

    def check_shape(self, resolution: int, channels: int) -> None:
        super().check_shape(resolution, channels)
        if channels != 3:
            raise ValueError(f"channels must be 3 for stacked images, not {channels}")

    def load(self) -> ImageSet:
        return stacked(self.base(), self.n, self.stack_seed)

    def base(self) -> ImageSet:
        """The grey set that is stacked."""
        return digits(self.resolution)


class StackedMNIST(StackedDigits):
    """MNIST's training images, three in one: 1000 modes (Metz et al. 2017; VEEGAN; PacGAN). See `seesaw.data.sources.stacked`.

    Args:
        root: see `MNIST`.
        n, stack_seed: see `StackedDigits`.
        common: see `seesaw.data.module.Common`; channels must be 3.
    """

    def __init__(
        self, root: str | None = None, n: int = 128_000, stack_seed: int = 0, **common: Unpack[Common]
    ) -> None:
        super().__init__(n, stack_seed, **common)
        self.root = root

    def base(self) -> ImageSet:
        return mnist(self.resolution, 1, self.root, "train", self.cache_dir)
