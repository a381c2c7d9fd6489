"""Forks among the runs: the tree of who comes from whom, and what a change does at one point of a run.

Forks of one parent point share everything up to it: weights, optimisers, latents and the order of reals after it. So the
difference between two of them is one observation of the effect of the change, without the spread that the runs had before. Over
the points of several seeds these paired differences have a mean with a 95 % interval by Student's t of n - 1 degrees of freedom;
beside it stands the interval that the same figures give as two independent samples (Welch's t).
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from seesaw.analysis.compare.reading import Run, number
from seesaw.config.command_line import key_of

UNCHANGED = "no change"
"""The label of a fork without overrides, and of its parent's own way on."""

CONFIDENCE = 0.95


class Parent(NamedTuple):
    """The parent that the status of a fork names: its folder, the images in thousands at which the fork began, the content hash
    of the checkpoint, and what was changed."""

    folder: Path
    kimg: float
    digest: str
    label: str


class Fork(NamedTuple):
    """A run in the tree: its depth (a root has 0), the run (None: a parent that is not among those compared), its name, and
    what it is a fork by."""

    depth: int
    run: Run | None
    name: str
    parent: Parent | None


class Interval(NamedTuple):
    """A mean and its 95 % interval; NaN where there are too few values."""

    mean: float
    low: float
    high: float


class Effect(NamedTuple):
    """What a change does to the metric at equal images.

    Attributes:
        change: what was changed; `against`: what it is compared with.
        points: of parents at which both were measured; `lost`: at which one of the two diverged or has no finite value.
        paired: mean of the differences, change minus the other, with Student's interval over the points.
        unpaired: the same difference with Welch's interval, as if the runs were independent.
        variances: of the paired differences, and the sum of those of the two samples, which is that of an unpaired difference.
    """

    change: str
    against: str
    points: int
    lost: int
    paired: Interval
    unpaired: Interval
    variances: tuple[float, float]


def parent_of(run: Run) -> Parent | None:
    """The parent in a run's status; None where it is no fork. The folder may come from a stranger."""
    found = run.status.get("parent")
    if not isinstance(found, dict) or not isinstance(found.get("path"), str):
        return None
    given = found.get("overrides")
    changes = [str(one) for one in given if key_of(str(one)) != "seed"] if isinstance(given, list) else []
    folder = Path(found["path"]).parent.parent
    if folder.parent == run.folder.resolve():  # of its own: it was rolled back
        return None
    return Parent(folder, number(found.get("kimg")), str(found.get("sha256", "")), " ".join(changes) or UNCHANGED)


def tree(runs: Sequence[Run]) -> list[Fork]:
    """Every fork and what it comes from, parents before their forks; runs that have none are left out."""
    home = {run.folder.resolve(): run for run in runs}
    parents = {run.folder.resolve(): parent for run in runs if (parent := parent_of(run)) is not None}
    below: dict[Path, list[Path]] = {}
    for folder, parent in parents.items():
        below.setdefault(parent.folder, []).append(folder)

    def walk(folder: Path, depth: int, seen: frozenset[Path]) -> Iterator[Fork]:
        run = home.get(folder)
        yield Fork(depth, run, folder.name if run is None else run.name, parents.get(folder))
        for child in sorted(below.get(folder, ()), key=lambda c: (parents[c].kimg, parents[c].label, str(c))):
            if child not in seen:  # a stranger's folders may name each other
                yield from walk(child, depth + 1, seen | {child})

    roots = [folder for folder in below if folder not in parents]
    return [fork for root in roots for fork in walk(root, 0, frozenset({root}))]


def effects(runs: Sequence[Run], metric: str) -> list[Effect]:
    """What each change does, against no change where some point has that, else against the change that stands at most points.

    The value of a run is that at the last moment, after the point, at which both of a pair were measured.
    """
    points = curves_by_point(runs, metric)
    counts: dict[str, int] = {}
    for labels in points:
        for label in labels:
            counts[label] = counts.get(label, 0) + 1
    if len(counts) < 2:
        return []
    against = UNCHANGED if UNCHANGED in counts else max(counts, key=lambda label: counts[label])
    return [effect(points, change, against) for change in counts if change != against]


