"""The Fréchet distance: FID by Inception's features, and its relatives by other features."""

import torch

from seesaw.functional.distances import frechet_distance
from seesaw.metrics.clock import seconds_of
from seesaw.metrics.features import Features
from seesaw.metrics.metric import Metric
from seesaw.metrics.reference import Reference

TRIED = 256
"""Dimensions of the distance that is timed for the estimate."""


class Frechet(Metric):
    """Fréchet distance of two Gaussians fitted to the features (Heusel et al. 2017, eq. 6). Not negative; 0 for the reals.

    Its estimate grows as samples get fewer, so only values of equal counts compare.
    """

    higher_is_better = False
    title = "Fréchet distance"
    scale = "log"

    def __call__(self, reals: Reference, fakes: Features) -> float:
        return frechet_distance(reals.mean, reals.cov, *fakes.moments, reals.factor)

    def seconds(self, dim: int, n: int, kept: int) -> float:
        """Scaled up from a small one: the eigenvalues take the cube of the dimensions."""
        small = min(dim, TRIED)
        unit, zero = torch.eye(small, dtype=torch.float64), torch.zeros(small, dtype=torch.float64)
        return seconds_of(lambda: frechet_distance(zero, unit, zero, unit, unit)) * (dim / small) ** 3
