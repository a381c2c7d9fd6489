"""Runs that repeat one experiment, and what holds for them together."""

import math
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from seesaw.analysis.compare.best_of import expected_best
from seesaw.analysis.compare.keys import ABSENT, PARTS, Key, differing_keys, distinguishing_keys, fingerprint, names
from seesaw.analysis.compare.reading import EVAL, Point, Run, metric_of, shown, sort_key

NOT_RANKED = ""
NOTHING = ("None", "none", "constant", "alternating", "adam", "canvas_adam", ABSENT)
"""Options that stand for nothing, or that runs have when they choose no other, and groups that no run chose from."""


OUTCOMES = {
    "diverged": "Diverged, and counted as worse than any other",
    "pruned": "Pruned, and counted by the best that they had reached",
    "": "Not finished, and not in the medians",
}
"""Of runs that have not finished, by their outcome where they are counted."""


@dataclass(frozen=True)
class Summary:
    """Median and range over runs; `kimg` the median of when, over those that did not diverge. Not a number where nothing was
    measured."""

    median: float = math.nan
    low: float = math.nan
    high: float = math.nan
    kimg: float = math.nan


@dataclass(frozen=True)
class Group:
    """Runs of one configuration, whose distances were made by one protocol, or which have none yet.

    Medians are over the runs that had a result. Leaving out those that diverged or were pruned would flatter a group by
    what it lost.
    """

    name: str
    pool: str
    """The name without its numbers: the groups of one pool differ in tuned numbers alone."""
    metric: str
    protocol: str
    higher_is_better: bool
    place: int
    """Of its configuration, in the values of the differing keys."""
    runs: list[Run]

    @cached_property
    def counted(self) -> list[Run]:
        """Those that have finished or were pruned and have the metric, and those that diverged. One that ended for another
        reason, or still runs, is no result of the experiment. Where nothing is ranked: those that have finished."""
        if self.protocol == NOT_RANKED:
            return [run for run in self.runs if run.state == "finished" and self.points(run)]
        ended = [run for run in self.runs if run.diverged or run.state in ("finished", "pruned")]
        return [run for run in ended if run.diverged or self.points(run)]

    def points(self, run: Run) -> list[Point]:
        return run.curve(self.metric)

    def best_of(self, run: Run) -> Point:
        """(kimg, value) of the run's best evaluation; of one that diverged the worst value there is."""
        if run.diverged:
            return math.nan, self.worst
        return min(self.points(run), key=lambda point: sort_key(point[1], self.higher_is_better))

    def last_of(self, run: Run) -> Point:
        """Likewise of its last."""
        return (math.nan, self.worst) if run.diverged else self.points(run)[-1]

    @property
    def worst(self) -> float:
        return -math.inf if self.higher_is_better else math.inf

    @cached_property
    def best(self) -> Summary:
        return self._summary([self.best_of(run) for run in self.counted])

    @cached_property
    def last(self) -> Summary:
        return self._summary([self.last_of(run) for run in self.counted])

    @property
    def median_run(self) -> Run:
        """The counted run in the middle (the better of two), else the one that got furthest."""
        if not self.counted:
            return max(self.runs, key=lambda run: run.kimg)
        ordered = sorted(self.counted, key=lambda run: sort_key(self.best_of(run)[1], self.higher_is_better))
        return ordered[(len(ordered) - 1) // 2]

    def median_of(self, figure: Callable[[Run], float | None]) -> float:
        """Of the counted runs that did not diverge, or of all where there is none; not a number where no run has it."""
        whole = [run for run in self.counted if not run.diverged] or self.runs
        found = [value for run in whole if (value := figure(run)) is not None]
        return statistics.median(found) if found else math.nan

    @property
    def modes(self) -> float:
        start = f"{EVAL}modes_"
        column = next((c for run in self.runs for c in run.columns if c.startswith(start) and c[-4:] != "_raw"), "")
        return self.median_of(lambda run: run.final(column))

    @property
    def seeds(self) -> int:
        return len({str(run.seed) for run in self.runs})

    def _summary(self, points: Sequence[Point]) -> Summary:
        if not points:
            return Summary()
        values = [value if math.isfinite(value) else self.worst for _, value in points]
        kimg = [kimg for kimg, _ in points if not math.isnan(kimg)]
        return Summary(
            statistics.median(values), min(values), max(values), statistics.median(kimg) if kimg else math.nan
        )


@dataclass(frozen=True)
class Pool:
    """The trials whose expected best is drawn as one curve. One trial is one run that had a result; see `Group.counted`."""

    name: str
    groups: list[Group]

    @cached_property
    def curve(self) -> list[float]:
        """The expected best of 1, 2, … trials."""
        values = [sort_key(g.best_of(run)[1], g.higher_is_better) for g in self.groups for run in g.counted]
        return [-v if self.groups[0].higher_is_better else v for v in expected_best(values)]


@dataclass(frozen=True)
class Table:
    """Groups that may be ranked: one metric and its direction, one protocol. Best first. protocol NOT_RANKED: nothing to rank
    them by."""

    metric: str
    protocol: str
    higher_is_better: bool
    groups: list[Group]

    @property
    def name(self) -> str:
        """The metric as tables show it."""
        return shown(self.metric)

    @cached_property
    def pools(self) -> list[Pool]:
        """In the order of their best group."""
        found: dict[str, list[Group]] = {}
        for group in self.groups:
            found.setdefault(group.pool, []).append(group)
        return [Pool(name, groups) for name, groups in found.items()]


@dataclass(frozen=True)
class Comparison:
    """All that is found of the runs. `keys`: those that differ, `distinguishing`: those that name the groups."""

    parent: Path
    runs: list[Run]
    broken: list[str]
    keys: list[Key]
    distinguishing: list[Key]
    tables: list[Table]
    same: str = ""
    """Options that all have, `model=mlp data=digits`, without what does nothing; empty where older versions ran."""
    without_config: list[Run] = field(default_factory=list)
    """Runs that ended before they had a configuration."""

    @property
    def ended_early(self) -> list[Run]:
        return [run for run in self.runs if run.state != "finished"]

    @cached_property
    def counted(self) -> set[Path]:
        """The folders of the runs that are in a median."""
        return {run.folder for table in self.tables for group in table.groups for run in group.counted}

    @property
    def unfinished(self) -> dict[str, list[Run]]:
        """Runs that have not finished, by what that means for the medians; words that mean none of them are left out."""
        words = {run.folder: OUTCOMES[run.outcome if run.folder in self.counted else ""] for run in self.ended_early}
        found = {
            outcome: [run for run in self.ended_early if words[run.folder] == outcome] for outcome in OUTCOMES.values()
        }
        return {outcome: runs for outcome, runs in found.items() if runs}


def compare_runs(parent: Path, runs: list[Run], broken: list[str], asked: str | None) -> Comparison:
    """Group the runs, name the groups by what differs, and put them into tables by metric and protocol."""
    whole, without_config = [run for run in runs if run.config], [run for run in runs if not run.config]
    by_config: dict[object, list[Run]] = {}
    for run in whole:
        by_config.setdefault(fingerprint(run.config), []).append(run)
    sets = list(by_config.values())
    choices = [chosen(members) for members in sets]
    keys = differing_keys([members[0].config for members in sets], choices)
    found = distinguishing_keys(keys, len(sets))
    full, pools = names(found, keys, len(sets)), names([k for k in found if k.named], keys, len(sets), numbered=False)
    primaries = list(dict.fromkeys(run.primary for run in whole if run.primary))
    groups: list[Group] = []
    for place, members in enumerate(sets):
        for kind, some in _by_protocol(members, asked, primaries).items():
            groups.append(Group(full[place], pools[place], *kind, place, some))
    return Comparison(parent, runs, broken, keys, found, _tables(groups), equal_choices(choices), without_config)


def chosen(members: list[Run]) -> dict[str, str]:
    """What was typed for runs of one configuration: of the first that knows. A group that the model does not take is absent."""
    known = next((run.choices for run in members if run.choices), {})
    return known and known | {group: ABSENT for group in PARTS if group in known and group not in members[0].config}


def equal_choices(choices: Sequence[Mapping[str, str]]) -> str:
    """`model=mlp data=digits`: the options that all have in common, but those that stand for nothing."""
    options = {group: {chosen.get(group) for chosen in choices} for group in ("model", "data", *PARTS)}
    one = {group: str(*found) for group, found in options.items() if len(found) == 1}
    return " ".join(f"{group}={name}" for group, name in one.items() if name not in NOTHING)


Kind = tuple[str, str, bool]
"""Metric (a column), protocol, whether higher is better: what may be ranked together."""


def _by_protocol(members: list[Run], asked: str | None, primaries: list[str]) -> dict[Kind, list[Run]]:
    """The runs of one configuration by metric and protocol. Those without one (an older version, before its end) are counted to
    the others' where these have but one."""
    found: dict[Kind, list[Run]] = {}
    for run in members:
        found.setdefault(_judged_by(run, asked, primaries), []).append(run)
    ranked = [kind for kind in found if kind[1] != NOT_RANKED]
    nothing = ("", NOT_RANKED, False)
    rest = found.get(nothing, [])
    if len(ranked) == 1 and rest:
        return {ranked[0]: [run for run in members if run in found[ranked[0]] or run in rest]}
    if rest:  # curves are drawn of what they have
        metrics = [(m, run.higher_is_better(m)) for run in rest if (m := metric_of(run, asked, primaries))]
        metric, higher = (metrics or [("", False)])[0]
        return {kind: some for kind, some in found.items() if kind in ranked} | {(metric, NOT_RANKED, higher): rest}
    return found


def _judged_by(run: Run, asked: str | None, primaries: list[str]) -> Kind:
    """Metric and protocol of what it has measured, or else of what it will."""
    metric = metric_of(run, asked, primaries) or (run.primary if asked is None else None) or ""
    protocol = run.protocol if metric.startswith(EVAL) else "statistics of training"
    return (metric, protocol, run.higher_is_better(metric)) if metric and protocol else ("", NOT_RANKED, False)


def _tables(groups: list[Group]) -> list[Table]:
    """The ranked ones in the order of their first group, then what cannot be ranked."""
    found: dict[Kind, list[Group]] = {}
    for group in groups:
        ranked = group.protocol != NOT_RANKED
        kind = (group.metric, group.protocol, group.higher_is_better) if ranked else ("", NOT_RANKED, False)
        found.setdefault(kind, []).append(group)
    tables = [Table(*kind, sorted(some, key=_rank)) for kind, some in found.items()]
    return sorted(tables, key=lambda table: table.protocol == NOT_RANKED)


def _rank(group: Group) -> tuple[float, bool, float, str]:
    """By the median of the best; where half of the runs or more diverged, by the best of the others."""
    higher = group.higher_is_better
    best = [sort_key(group.best_of(run)[1], higher) for run in group.counted]
    return sort_key(group.best.median, higher), not best, min(best, default=math.inf), group.name
