"""Distances within each class, against those of a set of that class alone."""

from pathlib import Path

import pytest
import torch

from seesaw.data.images import ImageSet
from seesaw.data.sources.digits import digits
from seesaw.metrics import reference
from seesaw.metrics.by_class import ByClass
from seesaw.metrics.evaluator import Evaluator
from seesaw.metrics.extractors.base import ClassifierExtractor
from seesaw.metrics.frechet import Frechet
from seesaw.metrics.kernel import Kernel
from seesaw.metrics.metric import Metric
from seesaw.metrics.modes import Modes
from seesaw.types import UserError

ALL = digits(32)
assert ALL.y is not None
REALS = ImageSet(ALL.images[:900], "some digits", ALL.y[:900], 10)
OTHER, Y = ALL.images[900:], ALL.y[900:]


@pytest.mark.parametrize("measure", [Frechet(), Kernel()])
def test_each_value_is_that_of_the_class_alone(measure: Metric, tmp_path: Path) -> None:
    evaluator = Evaluator(ClassifierExtractor("digits"), {"by": ByClass(measure, "d", 10)})
    evaluator.prepare(REALS, tmp_path)
    found = evaluator.evaluate([OTHER], len(OTHER), y=Y).values
    assert list(found) == [*(f"d_class_{k}" for k in range(10)), "d_class_mean"]
    for k in (0, 7):
        assert REALS.y is not None
        alone = Evaluator(ClassifierExtractor("digits"), {"d": measure})
        alone.prepare(ImageSet(REALS.images[REALS.y == k], f"class {k}"), tmp_path)
        chosen = OTHER[torch.eq(Y, k)]
        expected = alone.evaluate([chosen], len(chosen)).values["d"]
        assert found[f"d_class_{k}"] == pytest.approx(expected, rel=1e-4, abs=1e-6)
    assert found["d_class_mean"] == pytest.approx(sum(found[f"d_class_{k}"] for k in range(10)) / 10)


def test_samples_that_ignore_their_labels_are_far_from_every_class(tmp_path: Path) -> None:
    measures = {"by": ByClass(Kernel(), "kernel", 10, each=False), "kernel": Kernel()}
    evaluator = Evaluator(ClassifierExtractor("digits"), measures)
    evaluator.prepare(REALS, tmp_path)
    right = evaluator.evaluate([OTHER], len(OTHER), y=Y).values
    wrong = evaluator.evaluate([OTHER], len(OTHER), y=Y.roll(1)).values
    assert list(right) == ["kernel_class_mean", "kernel"]
    assert right["kernel"] == wrong["kernel"]
    assert wrong["kernel_class_mean"] > 10 * right["kernel_class_mean"]


def test_of_a_large_set_the_labels_are_those_of_the_features_that_are_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reference, "KEPT", 300)
    evaluator = Evaluator(ClassifierExtractor("digits"), {"by": ByClass(Kernel(), "kernel", 10)})
    evaluator.prepare(REALS, tmp_path)
    assert len(evaluator.reference.features) == 300
    right, wrong = (evaluator.evaluate([OTHER], len(OTHER), y=y).values["kernel_class_mean"] for y in (Y, Y.roll(1)))
    assert wrong > 10 * right


def test_too_few_reals_samples_or_labels_are_refused_in_a_sentence(tmp_path: Path) -> None:
    def evaluator(least: int) -> Evaluator:
        return Evaluator(ClassifierExtractor("digits"), {"by": ByClass(Kernel(), "kernel", 10, least)})

    with pytest.raises(UserError, match=r"take at least 200 reals of each, and class \d has \d\d of the 900 that are"):
        evaluator(200).prepare(REALS, tmp_path)
    with pytest.raises(UserError, match="class 0 has 0 of the 900"):
        evaluator(20).prepare(ImageSet(REALS.images, "no labels"), tmp_path)
    prepared = evaluator(20)
    prepared.prepare(REALS, tmp_path)
    with pytest.raises(UserError, match="at least 2 samples of each, and class 1 has 0 of the 50: raise metrics"):
        prepared.evaluate([OTHER[:50]], 50, y=torch.zeros(50, dtype=torch.int64))
    with pytest.raises(UserError, match="samples without labels are of no class"):
        prepared.evaluate([OTHER[:50]], 50)
    with pytest.raises(UserError, match=r"distances by class need labels: give data\.labels=true"):
        ByClass(Kernel(), "kernel", 0)
    with pytest.raises(ValueError, match="measure must be a distance by features alone, and Modes is none"):
        ByClass(Modes(), "modes", 10)
    with pytest.raises(ValueError, match="least must be at least 2, not 1"):
        ByClass(Kernel(), "kernel", 10, 1)
