"""A metric of one's own: one class, one entry; what all metrics of an evaluation share."""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from hydra import compose, initialize_config_dir
from hydra.utils import instantiate
from shipped import CONF, measures
from sklearn.neighbors import NearestNeighbors

from seesaw.data.images import ImageSet
from seesaw.data.sources.digits import digits
from seesaw.metrics.evaluator import Evaluator
from seesaw.metrics.extractors.base import ClassifierExtractor, Frozen
from seesaw.metrics.extractors.points import PointsExtractor
from seesaw.metrics.features import Features
from seesaw.metrics.gate import rule
from seesaw.metrics.metric import Metric, directions, panels
from seesaw.metrics.reference import Reference

RULE = rule(ClassifierExtractor("digits"))

OWN = '''
"""Precision and recall by the k-th neighbours (Kynkäänniemi et al. 2019), written where seesaw does not know of it."""

import torch

from seesaw.metrics.metric import Metric


class PrecisionRecall(Metric):
    higher_is_better = {"own_precision": True, "own_recall": True}
    scale = "zero"

    def __init__(self, k: int = 3) -> None:
        self.k = k

    def __call__(self, reals, fakes):
        of = {"own_precision": (reals.features, fakes.values), "own_recall": (fakes.values, reals.features)}
        return {name: self.share(*pair) for name, pair in of.items()}

    def share(self, known, asked):
        radius = torch.cdist(known, known).kthvalue(self.k + 1, dim=1).values
        return (torch.cdist(asked, known) <= radius).any(1).float().mean().item()

    def protocol(self, n, kept):
        return f"precision and recall by {self.k} neighbours"
'''
YAML = """
defaults: [digits, _self_]
primary: own_precision
measures:
  neighbours: {_target_: own_metric.PrecisionRecall, k: 5}
"""


@pytest.fixture(scope="module")
def reals() -> ImageSet:
    return ImageSet(digits(32).images[:600], "some digits")


def test_one_file_and_one_entry_are_enough(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reals: ImageSet) -> None:
    """Composed as `--config-dir` does, by the shipped digits.yaml and an entry more; the values are scikit-learn's."""
    (tmp_path / "own_metric.py").write_text(OWN)
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "metrics").mkdir()
    (tmp_path / "metrics" / "mine.yaml").write_text(YAML)
    (tmp_path / "top.yaml").write_text(
        f"hydra: {{searchpath: ['file://{CONF.parent}']}}\ndefaults: [metrics: mine, _self_]\n"
    )
    with initialize_config_dir(str(tmp_path), version_base="1.3"):
        node: Any = compose("top").metrics
    callback = instantiate(node, _convert_="all", evaluate_kimg=1.0)
    assert callback.higher_is_better["own_precision"]
    evaluator = callback.evaluator
    evaluator.prepare(reals, tmp_path)
    other = digits(32).images[600:1200]
    found = evaluator.evaluate([other], 600)
    assert list(found.values)[:4] == ["frechet_digits", "kernel_digits", "valid_modes_digits", "valid_digits"]
    real, fake = (evaluator.extractor(x).numpy() for x in (reals.images, other))
    for name, (known, asked) in {"own_precision": (real, fake), "own_recall": (fake, real)}.items():
        radius = NearestNeighbors(n_neighbors=6).fit(known).kneighbors(known)[0][:, -1]
        distance, index = NearestNeighbors(n_neighbors=600).fit(known).kneighbors(asked)
        assert found.values[name] == pytest.approx((distance <= radius[index]).any(1).mean(), abs=0.004)
        assert 0.5 < found.values[name] < 1
    label = found.protocol.label()
    assert "; kernel distance over all samples and 600 reals; precision and recall by 5" in label
    assert found.protocol.beside.startswith("precision and recall k=3 (<=), density and coverage k=5 (<), of 600 samples")
    assert "k=3" not in label  # a run without these figures compares
    assert label.endswith(f"; precision and recall by 5 neighbours; {RULE}")
    del sys.modules["own_metric"]


class Counting(ClassifierExtractor):
    """Counts the images that it is shown, and the samples that its classifier's head sees."""

    def __init__(self) -> None:
        super().__init__("digits")
        self.seen = self.classified = self.assigned = 0

    def taken(self, images: torch.Tensor) -> torch.Tensor:
        self.seen += len(images)
        return super().taken(images)

    def probabilities(self, features: torch.Tensor) -> torch.Tensor:
        self.classified += len(features)
        return super().probabilities(features)

    def assign(self, fakes: Any) -> Any:
        self.assigned += 1
        return super().assign(fakes)


