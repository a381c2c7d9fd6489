"""Sets of points with known modes."""

from typing import Any

import pytest
import torch

from seesaw.data.sources.gaussians import GaussiansGrid, GaussiansRing

COMMON: dict[str, Any] = {"resolution": 1, "channels": 2, "batch_size": 8}


@pytest.mark.parametrize(("kind", "modes", "std"), [(GaussiansRing, 8, 0.01), (GaussiansGrid, 25, 0.05)])
def test_points_lie_about_the_means_of_their_labels(kind: Any, modes: int, std: float) -> None:
    data = kind(n=20_000, **COMMON)
    reals = data.reals
    assert reals.shape == (20_000, 2, 1, 1)
    assert reals.images.dtype == torch.float32
    assert reals.classes == modes
    assert reals.y is not None
    away = (reals.images.flatten(1) - data.means[reals.y]).norm(dim=1)
    assert (away < 3 * std).double().mean().item() == pytest.approx(1 - 0.011109, abs=0.003)  # 1 - exp(-9/2)
    assert reals.description == f"{data.name} 20000x2x1x1"


def test_all_runs_share_the_set() -> None:
    one, other = (GaussiansRing(n=100, seed=seed, **COMMON).reals for seed in (1, 2))
    assert one.identity == other.identity
    assert one.identity != GaussiansRing(n=100, points_seed=1, **COMMON).reals.identity


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"resolution": 16}, "points of the plane have resolution 1 and channels 2, not 16 and 2"),
        ({"channels": 3}, "resolution 1 and channels 2, not 1 and 3"),
        ({"std": 0.0}, "std must be above 0"),
        ({"flip": True}, "flip must be false"),
    ],
)
def test_impossible_sets_are_refused(wrong: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        GaussiansGrid(**(COMMON | wrong))
