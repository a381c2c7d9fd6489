"""The shared metrics on sets whose truth is planted, by pixels as features."""

from pathlib import Path

import pytest
import torch
from omegaconf import OmegaConf
from torch import Tensor

from seesaw.config.compose import option_node
from seesaw.data.holdout import divide
from seesaw.data.images import ImageSet
from seesaw.data.sources.digits import published
from seesaw.metrics.authentic import Authentic
from seesaw.metrics.duplicates import Duplicates
from seesaw.metrics.evaluator import Evaluator
from seesaw.metrics.generalisation import Generalisation
from seesaw.metrics.manifold import Manifold
from seesaw.metrics.metric import ROLES
from seesaw.metrics.ms_ssim import MsSsim, of_pairs
from seesaw.metrics.vendi import VendiRatio

IMAGES = published()[0][torch.randperm(1797, generator=torch.Generator().manual_seed(0))]
"""In no order: each writer's digits stand together in the file."""


class Pixels:
    """The 64 pixels of a digit are its features."""

    name, dim, resize, weights_hash = "pixels", 64, "none", "none"

    def prepare(self, device: torch.device) -> None:
        """Nothing is loaded."""

    def __call__(self, images: Tensor) -> Tensor:
        return images.flatten(1).float()


def evaluator(folder: Path, holdout: float | None = None) -> Evaluator:
    parts = divide(ImageSet(IMAGES[:800], "half of the digits"), holdout)
    made = (Manifold(), VendiRatio(), Authentic(holdout), Duplicates(), Generalisation(holdout), MsSsim())
    found = Evaluator(Pixels(), {type(m).__name__: m for m in made})
    found.prepare(parts.training, folder, parts=None if parts.held_out is None else (parts.training, parts.held_out))
    return found


def evidence(of: Evaluator, images: Tensor) -> dict[str, float]:
    return of.evaluate([images], len(images)).evidence


def test_a_fresh_half_is_healthy_and_k_repeated_reals_are_not(tmp_path: Path) -> None:
    of = evaluator(tmp_path)
    fresh = evidence(of, IMAGES[900:1700])
    assert set(fresh) == {"precision", "recall", "density", "coverage", "vendi_ratio", "authentic", "duplicates", "ms_ssim",
                          "ms_ssim_reals", "coverage_reals"} <= set(ROLES)  # fmt: skip
    assert min(fresh["precision"], fresh["recall"]) > 0.55
    assert fresh["coverage"] == pytest.approx(fresh["coverage_reals"], abs=0.05)
    few = evidence(of, IMAGES[900:1000])  # as many further reals as there are samples
    assert few["coverage_reals"] < 0.5
    assert few["coverage"] == pytest.approx(few["coverage_reals"], abs=0.08)
    assert fresh["vendi_ratio"] == pytest.approx(1, abs=0.1)
    assert fresh["duplicates"] == pytest.approx(0.1, abs=0.06)
    assert fresh["authentic"] > 0.4
    assert fresh["ms_ssim"] == pytest.approx(fresh["ms_ssim_reals"], abs=0.05)
    before = 0.0
    for k in (1, 10, 100):
        found = evidence(of, IMAGES[:k].repeat(800 // k, 1, 1, 1))
        assert (found["precision"], found["authentic"], found["duplicates"]) == (1, 0, 1)
        assert before < found["coverage"] < fresh["coverage"] * 0.75
        assert found["vendi_ratio"] < fresh["vendi_ratio"] - 0.02
        before = found["coverage"]
    assert evidence(of, IMAGES[:1].repeat(100, 1, 1, 1))["ms_ssim"] == pytest.approx(1, abs=1e-4)


def test_what_needs_held_out_reals_is_absent_without_and_finds_copies_with(tmp_path: Path) -> None:
    assert "fld_gap_pixels" not in evaluator(tmp_path).higher_is_better
    of = evaluator(tmp_path, 0.25)
    training = of.reals.gather(torch.arange(600))
    fresh = evidence(of, IMAGES[900:1500])
    assert abs(fresh["c_t"]) < 3
    assert fresh["fld_gap"] > -4
    assert fresh["authentic_reals"] == pytest.approx(fresh["authentic"], abs=0.15)
    fifth = evidence(of, torch.cat([training[:120], IMAGES[900:1380]]))
    assert fifth["fld_gap"] < -10
    assert fifth["authentic"] < fresh["authentic"] - 0.05
    copies = evidence(of, training)
    assert (copies["authentic"], copies["precision"]) == (0, 1)
    assert copies["c_t"] < -5


def test_metrics_against_held_out_reals_still_ask_the_training_reals_about_copies(tmp_path: Path) -> None:
    parts = divide(ImageSet(IMAGES[:800], "half of the digits"), 0.4)
    assert parts.held_out is not None
    of = Evaluator(Pixels(), {"a": Authentic(0.4), "m": Manifold()})
    of.prepare(parts.held_out, tmp_path, parts=(parts.training, parts.held_out))
    found = evidence(of, parts.training.gather(torch.arange(400)))
    assert found["authentic"] == 0
    assert found["precision"] < 1


def test_pairs_of_any_size_are_compared() -> None:
    for shape in ((1, 8, 8), (3, 40, 64), (4, 16, 16)):
        noise = torch.randint(256, (5, *shape), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
        assert 0 <= of_pairs(noise) < 0.7
    assert of_pairs(noise[:1]) != of_pairs(noise[:1])  # nan of one image


def test_an_option_that_starts_from_another_file_is_composed_without_hydra_too() -> None:
    node = OmegaConf.create({"m": option_node("metrics", "digits_by_class")}).m
    assert "defaults" not in node
    names = list(node.measures)
    assert names[0] == "frechet_digits"
    assert {"manifold", "ms_ssim", "kernel_by_class"} <= set(names)