def test_all_metrics_share_one_pass_and_what_they_derive_from_it(
    tmp_path: Path, reals: ImageSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken = []
    moments = sys.modules["seesaw.metrics.features"].moments  # type: ignore[attr-defined]
    monkeypatch.setattr("seesaw.metrics.features.moments", lambda x: taken.append(len(x)) or moments(x))
    extractor = Counting()
    twice = measures("digits") | {f"{name}_again": metric for name, metric in measures("digits").items()}
    evaluator = Evaluator(extractor, twice)
    evaluator.prepare(reals, tmp_path)
    assert (extractor.seen, extractor.classified) == (600, 0)
    known = len(evaluator.reference.features)  # the gate classifies the reals, once
    for k in (1, 2):
        values = evaluator.evaluate([reals.images[:200]], 200).values
        counts = (extractor.seen, extractor.classified, extractor.assigned, taken)
        assert counts == (600 + 200 * k, known + 200 * k, k, [200] * k)
    logged = [name for name in measures("digits") if name != "recognised_digits"]  # of runs with labels
    assert all(values[name] == values[f"{name}_again"] for name in logged)


class Given(Metric):
    """Gives what it was made with."""

    def __init__(self, higher: bool | Mapping[str, bool], values: float | Mapping[str, float] = 0.0) -> None:
        self.higher_is_better, self.values = higher, values

    def __call__(self, reals: Reference, fakes: Features) -> float | Mapping[str, float]:
        return self.values


def test_a_metric_of_several_values_has_names_of_its_own() -> None:
    several = {"a": Given(True), "b": Given({"x": False, "y": True})}
    assert Evaluator(ClassifierExtractor("digits"), several).higher_is_better == {"a": True, "x": False, "y": True}
    assert directions("b", several["b"]) == {"x": False, "y": True}
    assert {name: panel.title for name, panel in panels(several).items()} == {"a": "a", "x": "x", "y": "y"}


@pytest.mark.parametrize(("metric", "message"), [
    (Given(False, {"one": 1.0}), "metrics.measures.one_of_mine: Given gave one, and its higher_is_better names one_of_mine"),
    (Given({"x": True, "y": True}, {"x": 1.0}), "Given gave x, and its higher_is_better names x, y"),
    (Given({"x": True}, 1.0), "Given gave one_of_mine, and its higher_is_better names x"),
])  # fmt: skip
def test_values_under_other_names_are_refused(tmp_path: Path, reals: ImageSet, metric: Metric, message: str) -> None:
    evaluator = Evaluator(ClassifierExtractor("digits"), {"one_of_mine": metric})
    evaluator.prepare(reals, tmp_path)
    with pytest.raises(ValueError, match=message):
        evaluator.evaluate([reals.images[:10]], 10)


def test_two_metrics_of_one_name_are_refused() -> None:
    with pytest.raises(ValueError, match=r"measures\.b: another metric is logged as a already"):
        Evaluator(ClassifierExtractor("digits"), {"a": Given(False), "b": Given({"a": True})})


def test_an_extractor_that_lacks_what_a_metric_needs_is_refused() -> None:
    class Plain(Frozen):
        name, dim, resize, path = "plain", 3, "as they are", Path()  # type: ignore[assignment]

        def load(self) -> Any: ...
        def features(self, images: torch.Tensor) -> torch.Tensor: ...

    valid = measures("digits")["valid_digits"]
    with pytest.raises(
        ValueError, match=r"^measures.c: Valid needs an extractor that has probabilities\(\), and gauss"
    ):
        Evaluator(PointsExtractor("ring", 8, 1.0, 0.01), {"c": valid})
    with pytest.raises(
        ValueError, match=r"^measures.m: Modes needs an extractor that has assign\(\), and plain does not"
    ):
        Evaluator(Plain(), {"m": measures("digits")["valid_modes_digits"]})
    Evaluator(Plain(), measures("fid"))


def test_labels_reach_the_metrics(tmp_path: Path, reals: ImageSet) -> None:
    class Right(Metric):
        higher_is_better = True

        def __call__(self, reals: Reference, fakes: Features) -> float:
            assert fakes.y is not None
            return (fakes.probabilities.argmax(1) == fakes.y).float().mean().item()

    y = digits(32).y
    assert y is not None
    evaluator = Evaluator(ClassifierExtractor("digits"), {"accuracy": Right()})
    evaluator.prepare(reals, tmp_path)
    assert evaluator.evaluate([reals.images], 600, y=y[:600]).values["accuracy"] > 0.97
    assert evaluator.evaluate([reals.images], 600, y=(y[:600] + 1) % 10).values["accuracy"] < 0.03