Curves = Mapping[str, list[tuple[float, Any]]]
"""Of one parent point: label -> its runs, each with the images of the point and its curve of the metric by kimg."""


def curves_by_point(runs: Sequence[Run], metric: str) -> list[Curves]:
    """The forks of each parent point, and the parent itself, which goes on without a change, where no fork does."""
    home = {run.folder.resolve(): run for run in runs}
    forks = [(parent, run) for run in runs if (parent := parent_of(run)) is not None]
    forks.sort(key=lambda pair: pair[0].digest)
    found: list[Curves] = []
    for _, members in groupby(forks, key=lambda pair: pair[0].digest):
        labels: dict[str, list[tuple[float, Any]]] = {}
        for parent, run in members:
            labels.setdefault(parent.label, []).append((parent.kimg, finite_curve(run, metric)))
            before = home.get(parent.folder)
            point = parent.kimg
        if before is not None and UNCHANGED not in labels:
            labels[UNCHANGED] = [(point, finite_curve(before, metric))]
        found.append(labels)
    return found


def finite_curve(run: Run, metric: str) -> Any:
    """The curve of the metric; of a run that diverged none of its values counts, as no later one exists."""
    curve = run.curve(metric)
    return curve.iloc[:0] if run.diverged else curve[np.isfinite(curve)]


def effect(points: Sequence[Curves], change: str, against: str) -> Effect:
    """The change against the other one over all points that have both."""
    pairs, lost = [], 0
    for labels in points:
        if change not in labels or against not in labels:
            continue
        pair = values_at_equal_images(labels[change], labels[against])
        pairs += [pair] if pair is not None else []
        lost += pair is None
    one, other = (np.array([pair[i] for pair in pairs], dtype=float) for i in (0, 1))
    return Effect(change, against, len(pairs), lost, paired(one, other), welch(one, other), variances(one, other))


def values_at_equal_images(
    one: Sequence[tuple[float, Any]], other: Sequence[tuple[float, Any]]
) -> tuple[float, float] | None:
    """The two values (means over runs of other seeds from the same point) at the last moment that all curves have behind the
    point; None where there is none."""
    start = max(kimg for kimg, _ in (*one, *other))
    moments = set.intersection(*(set(curve.index) for _, curve in (*one, *other)))
    last = max((moment for moment in moments if moment > start), default=None)
    if last is None:
        return None
    a, b = (float(np.mean([curve.groupby(level=0).last()[last] for _, curve in runs])) for runs in (one, other))
    return a, b


def paired(one: Any, other: Any) -> Interval:
    """Mean of one - other and its interval by Student's t over the pairs, n - 1 degrees of freedom."""
    differences = one - other
    n = len(differences)
    spread = math.sqrt(float(differences.var(ddof=1)) / n) if n > 1 else math.nan
    return interval(differences, spread, n - 1)


def welch(one: Any, other: Any) -> Interval:
    """The difference of the means and its interval by Welch's t, as of independent samples."""
    n = len(one)
    if n < 2:
        return interval(one - other, math.nan, 0)
    a, b = (float(sample.var(ddof=1)) / n for sample in (one, other))
    freedom = (a + b) ** 2 * (n - 1) / (a**2 + b**2) if a + b > 0 else n - 1
    return interval(one - other, math.sqrt(a + b), freedom)


def interval(differences: Any, spread: float, freedom: float) -> Interval:
    if not len(differences):
        return Interval(math.nan, math.nan, math.nan)
    mean = float(differences.mean())
    if math.isnan(spread):
        return Interval(mean, math.nan, math.nan)
    from scipy.stats import t  # takes a second, and few comparisons hold forks

    half = float(t.ppf(0.5 + CONFIDENCE / 2, freedom)) * spread
    return Interval(mean, mean - half, mean + half)


def variances(one: Any, other: Any) -> tuple[float, float]:
    """Of the paired differences, and of the difference of two independent runs."""
    if len(one) < 2:
        return math.nan, math.nan
    return float((one - other).var(ddof=1)), float(one.var(ddof=1) + other.var(ddof=1))
