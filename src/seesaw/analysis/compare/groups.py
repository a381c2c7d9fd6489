"""Which runs repeat one experiment, and the figures of such a group."""

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from seesaw.analysis.compare.best_of import expected_best
from seesaw.analysis.compare.keys import ABSENT, PARTS, Key, differing_keys, distinguishing_keys, fingerprint, names
from seesaw.analysis.compare.reading import EVAL, Run, metric_of, shown

NOT_RANKED = ""
MODES = (f"{EVAL}modes_", f"{EVAL}valid_modes_")
"""Columns that count modes; where a classifier finds them, only valid images count."""
NOTHING = ("None", "none", "constant", "alternating", "adam", "canvas_adam", ABSENT)
"""Options without effect, defaults, and groups that no run chose from."""

OUTCOMES = {
    "diverged": "Diverged, and counted as worse than any other",
    "pruned": "Pruned, and counted by the best that they had reached",
    "": "Not finished, and not in the medians",
}
"""Headings over the runs that have not finished, by outcome; the last is for those that are not counted."""


class Pool(NamedTuple):
    """The trials whose expected best is drawn as one curve. One trial is one counted run.

    Attributes:
        curve: the expected best of 1, 2, … trials.
        place: of its best group in the table.
        groups: their number.
    """

    name: str
    curve: list[float]
    place: int
    groups: int


