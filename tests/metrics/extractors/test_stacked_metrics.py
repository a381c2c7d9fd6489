"""Mode metrics of stacked digits: the reals are full, a collapsed generator is collapsed."""

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from shipped import evaluator as shipped_evaluator
from shipped import measures

from seesaw.data.images import ImageSet
from seesaw.data.sources.digits import digits
from seesaw.data.sources.stacked import StackedSet, stacked
from seesaw.metrics.extractors.stacked import StackedExtractor
from seesaw.metrics.features import Features

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def reals() -> StackedSet:
    return stacked(digits(32), 26_000, seed=1)


@pytest.fixture(scope="module")
def extractor() -> StackedExtractor:
    made = StackedExtractor("digits")
    made.prepare(CPU)
    return made


def scores(extractor: StackedExtractor, images: torch.Tensor) -> dict[str, float]:
    return described(extractor, torch.cat([extractor(part) for part in images.split(500)]))


def described(extractor: StackedExtractor, features: torch.Tensor) -> dict[str, float]:
    """What does not look at the reals."""
    fakes, found = Features(features, extractor), measures("stacked_digits")
    nothing: Any = None
    return {k: found[f"{k}_stacked_digits"](nothing, fakes) for k in ("modes", "reverse_kl", "confident")}  # type: ignore[misc]


def by_table(reals: StackedSet, features: torch.Tensor) -> torch.Tensor:
    """Features of the stacks from those of the single digits: the same at a fifth of the cost."""
    return features[reals.table].flatten(1)


def test_the_reals_have_all_modes(extractor: StackedExtractor, reals: StackedSet) -> None:
    """26,000 uniform draws miss a triple with probability 1000 e^-26; their KL is about 999 / 52,000 = 0.019."""
    single = torch.cat([extractor.one(part) for part in digits(32).images.split(500)])
    found = described(extractor, by_table(reals, single))
    assert found["modes"] == 1000
    assert found["reverse_kl"] == pytest.approx(0.0192, abs=0.006)
    assert found["confident"] > 0.9


def test_features_of_a_stack_are_those_of_its_digits(extractor: StackedExtractor, reals: StackedSet) -> None:
    some = torch.arange(40)
    single = extractor.one(digits(32).images)
    torch.testing.assert_close(extractor(reals.gather(some)), by_table(reals, single)[:40], atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("k", [1, 3, 20])
def test_a_generator_that_collapsed_to_k_triples_scores_k(
    k: int, extractor: StackedExtractor, reals: StackedSet
) -> None:
    y = reals.y
    assert y is not None
    chosen = torch.stack([(y == label).nonzero()[0, 0] for label in range(0, 1000, 1000 // k)][:k])
    found = scores(extractor, reals.gather(chosen.repeat(400 // k)))
    assert found["modes"] == k
    assert found["reverse_kl"] == pytest.approx(math.log(1000 / k), abs=0.01)


def test_noise_is_not_confident(extractor: StackedExtractor) -> None:
    found = scores(extractor, torch.randint(0, 256, (500, 3, 32, 32), dtype=torch.uint8))
    assert found["confident"] < 0.3


def test_the_distance_sees_collapse(reals: StackedSet, tmp_path: Path) -> None:
    evaluator = shipped_evaluator("stacked_digits", StackedExtractor("digits"), subsets=2, n=300)
    few = ImageSet(reals.gather(torch.arange(1000)), "few")
    evaluator.prepare(few, tmp_path)
    other = evaluator.evaluate([reals.gather(torch.arange(1000, 1300))], 300).values
    collapsed = evaluator.evaluate([reals.gather(torch.arange(6).repeat(50))], 300).values
    assert collapsed["frechet_stacked_digits"] > 5 * other["frechet_stacked_digits"]
