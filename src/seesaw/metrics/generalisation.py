"""Whether samples are nearer to the reals of training than reals that were held out."""

import math

import torch
from torch import Tensor

from seesaw.functional.eigen import eigh
from seesaw.functional.memorisation import c_t, likelihood_gap
from seesaw.functional.neighbours import nearest
from seesaw.metrics.extractors.base import Extractor
from seesaw.metrics.features import Features
from seesaw.metrics.metric import Metric
from seesaw.metrics.reference import Reference

DIRECTIONS, CELLS = 64, 3
"""Principal directions and cells of C_T."""

MOST = 1000
"""Samples and reals of each part that the likelihood gap takes in a run, at most: its cost is their product."""


class Generalisation(Metric):
    """Two tests of copying against held-out reals, below 0 where samples copy: `fld_gap_EXTRACTOR`, the generalisation gap of the
    feature likelihood divergence (`seesaw.functional.memorisation.likelihood_gap`), and `c_t_EXTRACTOR`, the copying score
    (`seesaw.functional.memorisation.c_t`), in 64 principal directions of the training reals and 3 cells of their k-means.

    Logged where a part of the set is held out (data.holdout). The gap sees that a few samples lie on reals; the copying score, a
    rank test, that many lie nearer to them than they should. A bad generator has a large C_T, which hides copies among its
    samples.

    Args:
        holdout: share of the set that is held out; None: nothing is, and nothing is logged.
        most: samples and reals of each part that the gap takes; of C_T as many as are kept.

    Raises:
        ValueError: `most` is below 2.
    """

    beside = True

    def __init__(self, holdout: float | None = None, most: int = MOST) -> None:
        if most < 2:
            raise ValueError(f"most must be at least 2, not {most}")
        self.holdout, self.most = holdout, most
        self._cells: tuple[str, Tensor, Tensor] | None = None

    def attach(self, extractor: Extractor) -> None:
        """Name the values by the extractor."""
        kinds = () if self.holdout is None else ("fld_gap", "c_t")
        self.names = {kind: f"{kind}_{extractor.name}" for kind in kinds}
        self.higher_is_better = dict.fromkeys(self.names.values(), True)
        self.role = {name: kind for kind, name in self.names.items()}

    def __call__(self, reals: Reference, fakes: Features) -> dict[str, float]:
        if not self.names:
            return {}
        if reals.training is None or reals.held_out is None:
            return dict.fromkeys(self.names.values(), math.nan)
        sets = (fakes.near, reals.training.features, reals.held_out.features)
        gap = likelihood_gap(*(spread(x, self.most) for x in sets))
        return dict(zip(self.names.values(), (gap, self.copying(reals.training, reals.held_out, fakes.near)), strict=True))

    def copying(self, training: Reference, held_out: Reference, fakes: Tensor) -> float:
        """C_T of samples by their features (m, d)."""
        directions, centres = self.cells(training)
        train, held, ours = ((x.double() - training.mean) @ directions for x in (training.features, held_out.features, fakes))
        distances = (nearest(x, train).distance[:, 0] for x in (ours, held))
        return c_t(*distances, *(torch.cdist(x, centres).argmin(1) for x in (ours, held)))

    def cells(self, training: Reference) -> tuple[Tensor, Tensor]:
        """The principal directions (d, at most 64) and the centres of the cells in them, found once."""
        if self._cells is None or self._cells[0] != training.key:
            from sklearn.cluster import KMeans

            directions = eigh(training.cov)[1][:, -DIRECTIONS:]
            x = (training.features.double() - training.mean) @ directions
            count = min(CELLS, len(x))
            found = KMeans(count, n_init=1, random_state=0).fit(x.numpy()).cluster_centers_
            self._cells = (training.key, directions, torch.from_numpy(found))
        return self._cells[1], self._cells[2]

    def protocol(self, n: int, kept: int) -> str:
        if not self.names:
            return ""
        return f"likelihood gap of at most {self.most} of each; C_T in {DIRECTIONS} directions, {CELLS} cells"


def spread(x: Tensor, most: int) -> Tensor:
    """At most so many rows, evenly spaced."""
    return x[torch.linspace(0, len(x) - 1, min(most, len(x)), dtype=torch.float64).long()]
