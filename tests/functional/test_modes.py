"""Mode counting, against scipy and counting by hand."""

import math

import pytest
import torch
from scipy.spatial import cKDTree
from scipy.stats import entropy

from seesaw.functional.modes import coverage, histogram_kl, nearest_mode


def test_kl_agrees_with_scipy() -> None:
    p, q = torch.rand(50, dtype=torch.float64), torch.rand(50, dtype=torch.float64)
    assert histogram_kl(p, q) == pytest.approx(entropy(p.numpy(), q.numpy()), abs=1e-12)


def test_missing_modes_cost_nothing_by_themselves_and_one_mode_alone_costs_log_m() -> None:
    uniform = torch.ones(25)
    assert histogram_kl(uniform * 7, uniform) == pytest.approx(0.0, abs=1e-12)
    one = torch.zeros(25, dtype=torch.int64)
    one[3] = 10
    assert histogram_kl(one, uniform) == pytest.approx(math.log(25), abs=1e-9)
    half = torch.tensor([5, 5, 0, 0])
    assert histogram_kl(half, torch.ones(4)) == pytest.approx(math.log(2), abs=1e-9)
    assert histogram_kl(torch.tensor([1, 1]), torch.tensor([1, 0])) == math.inf


def test_coverage_counts_modes_with_a_sample() -> None:
    assert coverage(torch.tensor([0, 1, 5, 0])) == 2


def test_nearest_modes_agree_with_a_search_tree() -> None:
    points, means = torch.randn(500, 2), torch.randn(20, 2)
    index, distance = nearest_mode(points, means)
    expected_distance, expected = cKDTree(means.numpy()).query(points.numpy())
    assert index.tolist() == expected.tolist()
    torch.testing.assert_close(distance.double(), torch.from_numpy(expected_distance), atol=1e-6, rtol=1e-5)
