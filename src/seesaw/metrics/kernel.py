"""The kernel distance: KID by Inception's features, and its relatives by other features."""

import torch

from seesaw.functional.distances import kernel_distance
from seesaw.metrics.clock import seconds_of
from seesaw.metrics.features import Features
from seesaw.metrics.metric import Metric
from seesaw.metrics.reference import Reference

SUBSET_SIZE = 1000
TRIED = 256
"""Samples of the distance that is timed for the estimate."""


class Kernel(Metric):
    """Kernel distance of the features (Binkowski et al. 2018, section 4): unbiased for any number of samples, so it may
    fall below 0.

    Args:
        subsets: number of pairs of random subsets of 1000 (of all where there are fewer) over which the mean is taken,
            the same ones in every evaluation; None: one estimate over all samples.
    """

    higher_is_better = False
    title = "kernel distance"
    scale = "log"

    def __init__(self, subsets: int | None = None) -> None:
        if subsets is not None and subsets < 1:
            raise ValueError(f"subsets must be null or at least 1, not {subsets}")
        self.subsets = subsets

    def __call__(self, reals: Reference, fakes: Features) -> float:
        size = min(SUBSET_SIZE, len(fakes), len(reals.features))
        return kernel_distance(reals.features, fakes.values, self.subsets, size, torch.Generator().manual_seed(0))

    def protocol(self, n: int, kept: int) -> str:
        if self.subsets is None:
            return f"kernel distance over all samples and {kept} reals"
        return f"kernel distance over {self.subsets} subsets of {min(SUBSET_SIZE, n, kept)}"

    def seconds(self, dim: int, n: int, kept: int) -> float:
        """Scaled up from a small one: it takes three sums over pairs."""
        few = min(TRIED, n, kept)
        x = torch.ones(few, dim)
        pair = seconds_of(lambda: kernel_distance(x, x)) / (3 * few**2)
        if self.subsets is None:
            return pair * (n**2 + kept**2 + n * kept)
        return pair * 3 * min(SUBSET_SIZE, n, kept) ** 2 * self.subsets
