"""Types that every part of seesaw shares. Imports torch only (and the exception, which imports nothing)."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, Protocol, runtime_checkable

from torch import Tensor

from seesaw.errors import UserError as UserError

Pyramid = list[Tensor]
"""Images of one batch, coarse to fine: (B, C, H, W) each, values in [-1, 1]. A single-scale model has a list of one;
2-D points are (B, 2, 1, 1)."""

Schedule = float | Callable[[int], float]
"""A number, or a function of the images shown so far. In a configuration any argument of this type takes a number or
{shape: linear | cosine | constant, start, end, kimg, begin_kimg, warmup_kimg}."""


def at(value: Schedule, images_shown: int) -> float:
    """The value of a schedule when `images_shown` reals have been shown."""
    return value(images_shown) if callable(value) else value


class Fake(NamedTuple):
    """What a generator returns: its images and, where it has them, the intermediate latents."""

    images: Pyramid
    w: Tensor | None = None


class Logits(NamedTuple):
    """What a discriminator with an auxiliary classifier returns: one logit a sample, (B,), and logits of the classes of each
    image of a pack, (B, pack, classes)."""

    adversarial: Tensor
    classes: Tensor | None = None


class Stage(NamedTuple):
    """Where a growing model stands: the index of its finest scale, and the weight of that scale in the fade."""

    depth: int
    alpha: float


class Batch(NamedTuple):
    """What the data loader gives: `real` uint8 (B, C, H, W), or points as float32 (B, 2, 1, 1), and int64 labels (B,) in
    [0, classes) where the run has data.labels=true. With sub-batches they lie behind one another along B."""

    real: Tensor
    y: Tensor | None = None

    def sub_batches(self, parts: int) -> list[Batch]:
        """Its sub-batches, as many samples each."""
        labels = [None] * parts if self.y is None else self.y.chunk(parts)
        return [Batch(*part) for part in zip(self.real.chunk(parts), labels, strict=True)]


@runtime_checkable
class Generator(Protocol):
    """Latents (B, z_dim), standard normal, and labels (B,) or None, to a Fake. A generator that takes labels has an attribute
    `classes` above 0."""

    z_dim: int

    def __call__(self, z: Tensor, y: Tensor | None = None) -> Fake: ...


@runtime_checkable
class Discriminator(Protocol):
    """A pyramid, and labels (B,) or None, to one logit a sample: (B,). Under packing the labels of a pack are (B / m, m). With an
    auxiliary classifier it returns `Logits`. With several heads it gives K logits a sample, (B, K): a loss is taken of each,
    and the mean of all is minimised; what needs one value a sample, such as a gradient penalty, takes the mean over the K."""

    def __call__(self, images: Pyramid, y: Tensor | None = None) -> Tensor | Logits: ...
