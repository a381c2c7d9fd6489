"""Tests of copying that compare samples with the reals of training and with reals that were held out."""

import math

import torch
from torch import Tensor

from seesaw.functional.neighbours import squared_distances

STEPS, SETTLED = 30, 1e-4
"""At most so many steps of the fit of the kernels' widths, which ends when one gains less than this many nats a dimension."""

FLOOR = 1e-3
"""Added to the least squared distance where the widths start, and the least d times a squared width, for standardised
features."""

LEAST_OF_CELL = 20
"""Samples of a cell that counts."""

WIDE = 0.81
"""Factor on the squared distances to the component at the mean of the reals."""


def mann_whitney_z(one: Tensor, other: Tensor) -> float:
    """How much larger the values `one` (m,) are than `other` (n,), in standard errors: the U statistic, less its mean m n / 2,
    over sqrt(m n (m + n + 1) / 12). Equal values count a half. Mann and Whitney 1947."""
    m, n = len(one), len(other)
    sorted_other = other.sort().values
    below = torch.searchsorted(sorted_other, one, right=False).double()
    upto = torch.searchsorted(sorted_other, one, right=True).double()
    u = ((below + upto) / 2).sum().item()
    return (u - m * n / 2) / math.sqrt(m * n * (m + n + 1) / 12)


def c_t(fakes: Tensor, held_out: Tensor, fake_cells: Tensor, held_cells: Tensor) -> float:
    """The copying score C_T of Meehan et al. 2020 (arXiv 2004.05675, eq. 2 to 4): in each cell of the space, how much farther
    the samples lie from the training reals than held-out reals do, in standard errors; the mean over the cells by their shares
    of held-out reals. Below 0 where samples copy; about 0 for the distribution itself; above 0 where they lie apart.

    A cell with fewer than 20 samples, or without a held-out real, is left out, as the authors leave out those with a share of
    samples below tau. nan where no cell is left.

    Args:
        fakes, held_out: distances to the nearest training real, (m,) and (n,).
        fake_cells, held_cells: the cells, int64 (m,) and (n,).
    """
    found, weight = 0.0, 0
    for cell in held_cells.unique().tolist():
        ours, theirs = fakes[fake_cells == cell], held_out[held_cells == cell]
        if len(ours) >= LEAST_OF_CELL:
            found += len(theirs) * mann_whitney_z(ours, theirs)
            weight += len(theirs)
    return found / weight if weight else math.nan


def likelihood_gap(fakes: Tensor, training: Tensor, held_out: Tensor) -> float:
    """How much likelier held-out reals are than those of training, under a mixture of Gaussians at the samples: the
    generalisation gap of the feature likelihood divergence (Jiralerspong et al. 2023, arXiv 2302.04440, eq. 3 and 5),

        100 / d * (NLL(training) - NLL(held out)),

    in hundredths of a nat a dimension. Below 0 where samples lie on reals of training: the width of their kernels shrinks, since
    each squared width is fitted to the training reals. A width is one number for a sample, so a copy cannot hide. Features are
    standardised by the held-out reals. One more component stands at the mean of the training reals.

    Deviations: the widths are fitted by expectation and maximisation in the place of 50 steps of Adam, and bounded below, so that
    exact copies have a finite value.

    A generator that copies nothing has somewhat less than 0, since the widths are fitted to one of the two sets: compare with
    what a fresh part of the reals has.

    Args:
        fakes, training, held_out: features (m, d), (n, d) and (k, d), with k at least 2.
    """
    scale = held_out.std(0).clamp_min(1e-6)
    fakes, training, held_out = ((x - held_out.mean(0)) / scale for x in (fakes, training, held_out))
    centres, d = torch.cat([fakes, training.mean(0, keepdim=True)]), fakes.shape[1]
    near, apart = (_squared(x, centres) for x in (training, held_out))
    widths = _fit(near, d)
    gap = _log_likelihood(apart, widths, d)[0] - _log_likelihood(near, widths, d)[0]
    return 100 * gap


def _squared(x: Tensor, centres: Tensor) -> Tensor:
    """float32 (n, m + 1); the last column by `WIDE`."""
    found = torch.cat([part.float() for _, part in squared_distances(x, centres)])
    found[:, -1] *= WIDE
    return found


def _log_likelihood(squared: Tensor, widths: Tensor, d: int) -> tuple[float, Tensor]:
    """Mean log-likelihood a dimension, and each component's share of each point (n, m), for squared widths (m,)."""
    logs = (squared * (-0.5 / widths)).sub_(0.5 * d * widths.log())
    total = logs.logsumexp(1, keepdim=True)
    mean = (total.double().mean().item() - math.log(squared.shape[1])) / d - 0.5 * math.log(2 * math.pi)
    return mean, logs.sub_(total).exp_()


def _fit(squared: Tensor, d: int) -> Tensor:
    """The squared widths (m,) that make the points likely, by expectation and maximisation: each becomes the mean squared
    distance a dimension to the points, by the component's shares of these."""
    widths, before = (squared.amin(0) + FLOOR) / d, -math.inf
    for _ in range(STEPS):
        now, share = _log_likelihood(squared, widths, d)
        if now - before < SETTLED:
            break
        before, weight = now, share.sum(0)
        fitted = share.mul_(squared).sum(0) / (d * weight)
        widths = torch.where(weight > 0, fitted, widths).clamp_min(FLOOR / d)
    return widths
