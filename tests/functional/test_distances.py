"""The distances against scipy, torch-fidelity and torchmetrics on the same features."""

import numpy as np
import pytest
import scipy.linalg
import torch
from torch_fidelity.metric_fid import fid_features_to_statistics, fid_statistics_to_metric
from torch_fidelity.metric_kid import kid_features_to_metric
from torchmetrics.image.fid import FrechetInceptionDistance
from torchmetrics.image.kid import KernelInceptionDistance

from seesaw.functional.distances import (
    RunningMoments,
    covariance_factor,
    frechet_distance,
    kernel_distance,
    moments,
)


def sets(n: int = 300, dim: int = 24) -> tuple[torch.Tensor, torch.Tensor]:
    draw = torch.Generator().manual_seed(3)
    mix = torch.randn(dim, dim, generator=draw)
    x = (torch.randn(n, dim, generator=draw) @ mix).relu()
    y = (torch.randn(n + 50, dim, generator=draw) @ mix * 1.2 + 0.5).relu()
    return x, y


def by_scipy(x: torch.Tensor, y: torch.Tensor) -> float:
    a, b = x.double().numpy(), y.double().numpy()
    ca, cb = np.cov(a, rowvar=False), np.cov(b, rowvar=False)
    root = scipy.linalg.sqrtm(ca @ cb).real
    return float(((a.mean(0) - b.mean(0)) ** 2).sum() + np.trace(ca + cb - 2 * root))


def test_moments_are_those_of_numpy() -> None:
    x, _ = sets()
    mean, cov = moments(x)
    assert mean.dtype == cov.dtype == torch.float64
    np.testing.assert_allclose(mean.numpy(), x.double().numpy().mean(0), rtol=1e-12)
    np.testing.assert_allclose(cov.numpy(), np.cov(x.double().numpy(), rowvar=False), rtol=1e-10, atol=1e-12)


