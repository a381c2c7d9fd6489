"""Stacked digits: which of the thousand triples a set of images has, by the classifier of the digits that were stacked."""

from functools import cached_property
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor

from seesaw.functional.modes import coverage, histogram_kl
from seesaw.metrics.classifier import SmallClassifier
from seesaw.metrics.extractors import ClassifierExtractor

TRIPLES = 1000


class StackedExtractor:
    """The small classifier's features of R, G and B, one after the other: (B, 192).

    Args:
        name: the set that was stacked: digits or mnist.
    """

    dim = 3 * SmallClassifier.dim

    def __init__(self, name: Literal["digits", "mnist"]) -> None:
        if name not in ("digits", "mnist"):
            raise ValueError(f"name must be digits or mnist, not {name!r}")
        self.one = ClassifierExtractor(name)
        self.name = f"stacked_{name}"
        self.resize = f"each channel: {self.one.resize}"
        self.frechet, self.kernel = f"frechet_{self.name}", f"kernel_{self.name}"
        # The distance sees collapse and quality, while the KL alone would be pleased with any noise that the classifier
        # spreads over the triples.
        self.primary = self.frechet

    @cached_property
    def weights_hash(self) -> str:
        """Of the classifier's weights."""
        return self.one.weights_hash

    @property
    def path(self) -> Path:
        """The file of the classifier's weights."""
        return self.one.path

    def prepare(self, device: torch.device) -> None:
        """Load the classifier, once, and move it to `device`."""
        self.one.prepare(device)

    def __call__(self, images: Tensor) -> Tensor:
        """uint8 (B, 3, H, W) to (B, 192)."""
        return self.one(images.flatten(0, 1)[:, None]).unflatten(0, (len(images), 3)).flatten(1)

    def describe(self, features: Tensor) -> dict[str, float]:
        """Of features (N, 192), each name followed by the set's:

        `modes_`: triples of classes that at least one sample is assigned to, 0 ... 1000. It grows with N: 26,000 in the
            tables of VEEGAN and PacGAN.
        `reverse_kl_`: KL in nats of the histogram of triples from the uniform one; N samples of the uniform one have about
            999 / 2N, one triple alone log 1000 = 6.9.
        `confident_`: the share of samples all of whose three classes have a probability above 0.9.
        """
        each = features.unflatten(1, (3, SmallClassifier.dim))
        confidence, assigned = self.one.probabilities(each.flatten(0, 1)).unflatten(0, (-1, 3)).max(2)
        triples = (assigned.cpu() * torch.tensor([100, 10, 1])).sum(1)
        counts = torch.bincount(triples, minlength=TRIPLES)
        return {
            f"modes_{self.name}": float(coverage(counts)),
            f"reverse_kl_{self.name}": histogram_kl(counts, torch.ones(TRIPLES)),
            f"confident_{self.name}": (confidence > 0.9).all(1).float().mean().item(),
        }
