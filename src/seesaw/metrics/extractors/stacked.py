"""Stacked digits: which of the thousand triples a set of images has, by the classifier of the digits that were stacked."""

from functools import cached_property
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor

from seesaw.metrics.extractors.base import Assignment, ClassifierExtractor, Sampled
from seesaw.metrics.extractors.classifier import SmallClassifier

TRIPLES = 1000


class StackedExtractor:
    """The small classifier's features of R, G and B, one after the other: (B, 192).

    Args:
        name: the set that was stacked: digits or mnist.
    """

    dim, look_dim = 3 * ClassifierExtractor.dim, 3 * ClassifierExtractor.look_dim

    def __init__(self, name: Literal["digits", "mnist"]) -> None:
        if name not in ("digits", "mnist"):
            raise ValueError(f"name must be digits or mnist, not {name!r}")
        self.one = ClassifierExtractor(name)
        self.name = f"stacked_{name}"
        self.resize = f"each channel: {self.one.resize}"

    @cached_property
    def weights_hash(self) -> str:
        """Of the classifier's weights."""
        return self.one.weights_hash

    @property
    def path(self) -> Path:
        """The file of the classifier's weights."""
        return self.one.path

    def detector_hash(self) -> str:
        """Of the weights of the digits' detector of outliers."""
        return self.one.detector_hash()

    def prepare(self, device: torch.device) -> None:
        """Load the classifier, once, and move it to `device`."""
        self.one.prepare(device)

    def __call__(self, images: Tensor) -> Tensor:
        """uint8 (B, 3, H, W) to (B, 192). ValueError for another number of channels."""
        return side_by_side(self.one(digits_of(images)))

    def look(self, images: Tensor) -> Tensor:
        """uint8 (B, 3, H, W) to (B, 291)."""
        return side_by_side(self.one.look(digits_of(images)))

    def features_and_look(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """uint8 (B, 3, H, W) to (B, 192) and (B, 291)."""
        features, look = self.one.features_and_look(digits_of(images))
        return side_by_side(features), side_by_side(look)

    def probabilities(self, features: Tensor) -> Tensor:
        """Features (N, 192) to the class probabilities of each channel, (N, 3, 10)."""
        each = features.unflatten(1, (3, SmallClassifier.dim))
        return self.one.probabilities(each.flatten(0, 1)).unflatten(0, (-1, 3))

    def assign(self, fakes: Sampled) -> Assignment:
        """A sample belongs to the triple of the most probable class of each channel."""
        classes = fakes.probabilities.max(2).indices
        triples = (classes * torch.tensor([100, 10, 1])).sum(1)
        return Assignment(triples, torch.ones_like(triples, dtype=torch.bool), TRIPLES, torch.ones(TRIPLES))


def digits_of(images: Tensor) -> Tensor:
    """uint8 (B, 3, H, W) to the single digits (3 B, 1, H, W). ValueError for another number of channels."""
    if images.shape[1] != 3:
        raise ValueError(f"it takes three channels, each a digit, and these have {images.shape[1]}")
    return images.flatten(0, 1)[:, None]


def side_by_side(rows: Tensor) -> Tensor:
    """What is known of the single digits, (3 B, d), to that of their stacks, (B, 3 d)."""
    return rows.unflatten(0, (-1, 3)).flatten(1)
