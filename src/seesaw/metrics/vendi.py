"""How many effectively different samples there are."""

import torch

from seesaw.functional.diversity import vendi
from seesaw.metrics.clock import seconds_of
from seesaw.metrics.extractors.base import Extractor
from seesaw.metrics.features import Features
from seesaw.metrics.metric import Metric
from seesaw.metrics.reference import Reference

TRIED = 256
"""Dimensions of the score that is timed for the estimate."""


class VendiRatio(Metric):
    """The Vendi score (Friedman and Dieng 2023) of the samples over that of the reals, by the cosine of their features. Logged as
    vendi_ratio_EXTRACTOR: 1 for the reals, near 1 / score of the reals for one image repeated; above 1 for samples that are
    more unlike than reals, as noise may be.
    """

    scale = "zero"

    def attach(self, extractor: Extractor) -> None:
        """Name the value by the extractor."""
        self.name = f"vendi_ratio_{extractor.name}"
        self.higher_is_better = {self.name: True}
        self.role = {self.name: "vendi_ratio"}

    def __call__(self, reals: Reference, fakes: Features) -> dict[str, float]:
        return {self.name: vendi(fakes.values) / reals.vendi}

    def seconds(self, dim: int, n: int, kept: int) -> float:
        """Scaled up from a small one: the eigenvalues take the cube of the dimensions."""
        small = min(dim, TRIED, n)
        x = torch.rand(small, small)
        return seconds_of(lambda: vendi(x)) * (min(dim, n) / small) ** 3
