"""Tests of copying: rank sums against scipy, planted copies."""

import math

import pytest
import torch
from scipy.stats import mannwhitneyu
from torch import Tensor

from seesaw.functional.memorisation import c_t, likelihood_gap, mann_whitney_z
from seesaw.metrics.certificate import gap_limit


def normal(n: int, seed: int, d: int = 8) -> Tensor:
    return torch.randn(n, d, generator=torch.Generator().manual_seed(seed))


def test_the_rank_sum_is_that_of_scipy() -> None:
    one, other = normal(40, 0, 1)[:, 0].double() + 0.3, normal(60, 1, 1)[:, 0].double()
    found = mannwhitneyu(one.numpy(), other.numpy(), use_continuity=False, method="asymptotic")
    z = mann_whitney_z(one, other)
    assert found.statistic == pytest.approx(z * math.sqrt(40 * 60 * 101 / 12) + 40 * 60 / 2)
    assert found.pvalue == pytest.approx(math.erfc(abs(z) / math.sqrt(2)))
    assert mann_whitney_z(other, other) == 0


def test_c_t_is_the_mean_over_cells_by_the_held_out_reals() -> None:
    far, near = torch.arange(30.0), torch.arange(30.0) / 100
    fakes, held = torch.cat([near, far]), torch.cat([far[:20], far[:10]])
    cells, of_held = torch.arange(2).repeat_interleave(30), torch.tensor([0] * 20 + [1] * 10)
    each = [mann_whitney_z(near, far[:20]), mann_whitney_z(far, far[:10])]
    assert c_t(fakes, held, cells, of_held) == pytest.approx((20 * each[0] + 10 * each[1]) / 30)
    assert each[0] < -3
    few = torch.cat([torch.zeros(19), torch.ones(41)]).long()  # 19 samples in cell 0: it is left out
    assert c_t(fakes, held, few, of_held) == pytest.approx(mann_whitney_z(fakes[19:], far[:10]))
    assert math.isnan(c_t(fakes, held, torch.full((60,), 5), of_held))


def test_the_likelihood_gap_falls_with_the_share_of_copies() -> None:
    train, held, fresh = normal(300, 0), normal(150, 1), normal(300, 2)
    gaps = [likelihood_gap(torch.cat([train[:k], fresh[k:]]), train, held) for k in (0, 15, 60, 300)]
    assert gaps == sorted(gaps, reverse=True)
    assert gaps[0] > gap_limit(300, 300, 150, 8) > gaps[3]
    assert all(math.isfinite(gap) for gap in gaps)
    noisy = likelihood_gap(train + 0.2 * normal(300, 3), train, held)
    assert gaps[3] < noisy < gaps[0] - 3


def test_the_gap_of_one_wide_kernel_is_that_of_its_gaussian() -> None:
    """With all samples at the mean of both sets there is one Gaussian, whose width is the training reals' own."""
    train, held = normal(4000, 0, 2), 2 * normal(4000, 1, 2)
    found = likelihood_gap(torch.zeros(2, 2), train, held)
    a, b = train / held.std(0), held / held.std(0)
    variance = a.square().mean()
    expected = 0.5 * (a.square().mean() - b.square().mean()) / variance
    assert found == pytest.approx(100 * expected.item(), rel=0.1)
