"""Neighbours against scikit-learn's, and the shares against torch-fidelity's and against loops."""

import numpy as np
import pytest
import torch
from sklearn.neighbors import NearestNeighbors
from torch import Tensor
from torch_fidelity.metric_prc import calculate_precision_recall_full

from seesaw.functional import neighbours
from seesaw.functional.neighbours import authentic_share, count, nearest


def points(n: int, seed: int, shift: float = 0.0) -> Tensor:
    return torch.randn(n, 6, generator=torch.Generator().manual_seed(seed)) + shift


@pytest.mark.parametrize("block", [2**18, 100])
def test_the_neighbours_are_those_of_scikit_learn(monkeypatch: pytest.MonkeyPatch, block: int) -> None:
    monkeypatch.setattr(neighbours, "BLOCK", block)
    x, y = points(150, 0), points(90, 1)
    tree = NearestNeighbors(n_neighbors=4, algorithm="brute").fit(y.double().numpy())
    distance, index = tree.kneighbors(x.double().numpy())
    found = nearest(x, y, 4)
    assert np.allclose(found.distance, distance)
    assert np.array_equal(found.index, index)
    own = nearest(y, k=3)
    assert np.allclose(own.distance, tree.kneighbors(n_neighbors=3)[0])
    assert not (own.index == torch.arange(90)[:, None]).any()


@pytest.mark.parametrize("shift", [0.0, 0.7])
def test_precision_and_recall_are_those_of_torch_fidelity(shift: float) -> None:
    x, y = points(300, 0), points(260, 1, shift)
    found = count(x, y, nearest(x, k=5).distance, nearest(y, k=5).distance)
    precision, recall = calculate_precision_recall_full(y.double(), x.double(), neighborhood=3)
    assert (found.precision, found.recall) == (pytest.approx(float(precision)), pytest.approx(float(recall)))


def test_density_and_coverage_are_those_of_their_formulas() -> None:
    x, y = points(80, 0), points(50, 1, 0.4)
    d = torch.cdist(x.double(), y.double(), compute_mode="donot_use_mm_for_euclid_dist").numpy()
    own = torch.cdist(x.double(), x.double()).numpy()
    radius = np.sort(own, 1)[:, 5]
    found = count(x, y, nearest(x, k=5).distance, nearest(y, k=5).distance)
    assert found.density == pytest.approx((d < radius[:, None]).sum() / (5 * 50))
    assert found.coverage == pytest.approx((d.min(1) < radius).mean())
    assert np.allclose(found.distance, d.min(0))


def test_of_the_reals_themselves_borders_count_exactly() -> None:
    x = points(400, 0, 30.0)  # far from the origin, where a squared distance loses digits
    balls = nearest(x, k=5).distance
    found = count(x, x, balls, balls)
    assert found[:4] == (1.0, 1.0, 1.0, 1.0)
    assert found.distance.max() == 0
    assert authentic_share(found.distance, found.index, balls[:, 0]) == 0


@pytest.mark.parametrize("k", [1, 10, 100])
def test_a_generator_that_repeats_k_of_n_reals(k: int) -> None:
    x = points(500, 0)
    fakes = x[:k].repeat(500 // k, 1)
    found = count(x, fakes, nearest(x, k=5).distance, nearest(fakes, k=5).distance)
    assert found.precision == 1
    assert k / 500 <= found.recall <= (1 if k == 100 else k / 500)  # a ball of equal samples has no radius
    reached = nearest(x, x[:k]).distance[:, 0] < nearest(x, k=5).distance[:, 4] - 1e-9
    assert found.coverage == pytest.approx(reached.double().mean().item())
    assert authentic_share(found.distance, found.index, nearest(x).distance[:, 0]) == 0


def test_no_neighbour_is_refused_and_missing_ones_are_infinite() -> None:
    with pytest.raises(ValueError, match="1 nearest of 0 neighbours"):
        nearest(torch.zeros(1, 2))
    found = nearest(torch.tensor([[0.0], [1.0]]), k=3).distance
    assert found.tolist() == [[1.0, float("inf"), float("inf")]] * 2
