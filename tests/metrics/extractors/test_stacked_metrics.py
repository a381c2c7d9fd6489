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
from seesaw.metrics.gate import Gate, gate_of

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def reals() -> StackedSet:
    return stacked(digits(32), 26_000, seed=1)


@pytest.fixture(scope="module")
def extractor() -> StackedExtractor:
    made = StackedExtractor("digits")
    made.prepare(CPU)
    return made


@pytest.fixture(scope="module")
def stacks(extractor: StackedExtractor, reals: StackedSet) -> torch.Tensor:
    """Features of all reals."""
    return by_table(reals, torch.cat([extractor.one(part) for part in digits(32).images.split(500)]))


@pytest.fixture(scope="module")
def looks(extractor: StackedExtractor, reals: StackedSet) -> torch.Tensor:
    """The looks of all reals."""
    return by_table(reals, torch.cat([extractor.one.look(part) for part in digits(32).images.split(500)]))


@pytest.fixture(scope="module")
def gate(extractor: StackedExtractor, stacks: torch.Tensor, looks: torch.Tensor) -> Gate:
    """Of 10,000 stacks, as many as a reference keeps."""
    return gate_of(stacks[:10_000], extractor.probabilities, looks[:10_000], True)


@pytest.fixture(scope="module")
def valid(extractor: StackedExtractor, gate: Gate, stacks: torch.Tensor, looks: torch.Tensor) -> torch.Tensor:
    """Which of the reals are valid: their numbers."""
    return gate.valid(stacks, extractor.probabilities(stacks), looks).nonzero()[:, 0]


def scores(extractor: StackedExtractor, gate: Gate, images: torch.Tensor, times: int = 1) -> dict[str, float]:
    """Of images that a generator draws so many times each."""
    features, look = (of(images).repeat(times, 1) for of in (extractor, extractor.look))
    return described(extractor, gate, features, look)


def described(extractor: StackedExtractor, gate: Gate, features: torch.Tensor, look: torch.Tensor) -> dict[str, float]:
    """What does not look at the reals."""
    fakes, found = Features(features, extractor, gate=gate, look=look), measures("stacked_digits")
    nothing: Any = None
    names = ("valid_modes", "valid_reverse_kl", "valid")
    return {k: found[f"{k}_stacked_digits"](nothing, fakes) for k in names}  # type: ignore[misc]


def by_table(reals: StackedSet, features: torch.Tensor) -> torch.Tensor:
    """Features of the stacks from those of the single digits: the same at a fifth of the cost."""
    return features[reals.table].flatten(1)


def test_the_reals_have_all_modes(
    extractor: StackedExtractor, gate: Gate, stacks: torch.Tensor, looks: torch.Tensor
) -> None:
    """26,000 uniform draws miss a triple with probability 1000 e^-26; their KL is about 999 / 52,000 = 0.019. The gate, which was
    fitted to these very digits, passes nearly all of them, and expects what it passes of others."""
    found = described(extractor, gate, stacks, looks)
    v, a = found["valid"], gate.accepted
    outside = (1 - v) * math.log((1 - v) / (1 - a)) if v < 1 else 0.0
    assert found["valid_modes"] == 1000
    assert found["valid_reverse_kl"] == pytest.approx(v * (999 / 52_000 + math.log(v / a)) + outside, abs=0.006)
    assert v > 0.9


def test_features_of_a_stack_are_those_of_its_digits(
    extractor: StackedExtractor, reals: StackedSet, stacks: torch.Tensor, looks: torch.Tensor
) -> None:
    some = torch.arange(40)
    torch.testing.assert_close(extractor(reals.gather(some)), stacks[:40], atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(extractor.look(reals.gather(some)), looks[:40], atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("k", [1, 3, 20])
def test_a_generator_that_collapsed_to_k_triples_scores_k(
    k: int, extractor: StackedExtractor, gate: Gate, reals: StackedSet, valid: torch.Tensor
) -> None:
    y = reals.y
    assert y is not None
    chosen = torch.stack([rows[0] for label in y[valid].unique() if len(rows := valid[y[valid] == label])][:k])
    found = scores(extractor, gate, reals.gather(chosen), 400 // k)
    assert found["valid_modes"] == k
    assert found["valid_reverse_kl"] == pytest.approx(math.log(1000 / k / gate.accepted), abs=0.01)


def test_noise_has_no_valid_stack_and_no_modes(extractor: StackedExtractor, gate: Gate) -> None:
    found = scores(extractor, gate, torch.randint(0, 256, (200, 3, 32, 32), dtype=torch.uint8))
    assert (found["valid"], found["valid_modes"]) == (0, 0)
    assert found["valid_reverse_kl"] == pytest.approx(-math.log(1 - gate.accepted))


def test_the_distance_sees_collapse(reals: StackedSet, tmp_path: Path) -> None:
    evaluator = shipped_evaluator("stacked_digits", StackedExtractor("digits"), subsets=2, n=300)
    few = ImageSet(reals.gather(torch.arange(1000)), "few")
    evaluator.prepare(few, tmp_path)
    other = evaluator.evaluate([reals.gather(torch.arange(1000, 1300))], 300).values
    collapsed = evaluator.evaluate([reals.gather(torch.arange(6).repeat(50))], 300).values
    assert collapsed["frechet_stacked_digits"] > 5 * other["frechet_stacked_digits"]
