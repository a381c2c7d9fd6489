"""Mode metrics on the sets of points: the mixture scores full, a collapsed generator as collapsed, noise as nothing."""

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from shipped import evaluator as shipped_evaluator
from shipped import measures

from seesaw.data.images import ImageSet
from seesaw.functional.mixtures import draw
from seesaw.metrics.extractors.points import PointsExtractor
from seesaw.metrics.features import Features

GRID = {"kind": "grid", "size": 5, "scale": 2.0, "std": 0.05}
DISTANCES = ("freche", "kernel")
RING = {"kind": "ring", "size": 8, "scale": 1.0, "std": 0.01}


def scores(points: torch.Tensor, kind: dict[str, object] = GRID) -> dict[str, float]:
    extractor = PointsExtractor(**kind)  # type: ignore[arg-type]
    fakes = Features(extractor(points[:, :, None, None]), extractor)
    found = measures(extractor.name)
    nothing: Any = None  # these do not look at the reals
    return {n.removesuffix(f"_{extractor.name}"): m(nothing, fakes) for n, m in found.items() if n[:6] not in DISTANCES}


@pytest.mark.parametrize("kind", [GRID, RING])
def test_the_mixture_itself_is_full(kind: dict[str, object]) -> None:
    """KL of n multinomial draws over m bins is about (m - 1) / 2n: 0.005 for 25 and 2,500."""
    extractor = PointsExtractor(**kind)  # type: ignore[arg-type]
    found = scores(draw(extractor.means, extractor.std, 2500, seed=0)[0], kind)
    m = len(extractor.means)
    assert found["modes"] == m
    assert found["high_quality"] == pytest.approx(1 - math.exp(-4.5), abs=0.007)
    assert found["reverse_kl"] == pytest.approx(m / 5000, abs=0.004)
    assert found["mode_kl"] == pytest.approx((m - 1) / 5000, abs=0.004)


@pytest.mark.parametrize("k", [1, 4, 12])
def test_a_generator_that_collapsed_to_k_modes_scores_k(k: int) -> None:
    means = PointsExtractor(**GRID).means[:k]  # type: ignore[arg-type]
    found = scores(draw(means, 0.05, 2500, seed=0)[0])
    assert found["modes"] == k
    assert found["mode_kl"] == pytest.approx(math.log(25 / k), abs=0.01)
    assert found["reverse_kl"] == pytest.approx(math.log(25 / k), abs=0.05)


def test_quality_counts_apart_from_coverage() -> None:
    """Points between the modes: none of quality, no mode covered, though the nearest means are evenly hit."""
    means = PointsExtractor(**GRID).means  # type: ignore[arg-type]
    found = scores(means.repeat(100, 1) + 0.5)
    assert found["modes"] == 0
    assert found["high_quality"] == 0.0
    assert found["reverse_kl"] == pytest.approx(4.5, abs=1e-6)
    assert found["mode_kl"] == pytest.approx(0.0, abs=1e-9)


def test_the_right_moments_do_not_hide_a_collapse(tmp_path: Path) -> None:
    """The four corners, moved inwards so that mean and covariance are the mixture's: Fréchet 0, yet 4 modes at most."""
    reals = ImageSet(draw(PointsExtractor(**GRID).means, 0.05, 5_000, 0)[0][:, :, None, None], "grid")  # type: ignore[arg-type]
    evaluator = shipped_evaluator("gaussians_grid", PointsExtractor(**GRID), n=2500)  # type: ignore[arg-type]
    evaluator.prepare(reals, tmp_path)
    corners = torch.tensor([[-1.0, -1.0], [-1.0, 1.0], [1.0, -1.0], [1.0, 1.0]]) * math.sqrt(8 + 0.05**2)
    found = evaluator.evaluate([corners.repeat(625, 1)[:, :, None, None]], 2500).values
    assert found["frechet_gaussians_grid"] < 0.01
    assert found["reverse_kl_gaussians_grid"] == pytest.approx(4.5, abs=1e-6)


def test_another_mixture_has_another_protocol() -> None:
    hashes = {
        PointsExtractor(**(GRID | change)).weights_hash for change in ({}, {"std": 0.1}, {"scale": 1.0}, {"size": 3})
    }  # type: ignore[arg-type]
    assert len(hashes) == 4
