"""What the shipped digits' distance sees, the cache of the reals' statistics, and the protocol."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from shipped import evaluator as shipped_evaluator
from torchvision.transforms.functional import gaussian_blur

from seesaw.data.images import ImageSet
from seesaw.data.sources.digits import digits
from seesaw.functional.distances import frechet_distance, kernel_distance, moments
from seesaw.metrics.evaluator import Evaluation, Evaluator
from seesaw.metrics.extractors.base import ClassifierExtractor
from seesaw.metrics.gate import rule
from seesaw.metrics.kernel import Kernel
from seesaw.metrics.reference import reference_key

RULE = rule(ClassifierExtractor("digits"))


@pytest.fixture(scope="module")
def reals() -> ImageSet:
    return digits(32)


@pytest.fixture(scope="module")
def evaluator(reals: ImageSet, tmp_path_factory: pytest.TempPathFactory) -> Evaluator:
    evaluator = shipped_evaluator("digits", ClassifierExtractor("digits"))
    evaluator.prepare(reals, tmp_path_factory.mktemp("cache"))
    return evaluator


@pytest.fixture(scope="module")
def floor(evaluator: Evaluator) -> float:
    return sum(evaluator.half_floor(seed) for seed in range(5)) / 5


def measured(evaluator: Evaluator, images: torch.Tensor) -> Evaluation:
    return evaluator.evaluate(iter(images.split(300)), len(images))


def test_the_reals_themselves_have_no_distance(evaluator: Evaluator, reals: ImageSet) -> None:
    found = measured(evaluator, reals.images)
    assert found.values["frechet_digits"] == pytest.approx(0, abs=1e-6)
    assert found.values["valid_modes_digits"] == 10
    assert found.values["valid_digits"] > 0.95


def test_other_reals_pass_the_bar(evaluator: Evaluator, reals: ImageSet, floor: float) -> None:
    order = torch.randperm(len(reals), generator=torch.Generator().manual_seed(11))
    half = measured(evaluator, reals.gather(order[: len(reals) // 2])).values
    assert 0 < half["frechet_digits"] < 5 * floor
    for seed in range(5):
        assert evaluator.half_floor(seed) < 5 * floor


def test_blurred_reals_fail_the_bar(evaluator: Evaluator, reals: ImageSet, floor: float) -> None:
    """A standard deviation of 2 px, half a pixel of the original 8x8 images."""
    blurred = measured(evaluator, gaussian_blur(reals.images, [13, 13], [2.0, 2.0])).values
    assert blurred["frechet_digits"] > 5 * floor
    assert blurred["valid_modes_digits"] == 10


def test_noisy_reals_fail_the_bar(evaluator: Evaluator, reals: ImageSet, floor: float) -> None:
    noise = 20 * torch.randn(reals.images.shape, generator=torch.Generator().manual_seed(0))
    noisy = (reals.images + noise).round().clamp(0, 255).to(torch.uint8)
    assert measured(evaluator, noisy).values["frechet_digits"] > 5 * floor


def test_missing_classes_fail_the_bar(evaluator: Evaluator, reals: ImageSet, floor: float) -> None:
    assert reals.y is not None
    eight = measured(evaluator, reals.images[reals.y < 8]).values
    assert eight["frechet_digits"] > 5 * floor
    assert eight["valid_modes_digits"] in (8, 9)  # a clumsy 1 may be taken for an 8


def test_a_collapsed_set_scores_badly(evaluator: Evaluator, reals: ImageSet, floor: float) -> None:
    collapsed = measured(evaluator, reals.images[:1].expand(500, -1, -1, -1)).values
    assert collapsed["frechet_digits"] > 50 * floor
    assert collapsed["valid_modes_digits"] == 1


def test_values_are_the_distances_of_the_features(evaluator: Evaluator, reals: ImageSet) -> None:
    some = reals.images[:400]
    features, all_of_them = evaluator.extractor(some), evaluator.extractor(reals.images)
    values = evaluator.evaluate(iter([some[:300], reals.images[300:900]]), 400).values  # the rest is left
    found = frechet_distance(*moments(all_of_them), *moments(features))
    assert values["frechet_digits"] == pytest.approx(found, rel=1e-4)
    assert values["kernel_digits"] == pytest.approx(kernel_distance(all_of_them, features), rel=1e-4)


def test_the_kernel_distance_over_subsets(evaluator: Evaluator, reals: ImageSet, tmp_path: Path) -> None:
    by_subsets = shipped_evaluator("digits", ClassifierExtractor("digits"), subsets=5)
    by_subsets.prepare(reals, tmp_path)
    blurred = gaussian_blur(reals.images, [13, 13], [3.0, 3.0])
    found, other = (measured(e, blurred) for e in (by_subsets, evaluator))
    assert found.values["kernel_digits"] == pytest.approx(other.values["kernel_digits"], rel=0.15)
    assert found.values["kernel_digits"] != other.values["kernel_digits"]
    assert found.protocol.details == f"kernel distance over 5 subsets of 1000; {RULE}"


def test_too_few_images_are_refused(evaluator: Evaluator, reals: ImageSet) -> None:
    with pytest.raises(ValueError, match="20 images were to be measured, 10 came"):
        evaluator.evaluate(iter([reals.images[:10]]), 20)


@pytest.mark.parametrize(("option", "value"), [("n", 1), ("batch_size", 0), ("subsets", 0)])
def test_options_out_of_range_are_refused(option: str, value: int) -> None:
    with pytest.raises(ValueError, match=f"{option} must be .*not {value}"):
        Kernel(value) if option == "subsets" else Evaluator(ClassifierExtractor("digits"), {}, **{option: value})


@pytest.mark.parametrize("options", [{}, {"n": 40}, {"n": 1200, "subsets": 3}, {"n": 64, "subsets": 2}])
def test_the_protocol_is_known_before_anything_is_measured(reals: ImageSet, tmp_path: Path, options: Any) -> None:
    one = shipped_evaluator("digits", ClassifierExtractor("digits"), **options)
    one.extractor.prepare(torch.device("cpu"))
    promised = one.protocol(reals)
    one.prepare(reals, tmp_path)
    assert measured(one, reals.images[: one.count]).protocol == promised
    kept = one.reference.features[: promised.fake_count]
    if "subsets" in options:
        assert (
            promised.details == f"kernel distance over {options['subsets']} subsets of {min(len(kept), 1000)}; {RULE}"
        )


def test_the_protocol_describes_the_measurement(evaluator: Evaluator, reals: ImageSet) -> None:
    protocol = evaluator.evaluate(iter([reals.images[:50]]), 50, "raw").protocol
    assert protocol.as_dict() == {
        "extractor": "digits",
        "weights_hash": evaluator.extractor.weights_hash,
        "resize": "channel mean, bilinear antialiased to 32 px, [-1, 1]",
        "reference": "digits 1797x1x32x32",
        "reference_hash": reals.identity[:12],
        "reference_count": 1797,
        "fake_count": 50,
        "details": f"kernel distance over all samples and 1797 reals; {RULE}",
        "generator": "raw",
        "beside": "",
    }
    json.dumps(protocol.as_dict())
    assert "50 raw samples against 1797 reals of digits 1797x1x32x32" in protocol.label()
    assert "\n" not in protocol.label()


def test_the_protocol_tells_sets_of_one_name_and_shape_apart(evaluator: Evaluator, reals: ImageSet) -> None:
    changed = reals.images.clone()
    changed[0, 0, 0, 0] += 1
    other = ImageSet(changed, reals.name, reals.y, reals.classes)
    assert other.description == reals.description
    assert evaluator.protocol(other).label() != evaluator.protocol(reals).label()
    assert reference_key(other, evaluator.extractor) != reference_key(reals, evaluator.extractor)


def test_as_many_images_as_reals_by_default(evaluator: Evaluator, reals: ImageSet, tmp_path: Path) -> None:
    assert evaluator.count == 1797
    few = shipped_evaluator("digits", ClassifierExtractor("digits"), n=64)
    few.prepare(reals, tmp_path)
    assert few.count == 64
