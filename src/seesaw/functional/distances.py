"""Distances between two sets of features. All arithmetic is float64, on the device of the features."""

from __future__ import annotations

import torch
from torch import Tensor

from seesaw.functional.eigen import eigh, eigvalsh

Moments = tuple[Tensor, Tensor]  # mean (d,) and covariance (d, d), float64


class RunningMoments:
    """Mean and covariance of features that come in parts, after Chan, Golub & LeVeque 1979: as exact as in one go."""

    def __init__(self, dim: int) -> None:
        self.n = 0
        self.mean = torch.zeros(dim, dtype=torch.float64)
        self.scatter = torch.zeros(dim, dim, dtype=torch.float64)

    def add(self, features: Tensor) -> None:
        """Take in (b, d), b >= 1."""
        x = features.to(self.mean)
        b, mean = len(x), x.mean(0)
        away = mean - self.mean
        self.scatter += (x - mean).T @ (x - mean) + torch.outer(away, away) * (self.n * b / (self.n + b))
        self.mean = self.mean + away * (b / (self.n + b))
        self.n += b

    def result(self) -> Moments:
        """Mean (d,) and unbiased covariance (d, d) of all that came. ValueError for fewer than 2 samples."""
        if self.n < 2:
            raise ValueError(f"a covariance takes at least 2 samples, not {self.n}")
        return self.mean, self.scatter / (self.n - 1)


def moments(features: Tensor) -> Moments:
    """(N, d) to the mean (d,) and the unbiased covariance (d, d). ValueError for fewer than 2 samples."""
    _check(features)
    x = features.double()
    mean = x.mean(0)
    return mean, (x - mean).T @ (x - mean) / (len(x) - 1)


def covariance_factor(cov: Tensor) -> Tensor:
    """H (d, r) in float64 with H H' = cov (d, d), r its rank: the eigenvectors, each times the root of its eigenvalue.

    Half the work of a Fréchet distance, and it depends on one side alone: kept with the statistics of the reals. Directions
    whose eigenvalue is rounding (of fewer samples than dimensions) are left out, which makes the other half cheaper too.
    """
    values, vectors = eigh(cov.double())
    kept = values > values[-1] * len(values) * torch.finfo(values.dtype).eps
    return vectors[:, kept] * values[kept].sqrt()


def frechet_distance(mean1: Tensor, cov1: Tensor, mean2: Tensor, cov2: Tensor, factor1: Tensor | None = None) -> float:
    """|m1 - m2|^2 + tr(C1 + C2 - 2 (C1 C2)^(1/2)): Dowson & Landau 1982; Heusel et al. 2017, eq. 6 of arXiv 1706.08500.

    The trace of the root is that of (H' C2 H)^(1/2) with C1 = H H', a symmetric matrix with real eigenvalues that are
    not negative; rounding can make those of a singular covariance slightly so, and they count as 0. Not negative itself.

    Args:
        mean1, mean2: (d,). cov1, cov2: (d, d).
        factor1: the H of C1, where it is known already (`covariance_factor`).

    Raises:
        ValueError: the two sets have different dimensions.
    """
    if mean1.shape != mean2.shape or cov1.shape != cov2.shape:
        raise ValueError(f"the two sets have features of {len(mean1)} and {len(mean2)} dimensions")
    mean1, cov1, mean2, cov2 = (t.double() for t in (mean1, cov1, mean2, cov2))
    factor = covariance_factor(cov1) if factor1 is None else factor1.double()
    root = eigvalsh(factor.T @ cov2 @ factor).clamp(min=0).sqrt().sum()
    distance = (mean1 - mean2).square().sum() + cov1.trace() + cov2.trace() - 2 * root
    return max(distance.item(), 0.0)


def kernel_distance(
    x: Tensor,
    y: Tensor,
    subsets: int | None = None,
    subset_size: int = 1000,
    generator: torch.Generator | None = None,
) -> float:
    """Kernel distance (KID) of x (M, d) and y (N, d): Binkowski et al. 2018 (arXiv 1801.01401), section 4.

    The unbiased estimate of the squared maximum mean discrepancy under the kernel (x'y / d + 1)^3; it may fall below 0.

    Args:
        subsets: None: one estimate over all samples. Else the mean over so many pairs of random subsets.
        subset_size: samples of one subset, drawn without repetition; at most the smaller set.
        generator: draws the subsets (a CPU generator), needed with them; the global one is never touched.

    Raises:
        ValueError: fewer than 2 samples, differing dimensions, subsets that are too large or without a generator.
    """
    _check(x)
    _check(y)
    if x.shape[1] != y.shape[1]:
        raise ValueError(f"the two sets have features of {x.shape[1]} and {y.shape[1]} dimensions")
    x, y = x.double(), y.double()
    if subsets is None:
        return _mmd2(x, y)
    if generator is None:
        raise ValueError("subsets are drawn with an explicit generator")
    if subsets < 1 or not 2 <= subset_size <= min(len(x), len(y)):
        raise ValueError(f"{subsets} subsets of {subset_size} cannot be drawn from {len(x)} and {len(y)} samples")
    total = 0.0
    for _ in range(subsets):
        rows = [torch.randperm(len(f), generator=generator)[:subset_size].to(f.device) for f in (x, y)]
        total += _mmd2(x[rows[0]], y[rows[1]])
    return total / subsets


def _mmd2(x: Tensor, y: Tensor) -> float:
    """Gretton et al. 2012, eq. 3: a sample's kernel with itself is left out."""
    m, n = len(x), len(y)
    own_x = (_kernel_sum(x, x) - _kernel(x.square().sum(1), x.shape[1]).sum()) / (m * (m - 1))
    own_y = (_kernel_sum(y, y) - _kernel(y.square().sum(1), y.shape[1]).sum()) / (n * (n - 1))
    return (own_x + own_y - 2 * _kernel_sum(x, y) / (m * n)).item()


def _kernel(inner: Tensor, dim: int) -> Tensor:
    return (inner / dim + 1) ** 3


def _kernel_sum(x: Tensor, y: Tensor, rows: int = 1024) -> Tensor:
    """The sum over all pairs, `rows` rows at a time: the whole matrix of 10,000 samples would take 800 MB."""
    return torch.stack([_kernel(part @ y.T, x.shape[1]).sum() for part in x.split(rows)]).sum()


def _check(features: Tensor) -> None:
    if features.ndim != 2 or len(features) < 2:
        raise ValueError(f"a distance takes features (N, d) with N >= 2, not {tuple(features.shape)}")
