"""Stacked digits: three grey images as the channels of one, a thousand modes by their classes."""

from dataclasses import dataclass, field
from functools import cached_property
from hashlib import sha256
from typing import Unpack

import torch
from torch import Tensor

from seesaw.data.holdout import Parts, divide, in_memory
from seesaw.data.images import ImageSet
from seesaw.data.module import Common, ImageData
from seesaw.data.sources.digits import digits
from seesaw.data.sources.mnist import MNIST
from seesaw.functional.resolution import Resolution

CLASSES = 1000


@dataclass(frozen=True, eq=False)
class StackedSet(ImageSet):
    """Image i holds three images of `images` (M, 1, H, W) as R, G and B, drawn uniformly (Metz et al. 2017, "Unrolled GANs").

    Its class is 100 a + 10 b + c. The stacks are made when they are gathered, so 128,000 of them take no memory of their own.

    Args:
        images: of the set that is stacked; `y`, `classes` and the name are those of the stacks.
        table: int64 (N, 3), the images of each stack.
    """

    table: Tensor = field(default_factory=lambda: torch.empty(0, 3, dtype=torch.int64))

    def __post_init__(self) -> None:
        assert self.images.shape[1] == 1, self.images.shape
        assert self.y is not None
        assert self.y.shape == self.table.shape[:1]

    def __len__(self) -> int:
        return len(self.table)

    @property
    def shape(self) -> tuple[int, int, int, int]:
        return len(self.table), 3, self.images.shape[2], self.images.shape[3]

    def gather(self, indices: Tensor) -> Tensor:
        chosen = self.table.index_select(0, indices.to(self.table.device)).to(self.images.device)
        return self.images[:, 0].index_select(0, chosen.flatten()).unflatten(0, (len(indices), 3))

    @cached_property
    def identity(self) -> str:
        """Of the images that are stacked and of how they are; equal for equal sets on every machine."""
        content = ImageSet(self.images, "").identity.encode() + self.table.cpu().numpy().tobytes()
        return sha256(content).hexdigest()[:16]


def stacked(base: ImageSet, n: int = 128_000, seed: int = 0) -> StackedSet:
    """`n` stacks of the images of a set of ten classes; 128,000 in VEEGAN and PacGAN.

    Raises:
        ValueError: n is below 1.
    """
    check_count(n)
    assert base.y is not None
    table = torch.randint(len(base), (n, 3), generator=torch.Generator().manual_seed(seed))
    y = (base.y[table] * torch.tensor([100, 10, 1])).sum(1)
    return StackedSet(base.images, f"stacked_{base.name}", y, CLASSES, table=table)


def check_count(n: int) -> None:
    """Raise ValueError where a set cannot have so many stacks."""
    if n < 1:
        raise ValueError(f"n must be at least 1, not {n}")


class StackedDigits(ImageData):
    """scikit-learn's digits, three in one image: 1000 modes.

    Args:
        n: stacks of the set.
        stack_seed: of the draw; not the run's seed, so that all runs share the set.
        common: see `seesaw.data.module.Common`; channels must be 3.
    """

    def __init__(self, n: int = 128_000, stack_seed: int = 0, **common: Unpack[Common]) -> None:
        super().__init__(**common)
        check_count(n)
        self.n, self.stack_seed = n, stack_seed

    def check_shape(self, resolution: Resolution, channels: int) -> None:
        super().check_shape(resolution, channels)
        if channels != 3:
            raise ValueError(f"channels must be 3 for stacked images, not {channels}")

    def load(self) -> ImageSet:
        return stacked(self.base(), self.n, self.stack_seed)

    def divide(self) -> Parts:
        """Digits are held out, and each part is stacked of its own digits, so no held-out stack shares one with training."""
        if self.holdout is None:
            return Parts(self.loaded)
        training, held_out = divide(self.base(), self.holdout)
        assert held_out is not None
        few = max(round(self.n * self.holdout), 2)
        return Parts(
            stacked(in_memory(training), self.n, self.stack_seed), stacked(in_memory(held_out), few, self.stack_seed)
        )

    def base(self) -> ImageSet:
        """The grey set that is stacked."""
        return digits(self.resolution)


class StackedMNIST(StackedDigits):
    """MNIST's training images, three in one: 1000 modes (Metz et al. 2017; VEEGAN; PacGAN).

    Args:
        root: see `seesaw.data.sources.mnist.MNIST`.
        n, stack_seed: see `StackedDigits`.
        common: see `seesaw.data.module.Common`; channels must be 3.
    """

    def __init__(
        self, root: str | None = None, n: int = 128_000, stack_seed: int = 0, **common: Unpack[Common]
    ) -> None:
        super().__init__(n, stack_seed, **common)
        self.root, self.common = root, common

    def base(self) -> ImageSet:
        return MNIST(self.root, **self.common | {"channels": 1, "labels": False, "holdout": None}).load()
