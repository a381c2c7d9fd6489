"""The figures of a run so far, as rules read them."""

import math
from collections.abc import Iterable, Mapping
from itertools import pairwise
from typing import NamedTuple

NAN = math.nan

UPDATES = "train/updates/"
"""Begins the names under which the steps of each player are logged."""


class Record(NamedTuple):
    """What one evaluation knows.

    Attributes:
        images: images shown.
        values: by role, where a metric has it (`distance`, lower is better; `coverage`, `precision`, `vendi_ratio`, …), and by
            logged name the means over the training windows since the evaluation before (`train/D/accuracy`, `train/grad_norm/G`).
    """

    images: int
    values: Mapping[str, float]


class History:
    """Records, oldest first, with the questions that rules ask. A figure that was never measured is nan.

    Args:
        records: at least one.
        length: of the run, in images; infinity: unknown.
        settled: images at which a growing model is whole; 0 without growth.
    """

    def __init__(self, records: Iterable[Record], length: float = math.inf, settled: int = 0) -> None:
        self.records, self.length, self.settled = list(records), length, settled

    @property
    def grown(self) -> bool:
        """Whether a growing model has reached its last scale, so that its figures can be held against the reals'."""
        return self.records[-1].images >= self.settled

    def now(self, name: str) -> float:
        """The newest value; nan where the newest record has none that is finite."""
        value = self.records[-1].values.get(name, NAN)
        return value if math.isfinite(value) else NAN

    def series(self, name: str) -> list[float]:
        """All finite values, oldest first."""
        found = (record.values.get(name, NAN) for record in self.records)
        return [value for value in found if math.isfinite(value)]

    @property
    def covered(self) -> float:
        """The newest coverage, as a part of what equally many fresh reals would cover (`coverage_reals`, where it is known)."""
        usual = self.now("coverage_reals")
        return self.now("coverage") / (1.0 if math.isnan(usual) else usual)

    @property
    def updates(self) -> float:
        """Steps of the player that has made most, at the middle of the newest windows; infinity where they are not logged."""
        made = [value for name, value in self.records[-1].values.items() if name.startswith(UPDATES)]
        return max(made, default=math.inf)

    def above(self, name: str, other: str, times: int) -> bool:
        """Whether one figure was above another at each of the newest records."""
        newest = self.records[-times:]
        return len(newest) == times and all(r.values.get(name, NAN) > r.values.get(other, NAN) for r in newest)

    def first(self, name: str) -> float:
        return next(iter(self.series(name)), NAN)

    def least(self, name: str) -> float:
        return min(self.series(name), default=NAN)

    def most(self, name: str) -> float:
        return max(self.series(name), default=NAN)

    def held(self, name: str) -> float:
        """The largest value that two evaluations in a row reached: one lucky value does not count; nan before two are there."""
        values = self.series(name)
        return max((min(pair) for pair in pairwise(values)), default=NAN)

    def median(self, name: str) -> float:
        """Of the values before the newest record; the lower one of two in the middle."""
        values = sorted(History(self.records[:-1]).series(name)) if len(self.records) > 1 else []
        return values[(len(values) - 1) // 2] if values else NAN

    def rising(self, name: str, share: float, by: float) -> bool:
        """Whether the largest value of the last `share` of the images shown is above the largest before by more than `by`; true
        while there is nothing to compare with, false for what was never measured."""
        before, after = self._parts(name, share)
        if not before or not after:
            return bool(before or after)
        return max(after) > max(before) + by

    def _parts(self, name: str, share: float) -> tuple[list[float], list[float]]:
        """The finite values before the last `share` of the images shown, and within it."""
        start = (1 - share) * self.records[-1].images
        before = History([r for r in self.records if r.images <= start]).series(name)
        return before, History([r for r in self.records if r.images > start]).series(name)

    def improving(self, share: float, by: float) -> bool:
        """Whether the best distance of the last `share` of the images shown is better than the best before by more than the
        part `by` of its size; true while there is nothing to compare with. The best that two evaluations in a row had: one
        lucky value does not count, unless a part has no other."""
        before, after = (_steady(values) for values in self._parts("distance", share))
        return math.isnan(before) or math.isnan(after) or after < before - by * abs(before)


def _steady(values: list[float]) -> float:
    """The least value that two in a row did not exceed; the value itself where there is one, nan without any."""
    return min((max(pair) for pair in pairwise(values)), default=values[0] if values else NAN)
