"""Nearest neighbours among two sets of features, and the shares that are counted by them. Arithmetic is float64, on the device
of the features; matrices of distances are made in blocks of rows, so memory does not grow with the sets."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor

BLOCK = 2**18
"""Distances held at once: 2 MB, which a processor keeps near; few rows of a large set are slower than that saves."""

LEAST_ROWS = 64

SAME = 1e-13
"""Squared distances that differ by less than this part of the largest squared length differ by rounding alone."""


def squared_distances(x: Tensor, y: Tensor) -> Iterator[tuple[slice, Tensor]]:
    """The squared Euclidean distances of x (m, d) to y (n, d), float64 (b, n), for consecutive rows of x, with these rows. Of
    equal rows they are 0 but for rounding, and may lie below it."""
    centre = y.double().mean(0)
    x, y = x.double() - centre, y.double() - centre
    own, turned = y.square().sum(1), y.T.contiguous()
    rows = max(BLOCK // len(y), LEAST_ROWS)
    for first in range(0, len(x), rows):
        part = x[first : first + rows]
        found = torch.addmm(own, part, turned, alpha=-2).add_(part.square().sum(1, keepdim=True))
        yield slice(first, first + len(part)), found


def rounding(x: Tensor) -> float:
    """By how much squared distances among rows like those of x (m, d) may be wrong."""
    away = x.double() - x.double().mean(0)
    return SAME * away.square().sum(1).max().item()


class Nearest(NamedTuple):
    """The k nearest neighbours of each row: distances float64 (m, k), rising, and which rows they are, int64 (m, k)."""

    distance: Tensor
    index: Tensor  # type: ignore[assignment]


def nearest(x: Tensor, y: Tensor | None = None, k: int = 1) -> Nearest:
    """Of x (m, d) among y (n, d); y None: among the other rows of x, never itself.

    Where there are fewer than k rows to find, the distances beyond them are infinite.

    Raises:
        ValueError: there is none to find.
    """
    other = x if y is None else y
    have = len(other) - (y is None)
    if k < 1 or have < 1:
        raise ValueError(f"{k} nearest of {have} neighbours cannot be found")
    least = rounding(x)
    distance = torch.full((len(x), k), float("inf"), dtype=torch.float64, device=x.device)
    index = torch.zeros((len(x), k), dtype=torch.int64, device=x.device)
    for rows, found in squared_distances(x, other):
        if y is None:
            found[torch.arange(len(found)), torch.arange(rows.start, rows.stop)] = float("inf")
        best = found.topk(min(k, have), dim=1, largest=False)
        distance[rows, : min(k, have)], index[rows, : min(k, have)] = best.values, best.indices
    distance.masked_fill_(distance <= least, 0.0).sqrt_()
    return Nearest(distance, index)


class Counts(NamedTuple):
    """What one pass over the distances of m samples to n reals finds.

    Attributes:
        precision: share of samples within some real's ball of k_ball neighbours, the border included.
        recall: share of reals within some sample's ball, likewise.
        density: mean number of reals' balls of k_density neighbours that hold a sample, over k_density; the border excluded.
        coverage: share of reals whose ball of k_density neighbours holds a sample, the border excluded.
        distance, index: of each sample to its nearest real, float64 (m,), and which that is, int64 (m,).
    """

    precision: float
    recall: float
    density: float
    coverage: float
    distance: Tensor
    index: Tensor  # type: ignore[assignment]


def count(
    reals: Tensor, fakes: Tensor, real_balls: Tensor, fake_balls: Tensor, k_ball: int = 3, k_density: int = 5
) -> Counts:
    """Precision and recall of Kynkaanniemi et al. 2019 (arXiv 1904.06991, eq. 1 and 2: the border of a ball belongs to it);
    density and coverage of Naeem et al. 2020 (arXiv 2002.09797, eq. 3 and 4), whose balls leave their border out, as their
    authors count.

    Args:
        reals, fakes: features (n, d) and (m, d).
        real_balls: distances of the reals to their nearest other reals, (n, k), rising, with k at least k_ball and k_density.
        fake_balls: likewise of the samples, (m, k).
    """
    least = rounding(reals)
    around, strict = real_balls[:, k_ball - 1].square() + least, real_balls[:, k_density - 1].square() - least
    own, balls = fake_balls[:, k_ball - 1, None].square() + least, 0
    beyond, distance = torch.empty(len(fakes), dtype=torch.float64), torch.empty(len(fakes), dtype=torch.float64)
    index, infinite = torch.empty(len(fakes), dtype=torch.int64), torch.full_like(strict, float("inf"))
    nearest_fake, recalled = infinite, infinite
    for rows, found in squared_distances(fakes, reals):
        beyond[rows] = (found - around).amin(1)
        balls += int((found < strict).sum())
        recalled = torch.minimum(recalled, (found - own[rows]).amin(0))
        nearest_fake = torch.minimum(nearest_fake, found.amin(0))
        distance[rows], index[rows] = found.min(1)
    return Counts(
        (beyond <= 0).double().mean().item(),
        (recalled <= 0).double().mean().item(),
        balls / (k_density * len(fakes)),
        (nearest_fake < strict).double().mean().item(),
        distance.masked_fill_(distance <= least, 0.0).sqrt_(),
        index,
    )


def authentic_share(distance: Tensor, index: Tensor, real_nearest: Tensor) -> float:
    """Share of samples that are authentic (Alaa et al. 2022, arXiv 2102.08921, section 3.2): a sample is none where it lies
    nearer to its nearest real than that real to any other real. In [0, 1]; of further draws of the reals about a half.

    A real that stands twice in the set has a distance of 0 to its copy, so no sample beside it counts as a copy.

    Args:
        distance, index: of m samples to their nearest real, and which real that is.
        real_nearest: of n reals to their nearest other real, (n,).
    """
    return (distance > real_nearest[index]).double().mean().item()