def test_moments_in_parts_are_those_in_one_go_also_far_from_zero() -> None:
    x = sets()[0].double() + 1e5
    running = RunningMoments(x.shape[1])
    for part in x.split(37):
        running.add(part)
    for one, other in zip(running.result(), moments(x), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize("n", [300, 12])  # 12 samples of 24 dimensions: a singular covariance
def test_frechet_distance_is_that_of_scipy(n: int) -> None:
    x, y = (f[:n] for f in sets())
    assert frechet_distance(*moments(x), *moments(y)) == pytest.approx(by_scipy(x, y), rel=1e-6)


@pytest.mark.parametrize(("n", "rank"), [(300, 24), (12, 11)])  # n centred samples span n - 1 dimensions
def test_a_kept_factor_gives_the_same_distance(n: int, rank: int) -> None:
    x, y = (f[:n] for f in sets())
    (mean1, cov1), (mean2, cov2) = moments(x), moments(y)
    factor = covariance_factor(cov1)
    assert factor.shape == (24, rank)
    assert factor.dtype == torch.float64
    torch.testing.assert_close(factor @ factor.T, cov1, rtol=1e-9, atol=1e-9)
    found = frechet_distance(mean1, cov1, mean2, cov2, factor)
    assert found == pytest.approx(by_scipy(x, y), rel=1e-6)
    assert frechet_distance(mean1, cov1, mean2, cov2, 0 * factor) > 1.5 * found  # it is this factor that is used


def test_a_covariance_of_nothing_has_a_factor_of_nothing() -> None:
    """A generator that gives one image: its distance is that of the means and the spread of the other."""
    mean, cov = torch.ones(3), torch.eye(3) * 4
    assert covariance_factor(torch.zeros(3, 3)).shape == (3, 0)
    assert frechet_distance(mean, torch.zeros(3, 3), 0 * mean, cov) == pytest.approx(3 + 12, rel=1e-12)
    assert frechet_distance(mean, cov, 0 * mean, torch.zeros(3, 3)) == pytest.approx(3 + 12, rel=1e-12)


def test_frechet_distance_of_known_gaussians() -> None:
    """Diagonal covariances: |m1 - m2|^2 + the sum of (s1 - s2)^2."""
    m, s1, s2 = torch.tensor([1.0, 0.0, -2.0]), torch.tensor([1.0, 2.0, 3.0]), torch.tensor([2.0, 2.0, 0.5])
    found = frechet_distance(m, s1.square().diag(), torch.zeros(3), s2.square().diag())
    assert found == pytest.approx(5 + 1 + 0 + 6.25, rel=1e-12)


def test_frechet_distance_is_that_of_torch_fidelity_and_torchmetrics() -> None:
    x, y = (f.double() for f in sets())
    found = frechet_distance(*moments(x), *moments(y))
    theirs = fid_statistics_to_metric(fid_features_to_statistics(x), fid_features_to_statistics(y), verbose=False)
    assert found == pytest.approx(theirs["frechet_inception_distance"], rel=1e-6)
    metric = FrechetInceptionDistance(feature=Passing(x.shape[1]))
    metric.update(x, real=True)
    metric.update(y, real=False)
    assert found == pytest.approx(metric.compute().item(), rel=1e-4)


class Passing(torch.nn.Module):
    """Takes features for images."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.num_features = dim

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x


def test_kernel_distance_is_that_of_torch_fidelity_and_torchmetrics() -> None:
    x, y = (f[:300].double() for f in sets())
    found = kernel_distance(x, y)
    theirs = kid_features_to_metric(x, y, kid_subsets=1, kid_subset_size=300, verbose=False, rng_seed=0)
    assert found == pytest.approx(theirs["kernel_inception_distance_mean"], rel=1e-10)
    metric = KernelInceptionDistance(feature=Passing(x.shape[1]), subsets=1, subset_size=300)
    metric.update(x, real=True)
    metric.update(y, real=False)
    assert found == pytest.approx(metric.compute()[0].item(), rel=1e-5)


def test_kernel_distance_of_sets_of_unequal_size_is_the_plain_double_sum() -> None:
    x, y = (f.double().numpy() for f in (sets()[0][:7], sets()[1][:5]))
    k = lambda a, b: (a @ b / len(a) + 1) ** 3  # noqa: E731
    own = [np.mean([k(a, b) for i, a in enumerate(s) for j, b in enumerate(s) if i != j]) for s in (x, y)]
    between = np.mean([k(a, b) for a in x for b in y])
    found = kernel_distance(torch.from_numpy(x), torch.from_numpy(y))
    assert found == pytest.approx(own[0] + own[1] - 2 * between, rel=1e-10)


def test_kernel_distance_in_blocks_is_that_of_the_whole_matrix() -> None:
    draw = torch.Generator().manual_seed(0)
    x, y = torch.randn(1500, 4, generator=draw).double(), torch.randn(1100, 4, generator=draw).double() + 0.3
    total = [((a @ b.T / 4 + 1) ** 3) for a, b in ((x, x), (y, y), (x, y))]
    own = [(k.sum() - k.trace()) / (len(k) * (len(k) - 1)) for k in total[:2]]
    assert kernel_distance(x, y) == pytest.approx((own[0] + own[1] - 2 * total[2].mean()).item(), rel=1e-9)


def test_kernel_distance_over_subsets_is_keyed_by_its_generator_alone() -> None:
    x, y = sets()

    def found(seed: int) -> float:
        return kernel_distance(x, y, subsets=20, subset_size=100, generator=torch.Generator().manual_seed(seed))

    before = torch.get_rng_state()
    assert found(1) == found(1) != found(2)
    assert torch.equal(before, torch.get_rng_state())
    assert found(1) == pytest.approx(kernel_distance(x, y), rel=0.2)
    whole = kernel_distance(x, y[:300], subsets=1, subset_size=300, generator=torch.Generator())
    assert whole == pytest.approx(kernel_distance(x, y[:300]), rel=1e-10)


def test_too_few_samples_and_differing_dimensions_are_refused() -> None:
    x, y = sets()
    with pytest.raises(ValueError, match="N >= 2"):
        moments(x[:1])
    with pytest.raises(ValueError, match="at least 2 samples, not 0"):
        RunningMoments(3).result()
    with pytest.raises(ValueError, match="N >= 2"):
        kernel_distance(x, y[:1])
    with pytest.raises(ValueError, match="24 and 23 dimensions"):
        kernel_distance(x, y[:, :23])
    with pytest.raises(ValueError, match="24 and 23 dimensions"):
        frechet_distance(*moments(x), *moments(y[:, :23]))
    with pytest.raises(ValueError, match="explicit generator"):
        kernel_distance(x, y, subsets=2, subset_size=10)
    with pytest.raises(ValueError, match="2 subsets of 301"):
        kernel_distance(x, y, subsets=2, subset_size=301, generator=torch.Generator())
