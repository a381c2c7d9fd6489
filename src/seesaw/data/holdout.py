"""A part of a set that is never trained on, chosen by a hash of each image's name or number."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from seesaw.data.images import ImageSet
from seesaw.types import UserError

Part = Literal["train", "held_out"]

LEAST = 2
"""Images that must be held out: of fewer there is no covariance, and no unbiased kernel distance."""


@dataclass(frozen=True, eq=False)
class Subset(ImageSet):
    """Some images of another set, gathered from where that set lies: a mapped file stays a map.

    Args:
        images: those of `base`; `y`, `classes` and the name are those of the part.
        base: the whole set.
        rows: int64 (N,), rising, the images of `base` that belong to the part.
    """

    base: ImageSet = field(default_factory=lambda: ImageSet(torch.empty(0, 1, 1, 1, dtype=torch.uint8), ""))
    rows: Tensor = field(default_factory=lambda: torch.empty(0, dtype=torch.int64))

    def __post_init__(self) -> None:
        assert self.rows.dtype == torch.int64, self.rows.dtype
        assert self.y is None or self.y.shape == self.rows.shape

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def shape(self) -> tuple[int, int, int, int]:
        return (len(self.rows), *self.base.shape[1:])

    @property
    def nbytes(self) -> int:
        return self.base.nbytes // len(self.base) * len(self.rows)

    def gather(self, indices: Tensor) -> Tensor:
        return self.base.gather(self.rows[indices.to(self.rows.device)])

    def to(self, device: torch.device) -> ImageSet:
        """The part alone in the memory of `device`."""
        return ImageSet(self.base.gather(self.rows), self.name, self.y, self.classes, self.identity).to(device)

    def level(self, resolution: int) -> ImageSet:
        """The same images at a smaller power of two, out of that level of the whole set."""
        base = self.base.level(resolution)
        return replace(self, images=base.images, base=base)

    @cached_property
    def identity(self) -> str:
        """Of the whole set and of which images belong to the part."""
        content = self.base.identity.encode() + self.rows.numpy().tobytes()
        return hashlib.sha256(content).hexdigest()[:16]


class Parts(NamedTuple):
    """A set that is divided: the images that are trained on, and those held out; None where none are."""

    training: ImageSet
    held_out: ImageSet | None = None


def check_share(share: float | None) -> float | None:
    """The share of images that is held out. Raises ValueError where it is none."""
    if share is not None and not 0 < share < 1:
        raise ValueError(f"holdout must be null or a share above 0 and below 1, not {share}")
    return share


def check_part(name: Part) -> Part:
    """The name of a part of a set. Raises ValueError where it is none."""
    if name not in ("train", "held_out"):
        raise ValueError(f"against must be train or held_out, not {name!r}")
    return name


def is_held_out(key: str, share: float) -> bool:
    """Whether the image or the group with this key is held out: a function of both alone, so that it does not depend on the other
    images, on their order or on the seed, and a larger share holds out the same images and more."""
    digest = hashlib.sha256(f"holdout {key}".encode(errors="surrogateescape")).digest()
    return int.from_bytes(digest[:8], "big") < share * 2**64


def divide(whole: ImageSet, share: float | None, keys: Iterable[str] | None = None) -> Parts:
    """The parts of a set.

    Args:
        whole: the set.
        share: expected share of the keys that is held out, in (0, 1); None: nothing is.
        keys: one for each image; images of one key stay together. None: `whole.image_keys()`, names of files or numbers.

    Raises:
        UserError: nothing would be left to train on, or too little to measure against; or a class would have no image left.
    """
    if share is None:
        return Parts(whole)
    held = torch.tensor([is_held_out(key, share) for key in (whole.image_keys() if keys is None else keys)])
    count = int(held.sum())
    if count == len(held) or count < LEAST:
        taken = f"data.holdout={share:g} holds out {count:,} of the {len(held):,} images of {whole.name}"
        need = "none would be trained on" if count == len(held) else f"at least {LEAST} are needed to measure against"
        raise UserError(
            f"{taken}, by a hash of their names: {need}; give a {'smaller' if count == len(held) else 'larger'} share, "
            "data.holdout=null, or more images"
        )
    training = subset(whole, ~held, f"{whole.name} (all but holdout {share:g})")
    if whole.y is not None and (lost := set(whole.y.tolist()) - set(training.y.tolist())):  # type: ignore[union-attr]
        raise UserError(
            f"data.holdout={share:g} would leave class {min(lost)} of {whole.name} without an image to train on: give a smaller "
            "share, data.holdout=null, or more images of that class"
        )
    return Parts(training, subset(whole, held, f"{whole.name} (holdout {share:g})"))


def subset(whole: ImageSet, which: Tensor, name: str) -> Subset:
    """The images of `whole` that `which`, bool (N,), names."""
    rows = which.nonzero().squeeze(1)
    y = None if whole.y is None else whole.y[rows]
    return Subset(whole.images, name, y, whole.classes, None, whole, rows)


def in_memory(images: ImageSet) -> ImageSet:
    """The same images as one tensor of their own."""
    indices = torch.arange(len(images))
    return ImageSet(images.gather(indices), images.name, images.labels(indices), images.classes)
