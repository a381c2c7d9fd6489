"""The share of samples that are of the requested class, on real digits, stacks and points."""

from pathlib import Path
from typing import Any

import pytest
import torch
from shipped import measures

from seesaw.data.images import ImageSet
from seesaw.data.sources.digits import digits
from seesaw.functional.mixtures import draw, ring
from seesaw.metrics.evaluator import Evaluator
from seesaw.metrics.extractors.base import ClassifierExtractor
from seesaw.metrics.extractors.points import PointsExtractor
from seesaw.metrics.extractors.stacked import StackedExtractor
from seesaw.metrics.features import Features
from seesaw.metrics.recognised import Recognised
from seesaw.types import UserError

REFERENCE: Any = None  # the metric reads nothing of it


def test_real_digits_are_recognised_and_other_labels_are_not() -> None:
    reals, extractor = digits(32), ClassifierExtractor("digits")
    assert reals.y is not None
    features = extractor(reals.images[:500])
    metric, y = Recognised(10), reals.y[:500]
    assert metric(REFERENCE, Features(features, extractor, y)) > 0.97
    assert metric(REFERENCE, Features(features, extractor, (y + 1) % 10)) < 0.02
    half = torch.cat([y[:250], (y[250:] + 1) % 10])
    assert metric(REFERENCE, Features(features, extractor, half)) == pytest.approx(0.5, abs=0.02)


def test_all_three_channels_of_a_stack_must_be_right() -> None:
    one, extractor = digits(32), StackedExtractor("digits")
    assert one.y is not None
    images = torch.cat([one.images[:100], one.images[100:200], one.images[200:300]], 1)
    y = 100 * one.y[:100] + 10 * one.y[100:200] + one.y[200:300]
    features, metric = extractor(images), Recognised(1000)
    assert metric(REFERENCE, Features(features, extractor, y)) > 0.9
    assert metric(REFERENCE, Features(features, extractor, (y + 1) % 1000)) < 0.05  # one digit of three is wrong


def test_a_point_is_of_the_nearest_mode() -> None:
    points, modes = draw(ring(8, 1.0), 0.01, 1000, 0)
    extractor, metric = PointsExtractor("ring", 8, 1.0, 0.01), Recognised(8)
    assert metric(REFERENCE, Features(points, extractor, modes)) == 1
    assert metric(REFERENCE, Features(points, extractor, (modes + 4) % 8)) == 0


def test_a_run_without_labels_logs_nothing(tmp_path: Path) -> None:
    """The shipped entry, which then has 0 classes."""
    evaluator = Evaluator(ClassifierExtractor("digits"), measures("digits"), 100)
    assert "recognised_digits" not in evaluator.higher_is_better
    reals = ImageSet(digits(32).images[:300], "some digits")
    evaluator.prepare(reals, tmp_path)
    assert "recognised_digits" not in evaluator.evaluate([reals.images[:100]], 100).values


def test_another_number_of_classes_is_refused_before_anything_is_measured(tmp_path: Path) -> None:
    evaluator = Evaluator(ClassifierExtractor("digits"), {"recognised_digits": Recognised(26)})
    with pytest.raises(UserError, match=r"digits knows 10 classes, and the labels have 26; choose other metrics=…"):
        evaluator.prepare(ImageSet(digits(32).images[:50], "some digits"), tmp_path)
    with pytest.raises(UserError, match="samples without labels are of no requested class"):
        Recognised(10)(REFERENCE, Features(torch.zeros(2, 64), ClassifierExtractor("digits")))
