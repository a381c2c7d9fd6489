"""The base class of metrics: one file each, and one entry each in the configuration."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import ClassVar, Literal, NamedTuple

import numpy as np
from torch import Tensor

from seesaw.errors import UserError
from seesaw.metrics.extractors.base import Extractor
from seesaw.metrics.features import Features
from seesaw.metrics.reference import Reals, Reference

Scale = Literal["log", "zero", "linear"]
"""A vertical axis: logarithmic where all values are above 0, linear from 0, or linear around the values."""


ROLES = {
    "precision": "share of samples among the reals, in [0, 1]",
    "recall": "share of reals among the samples, in [0, 1]",
    "density": "how many reals' neighbourhoods hold a sample, over what is expected; about 1 for reals",
    "coverage": "share of reals whose neighbourhood holds a sample, in [0, 1]",
    "coverage_reals": "what as many further reals as samples would cover",
    "vendi_ratio": "effective number of different samples over that of the reals",
    "ms_ssim": "mean structural similarity of pairs of samples, at most 1",
    "ms_ssim_reals": "that of pairs of reals",
    "authentic": "share of samples that are no copies, in [0, 1]",
    "authentic_reals": "that of held-out reals",
    "fld_gap": "how much likelier held-out reals are than training reals under a mixture at the samples; below 0: memorised",
    "c_t": "how much farther samples lie from the training reals than held-out reals do, in standard errors; below 0: copies",
    "duplicates": "share of samples that nearly equal another one, in [0, 1]",
    "mode_share": "modes found over modes known, in [0, 1]",
    "reverse_kl": "KL of the samples' histogram over the modes, in nats",
    "valid": "share of samples that are valid images of the set, in [0, 1]",
    "inception_score": "by a classifier, from 1 to the number of its classes",
}
"""What metrics are evidence of. Beside these an evaluation has `distance`, the primary metric with lower as better, `drift`, and
the figures of the players (`seesaw.experiment.Experiment.player_figures`)."""


class Panel(NamedTuple):
    """How a value is drawn in curves.png."""

    title: str
    scale: Scale


class Metric(ABC):
    """One number, or several, of generated samples against the reals.

    All metrics of an evaluation see the same features, extracted once, and share what they derive from these. A new metric
    is a subclass in a file of its own, and an entry under `measures` in a YAML file of the configuration group `metrics`:

        defaults: [digits, _self_]
        measures:
          spread_digits: {_target_: my_package.spread.Spread}

    The name of the entry is the name that is logged, as `eval/spread_digits`.

    Attributes:
        higher_is_better: the direction. A metric of several values gives a mapping from the name of each value to its
            direction; these names are logged in the place of the entry's.
        needs: the protocol that the extractor must satisfy, such as `seesaw.metrics.extractors.base.Classifies`.
        title: heading in curves.png; empty: the logged name.
        scale: vertical axis in curves.png.
        role: what the value is evidence of, whatever features it is taken by (`ROLES`); a metric of several values gives a
            mapping from names of values to roles. Empty: none.
        sees_images: whether it asks for `Features.images`.
        beside: whether it stands beside the distances: runs with and without it compare, so how it is measured is no part of the
            line by which they do.
    """

    higher_is_better: bool | Mapping[str, bool] = False
    needs: ClassVar[type] = object
    title: ClassVar[str] = ""
    scale: ClassVar[Scale] = "linear"
    role: str | Mapping[str, str] = ""
    sees_images: ClassVar[bool] = False
    beside: ClassVar[bool] = False

    def attach(self, extractor: Extractor) -> None:  # noqa: B027 - most metrics have nothing to do here
        """Receive the extractor when the evaluator is made, before any name is read: a metric of several values may name them
        by it."""

    def bind(self, reals: Reals, extractor: Extractor) -> None:  # noqa: B027 - most metrics have nothing to do here
        """Receive the reals before anything is measured, on every process. Raises UserError where the metric has no meaning."""

    def bind_labels(self, y: Tensor) -> None:  # noqa: B027 - most metrics have nothing to do here
        """Receive the labels (n,) that every evaluation of a run will ask for, before it trains. Raises UserError where they do
        not do."""

    @abstractmethod
    def __call__(self, reals: Reference, fakes: Features) -> float | Mapping[str, float]:
        """The value, or the values by the names in `higher_is_better`.

        Args:
            reals: statistics of the real images.
            fakes: features of n generated samples, on the CPU, with their labels where the model takes labels.
        """

    def evidence(self, values: Mapping[str, float]) -> dict[str, float]:
        """The values of the last call by their roles, for what judges a run without knowing its features (`seesaw.monitor`).

        Args:
            values: by the names that are logged.
        """
        if isinstance(self.role, Mapping):
            return {role: values[name] for name, role in self.role.items() if name in values}
        return dict.fromkeys([self.role], *values.values()) if self.role and values else {}

    def protocol(self, n: int, kept: int) -> str:
        """What the values depend on besides extractor, reals and counts, in words; empty where there is nothing.

        Args:
            n: number of generated samples.
            kept: number of reals of which the features are known.
        """
        return ""

    def seconds(self, dim: int, n: int, kept: int) -> float:
        """Estimated duration of one call on features of `dim` dimensions; 0 where it is negligible."""
        return 0.0


def directions(name: str, metric: Metric) -> dict[str, bool]:
    """The logged names of a metric's values, each with whether higher is better.

    Args:
        name: of its entry in the configuration.
    """
    if isinstance(metric.higher_is_better, Mapping):
        return {str(key): bool(higher) for key, higher in metric.higher_is_better.items()}
    return {name: bool(metric.higher_is_better)}


def panels(measures: Mapping[str, Metric]) -> dict[str, Panel]:
    """The panel of each value by its logged name."""
    found = {}
    for name, metric in measures.items():
        several = isinstance(metric.higher_is_better, Mapping)
        for key in directions(name, metric):
            found[key] = Panel(key if several or not metric.title else metric.title, metric.scale)
    return found


def named(name: str, metric: Metric, result: float | Mapping[str, float]) -> dict[str, float]:
    """The values of one call by their logged names.

    Raises:
        ValueError: the metric gave other names than `higher_is_better` has.
    """
    values = dict(result) if isinstance(result, Mapping) else {name: result}
    expected = directions(name, metric)
    if set(values) != set(expected):
        raise ValueError(
            f"metrics.measures.{name}: {type(metric).__name__} gave {', '.join(values) or 'no value'}, and its "
            f"higher_is_better names {', '.join(expected)}"
        )
    for key, value in values.items():
        number = isinstance(value, int | float | np.number) or (isinstance(value, Tensor) and value.numel() == 1)
        if not number or isinstance(value, bool):
            given = f"a tensor of shape {tuple(value.shape)}" if isinstance(value, Tensor) else f"a {type(value).__name__}"
            raise UserError(
                f"metrics.measures.{name}: {type(metric).__module__}.{type(metric).__name__} returned {given} as {key}; expected "
                "is a float"
            )
    return {key: float(values[key]) for key in expected}