@dataclass(frozen=True)
class Table:
    """Groups that may be ranked: one metric with its direction, one protocol.

    Attributes:
        metric: a column of metrics.csv; empty if nothing can be ranked.
        protocol: NOT_RANKED if there is nothing to rank by.
        runs: one row a run, as `_result` gives it.
    """

    metric: str
    protocol: str
    higher_is_better: bool
    runs: pd.DataFrame

    @property
    def name(self) -> str:
        """The metric as tables show it."""
        return shown(self.metric)

    @cached_property
    def groups(self) -> pd.DataFrame:
        """One row a group, best first: `rank` (empty if none), `best` and `last` with `_low`, `_high` and `_kimg`, numbers of
        runs, and medians of the other figures.

        The medians of best and last are over the counted runs. Leaving out those that diverged or were pruned would flatter a
        group. Groups are ranked by the median of the best; if at least half of the runs diverged, by the best of the others.
        """
        groups = self.runs.groupby("group", sort=False)
        counted = self.runs[self.runs.counted].groupby("group", sort=False)
        found = groups.agg(
            pool=("pool", "first"), place=("place", "first"), metric=("metric", "first"), runs=("run", "size"),
            seeds=("seed", "nunique"), counted=("counted", "sum"),
        )  # fmt: skip
        for figure in ("best", "last"):
            of_runs = (
                counted[figure]
                .agg(["median", "min", "max"])
                .set_axis([figure, f"{figure}_low", f"{figure}_high"], axis=1)
            )
            found = found.join(of_runs).join(counted[f"{figure}_kimg"].median())
        for outcome in ("diverged", "pruned"):
            found[outcome] = (self.runs.counted & (self.runs.outcome == outcome)).groupby(self.runs.group).sum()
        whole = self.runs.counted & (self.runs.outcome != "diverged")
        whole |= ~whole.groupby(self.runs.group).transform("any")
        others = ["modes", "updates_G", "updates_D", "images_per_sec"]
        found = found.join(self.runs[whole].groupby("group")[others].median())
        found["verdicts"] = groups["verdict"].agg(verdicts)
        order = pd.DataFrame({
            "median": self.sort_key(found.best), "uncounted": found.counted == 0,
            "top": self.sort_key(found.best_high if self.higher_is_better else found.best_low), "name": found.index,
        })  # fmt: skip
        found = found.loc[order.sort_values(list(order)).index]
        ranked = (found.counted > 0) & (self.protocol != NOT_RANKED)
        return found.assign(rank=ranked.cumsum().astype(str).where(ranked, ""))

    def sort_key(self, values: pd.Series) -> pd.Series:
        """Values of the metric so that smaller is better; what is not finite is worse than any other."""
        signed = -values if self.higher_is_better else values
        return signed.where(np.isfinite(signed), math.inf)

    def runs_of(self, group: str) -> list[Run]:
        return list(self.runs.run[self.runs.group == group])

    def median_run(self, group: str) -> Run:
        """The counted run in the middle (the better of two), else the one that got furthest."""
        runs = self.runs[self.runs.group == group]
        if not runs.counted.any():
            return max(runs.run, key=lambda run: run.kimg)
        ordered = self.sort_key(runs.best[runs.counted]).sort_values(kind="stable")
        middle: Run = runs.run[ordered.index[(len(ordered) - 1) // 2]]
        return middle

    @property
    def best_run(self) -> Run | None:
        """The counted run with the best value; None where nothing is ranked."""
        counted = self.runs[self.runs.counted]
        if self.protocol == NOT_RANKED or counted.empty:
            return None
        best: Run = counted.run[self.sort_key(counted.best).idxmin()]
        return best

    @cached_property
    def pools(self) -> list[Pool]:
        """In the order of their best groups; none where nothing is ranked."""
        found = []
        if self.protocol != NOT_RANKED:
            for name, groups in self.groups.assign(at=range(len(self.groups))).groupby("pool", sort=False):
                values = self.sort_key(self.runs.best[self.runs.counted & (self.runs.pool == name)])
                curve = [-v if self.higher_is_better else v for v in expected_best(values.tolist())]
                found.append(Pool(str(name), curve, int(groups["at"].min()), len(groups)))
        return found


def verdicts(words: Iterable[str]) -> str:
    """`healthy` where all of a group's runs are; `2 healthy, 1 collapsed`, most first; empty where nothing watched them."""
    counts = Counter(word for word in words if word)
    if len(counts) == 1:
        return next(iter(counts))
    return ", ".join(f"{number} {word}" for word, number in counts.most_common())


@dataclass(frozen=True)
class Comparison:
    """All that is found of the runs.

    Attributes:
        parent: the folder that holds all runs.
        broken: an error sentence for each folder that cannot be read.
        keys: those in which the configurations differ.
        distinguishing: those of them that name the groups.
        same: the options that all have, `model=mlp data=digits`, without those of no effect; empty for older versions.
    """

    parent: Path
    runs: list[Run]
    broken: list[str]
    keys: list[Key]
    distinguishing: list[Key]
    tables: list[Table]
    same: str = ""

    @property
    def unfinished(self) -> dict[str, list[Run]]:
        """The runs that have not finished, by what that means for the medians."""
        counted = {run.folder for table in self.tables for run in table.runs.run[table.runs.counted]}
        found: dict[str, list[Run]] = {outcome: [] for outcome in OUTCOMES.values()}
        for run in self.runs:
            if run.state != "finished":
                found[OUTCOMES[run.outcome if run.folder in counted else ""]].append(run)
        return {outcome: runs for outcome, runs in found.items() if runs}


def compare_runs(parent: Path, runs: list[Run], broken: list[str], asked: str | None) -> Comparison:
    """Group the runs, name the groups by the options that differ, and put them into tables by metric and protocol."""
    by_config: dict[object, list[Run]] = {}
    for run in runs:
        if run.config:
            by_config.setdefault(fingerprint(run.config), []).append(run)
    sets = list(by_config.values())
    choices = [chosen(members) for members in sets]
    keys = differing_keys([members[0].config for members in sets], choices)
    found = distinguishing_keys(keys, len(sets))
    full, pools = names(found, keys, len(sets)), names([k for k in found if k.named], keys, len(sets), numbered=False)
    primaries = list(dict.fromkeys(run.primary for run in runs if run.config and run.primary))
    rows = [
        {"group": full[place], "pool": pools[place], "place": place} | _result(run, kind)
        for place, members in enumerate(sets)
        for run, kind in _kinds(members, asked, primaries)
    ]
    return Comparison(parent, runs, broken, keys, found, _tables(pd.DataFrame(rows)), equal_choices(choices))


def chosen(members: list[Run]) -> dict[str, str]:
    """What was typed for runs of one configuration, from the first that knows. Groups that the model does not take are absent."""
    known = next((run.choices for run in members if run.choices), {})
    return known and known | {group: ABSENT for group in PARTS if group in known and group not in members[0].config}


def equal_choices(choices: Sequence[Mapping[str, str]]) -> str:
    """`model=mlp data=digits`: the options that all have in common, without those of no effect."""
    options = {group: {chosen.get(group) for chosen in choices} for group in ("model", "data", *PARTS)}
    one = {group: str(*found) for group, found in options.items() if len(found) == 1}
    return " ".join(f"{group}={name}" for group, name in one.items() if name not in NOTHING)


class Kind(NamedTuple):
    """What may be ranked together."""

    metric: str
    protocol: str
    higher_is_better: bool


def _kinds(members: list[Run], asked: str | None, primaries: list[str]) -> list[tuple[Run, Kind]]:
    """The runs of one configuration with their kind. Runs without a protocol (of an older version, before its end) belong to the
    others if these have only one; else they are not ranked, and are shown by what they have measured."""
    kinds = [_kind(run, asked, primaries) for run in members]
    ranked = list(dict.fromkeys(kind for kind in kinds if kind.protocol != NOT_RANKED))
    rest = [run for run, kind in zip(members, kinds, strict=True) if kind.protocol == NOT_RANKED]
    if len(ranked) == 1:
        instead = ranked[0]
    else:
        metrics = [(m, NOT_RANKED, run.higher_is_better(m)) for run in rest if (m := metric_of(run, asked, primaries))]
        instead = Kind(*metrics[0]) if metrics else Kind("", NOT_RANKED, False)
    pairs = [(run, instead if kind.protocol == NOT_RANKED else kind) for run, kind in zip(members, kinds, strict=True)]
    return sorted(pairs, key=lambda pair: pair[1].protocol == NOT_RANKED)


def _kind(run: Run, asked: str | None, primaries: list[str]) -> Kind:
    """By what it has measured, or else by what it will measure."""
    metric = metric_of(run, asked, primaries) or (run.primary if asked is None else None) or ""
    protocol = run.protocol if metric.startswith(EVAL) else "statistics of training"
    return Kind(metric, protocol, run.higher_is_better(metric)) if metric and protocol else Kind("", NOT_RANKED, False)


def _result(run: Run, kind: Kind) -> dict[str, Any]:
    """The figures of one run.

    `counted`: it finished or was pruned and has the metric, or it diverged, which is the worst value there is. A run that ended
    for another reason, or is still running, is no result of the experiment. Where nothing is ranked: it finished.
    """
    worst = -math.inf if kind.higher_is_better else math.inf
    points = run.curve(kind.metric)
    points = points.where(np.isfinite(points), worst)
    counted = run.diverged or (run.state in ("finished", "pruned") and len(points) > 0)
    if kind.protocol == NOT_RANKED:
        counted = run.state == "finished"
    best, best_kimg, last, last_kimg = math.nan, math.nan, math.nan, math.nan
    if run.diverged and (counted or len(points)):
        best = last = worst
    elif len(points):
        at = int(points.argmax() if kind.higher_is_better else points.argmin())
        best, best_kimg, last, last_kimg = points.iloc[at], points.index[at], points.iloc[-1], points.index[-1]
    modes = next((c for c in run.columns if c.startswith(MODES) and not c.endswith("_raw")), "")
    return {
        "run": run, "metric": kind.metric, "kind": kind, "seed": str(run.seed), "outcome": run.outcome, "counted": counted,
        "best": best, "best_kimg": best_kimg, "last": last, "last_kimg": last_kimg, "modes": run.final(modes),
        "updates_G": run.final("train/updates/G"), "updates_D": run.final("train/updates/D"),
        "images_per_sec": run.curve("train/images_per_sec").median(), "verdict": run.verdict[0],
    }  # fmt: skip


def _tables(results: pd.DataFrame) -> list[Table]:
    """The ranked ones in the order of their first group, then what cannot be ranked."""
    found: dict[Kind, list[int]] = {}
    for at, kind in enumerate(results["kind"] if len(results) else ()):
        found.setdefault(kind if kind.protocol != NOT_RANKED else Kind("", NOT_RANKED, False), []).append(at)
    tables = [Table(*kind, results.iloc[rows].reset_index(drop=True)) for kind, rows in found.items()]
    return sorted(tables, key=lambda table: table.protocol == NOT_RANKED)
