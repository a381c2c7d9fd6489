"""A distance within each class: samples of a class against the reals of that class."""

from collections.abc import Mapping
from dataclasses import replace

import torch
from torch import Tensor

from seesaw.errors import UserError
from seesaw.functional.distances import covariance_factor, moments
from seesaw.metrics.extractors.base import Extractor
from seesaw.metrics.features import Features
from seesaw.metrics.metric import Metric
from seesaw.metrics.reference import Reals, Reference, kept_indices

LEAST = 2
"""Samples of which there is a distance."""


class ByClass(Metric):
    """A distance for each class, logged as NAME_class_K, and their mean as NAME_class_mean: the intra-class FID of Miyato and
    Koyama 2018, by any features and distance. A generator that ignores its labels has a small distance over all, and
    large ones here.

    Of a set of more than 10,000 images it takes the reals whose features are kept. Classes of a data set are unequal, and so
    are the samples of each: they are drawn as often as in the data. A Fréchet distance grows as they get fewer; the unbiased
    kernel distance does not.

    Args:
        measure: the distance, such as `seesaw.metrics.kernel.Kernel`; one value by features alone.
        name: begins the logged names.
        classes: number of classes of the labels.
        least: reals that each class must have.
        each: whether each class is logged, or the mean alone.

    Raises:
        UserError: the run has no labels.
        ValueError: `measure` gives several values or needs more than features, or `least` is below 2.
    """

    scale = "log"

    def __init__(self, measure: Metric, name: str, classes: int, least: int = 20, each: bool = True) -> None:
        if not classes:
            raise UserError(
                "distances by class need labels: give data.labels=true to a class-conditional model, or choose other metrics=…"
            )
        if isinstance(measure.higher_is_better, Mapping) or measure.needs is not object:
            raise ValueError(f"measure must be a distance by features alone, and {type(measure).__name__} is none")
        if least < LEAST:
            raise ValueError(f"least must be at least {LEAST}, not {least}")
        self.measure, self.name, self.classes, self.least, self.each = measure, name, classes, least, each
        names = [*(f"{name}_class_{k}" for k in range(classes if each else 0)), f"{name}_class_mean"]
        self.higher_is_better = dict.fromkeys(names, bool(measure.higher_is_better))
        self.of_class: dict[int, Reference] = {}

    def bind(self, reals: Reals, extractor: Extractor) -> None:
        """Take the labels of the reals. UserError where a class has too few."""
        y = reals.labels(kept_indices(len(reals)))
        counts = torch.zeros(self.classes) if y is None else torch.bincount(y.cpu(), minlength=self.classes)
        fewest = int(counts.argmin())
        if y is None or counts[fewest] < self.least:
            raise UserError(
                f"distances by class take at least {self.least} reals of each, and class {fewest} has {int(counts[fewest])} of "
                f"the {len(reals) if y is None else len(y):,} that are compared: choose other metrics=…, or a set with more of it"
            )
        self.y, self.of_class = y.cpu(), {}

    def bind_labels(self, y: Tensor) -> None:
        """UserError where a class has fewer than 2 samples."""
        counts = torch.bincount(y, minlength=self.classes)
        if int(counts.min()) < LEAST:
            few = int(counts.argmin())
            raise UserError(
                f"distances by class take at least {LEAST} samples of each, and class {few} has {int(counts[few])} of the "
                f"{len(y):,}: raise metrics.n"
            )

    def __call__(self, reals: Reference, fakes: Features) -> dict[str, float]:
        if fakes.y is None:
            raise UserError("samples without labels are of no class: choose other metrics=…")
        self.bind_labels(fakes.y)
        values = [self._distance(k, reals, fakes, fakes.y == k) for k in range(self.classes)]
        each = {f"{self.name}_class_{k}": value for k, value in enumerate(values) if self.each}
        return each | {f"{self.name}_class_mean": sum(values) / len(values)}

    def _distance(self, k: int, reals: Reference, fakes: Features, chosen: Tensor) -> float:
        value = self.measure(self._reference(k, reals), Features(fakes.values[chosen], fakes.extractor))
        assert isinstance(value, float)  # one value, by the constructor
        return value

    def _reference(self, k: int, reals: Reference) -> Reference:
        """The reals of a class, computed once."""
        if k not in self.of_class:
            features = reals.features[self.y == k]
            mean, cov = moments(features)
            self.of_class[k] = replace(
                reals, key=f"{reals.key}-{k}", count=len(features), mean=mean, cov=cov, factor=covariance_factor(cov),
                features=features,
            )  # fmt: skip
        return self.of_class[k]

    def protocol(self, n: int, kept: int) -> str:
        return f"{self.name} by class, {self.classes} of {kept} reals"

    def seconds(self, dim: int, n: int, kept: int) -> float:
        return self.classes * self.measure.seconds(dim, max(n // self.classes, 2), max(kept // self.classes, 2))
