"""The comparison as lines for a terminal, and the words that the page shares."""

import math
import re
import shlex
import textwrap
from collections.abc import Sequence

import pandas as pd

from seesaw.analysis.compare import fork_text as forks
from seesaw.analysis.compare.groups import NOT_RANKED, OUTCOMES, Comparison, Table
from seesaw.analysis.compare.reading import Run, shown
from seesaw.analysis.pages import printable
from seesaw.monitor.verdict import HEALTHY, words
from seesaw.training.rerun import own_overrides

NAME_WIDTH = 44
"""Characters of a group's name in one line."""

NAMED = 10
"""Unhealthy runs that a terminal is shown with their reasons."""


def figure(value: float) -> str:
    """Four significant digits; a dash for NaN."""
    return "-" if math.isnan(value) else format(value, ".4g").replace("inf", "∞")


def whole(value: float) -> str:
    return "-" if math.isnan(value) else format(value, ",.0f")


def spread(median: float, low: float, high: float) -> str:
    """`31.0 (20.7 to 49.3)`: median and range; one value alone has no range."""
    return (
        figure(median) if math.isnan(median) or low == high else f"{figure(median)} ({figure(low)} to {figure(high)})"
    )


def count(group: pd.Series) -> str:
    """`5`, `1 of 3 diverged`, `4 of 5` if some are not counted, `4 of 5, 1 diverged`, `1 diverged` of one run. The number of
    seeds follows if it is smaller."""
    counted, runs = group.counted, group.runs
    words = str(runs) if counted == runs else f"{counted} of {runs}"
    early = [f"{group[outcome]} {outcome}" for outcome in ("diverged", "pruned") if group[outcome]]
    if early and counted == runs:
        words, early = early[0].replace(" ", f" of {runs} " if runs > 1 else " "), early[1:]
    words = ", ".join([words, *early])
    return words if group.seeds == runs else f"{words} ({group.seeds} seed{'s' * (group.seeds != 1)})"


def cells(table: Table) -> pd.DataFrame:
    """The table as text, a row for each group; verdicts where a monitor watched."""
    rows = [
        {
            "": group["rank"], "group": name, "runs": count(group),
            "best": spread(group.best, group.best_low, group.best_high), "best at": figure(group.best_kimg),
            "last": spread(group["last"], group.last_low, group.last_high), "last at": figure(group.last_kimg),
            "modes": whole(group.modes), "updates G / D": f"{whole(group.updates_G)} / {whole(group.updates_D)}",
            "images/s": whole(group.images_per_sec), "verdict": group.verdicts or "-",
        }
        for name, group in table.groups.iterrows()
    ]  # fmt: skip
    watched = [] if (table.groups.verdicts != "").any() else ["verdict"]  # of older runs
    return pd.DataFrame(rows).drop(columns=watched).rename(columns={"best at": "at kimg", "last at": "at kimg"})


def heading(table: Table) -> str:
    if table.protocol == NOT_RANKED:
        return "Not ranked: no finished run of these groups has a distance; --metric NAME compares by another figure"
    return f"{table.name}, {'larger' if table.higher_is_better else 'smaller'} is better"


def legend(table: Table) -> str:
    """What the figures of the table are."""
    if table.protocol == NOT_RANKED:
        return "figures are of all runs of a group"
    if not table.groups.counted.any():
        return "no run has finished, so nothing is ranked"
    return "median (smallest to largest) over the runs of a group; ranked by the median of the best"


def best_run(table: Table) -> list[str]:
    """The best run, and its command where its status holds the overrides."""
    run = table.best_run
    if run is None:
        return []
    named = f"best run: {run.name}, seed {run.seed}"
    own = own_overrides(run.status)
    return [named if own is None else f"{named}: {shlex.join(['seesaw', 'train', *own])}"]


def lengths(table: Table) -> list[str]:
    """A warning if groups were trained for different lengths."""
    kimg = sorted(table.groups.last_kimg.dropna())
    ends = list(dict.fromkeys(f"{end:.0f}" if end >= 10 else f"{end:.3g}" for end in kimg))  # a last batch is no difference
    words = f"lengths differ ({', '.join(ends)} kimg): the curves compare at equal images"
    return [words] if len(ends) > 1 else []


def ended(run: Run) -> str:
    """The state of a run that has not finished: `failed at 12 kimg, frechet_digits 31.2: reason`."""
    measured = math.nan if run.primary is None else run.final(run.primary)
    so_far = "" if math.isnan(measured) else f", {shown(run.primary or '')} {figure(measured)}"
    reason = f": {run.reason}" if run.reason else ""
    alive = run.state == "running" and "updated" in run.status
    last = f"; last sign of life {run.status['updated']}" if alive else ""
    what = f" ({run.status['name']})" if not run.config and "name" in run.status else ""
    return printable(f"{run.name}{what}: {run.outcome} at {run.kimg:.6g} kimg{so_far}{last}{reason}")


def unfinished(comparison: Comparison) -> dict[str, list[str]]:
    """Heading -> a line for each run that has not finished, and for each folder that cannot be read."""
    found = {outcome: [ended(run) for run in runs] for outcome, runs in comparison.unfinished.items()}
    if comparison.broken:
        found.setdefault(OUTCOMES[""], []).extend(map(printable, comparison.broken))
    return found


def differences(comparison: Comparison) -> list[str]:
    """What all have in common, and which keys differ, those in the names first."""
    same = [f"All have {comparison.same}."] if comparison.same else []
    if len(comparison.runs) == 1:
        alone = f"One run{f', {comparison.same}' if same else ''}"
        return [f"{alone}; give several, or a folder that holds them, to compare."]
    if not comparison.keys:
        return [*same, "The runs differ in nothing but seed and place."]
    rest = [key.path for key in comparison.keys if key not in comparison.distinguishing]
    lines = [*same, f"Groups differ in {', '.join(key.path for key in comparison.distinguishing)}."]
    return lines + ([f"Along with these differ {', '.join(rest)}."] if rest else [])


def verdicts(runs: Sequence[Run]) -> list[str]:
    """The runs that their monitor last found unhealthy, and why; empty without any."""
    well = {"", *map(words, HEALTHY)}
    found = [f"  {run.name}: {': '.join(filter(None, run.verdict))}" for run in runs if run.verdict[0] not in well]
    more = [f"  and {len(found) - NAMED} more: see the table of all runs in compare.html"] if len(found) > NAMED else []
    return ["", "Unhealthy by their last verdict:", *found[:NAMED], *more] if found else []


def report(comparison: Comparison, width: int = 160) -> str:
    """The whole comparison as lines of at most `width` characters, except for long names."""
    lines = wrapped(differences(comparison), width)
    for table in comparison.tables:
        lines += ["", printable(heading(table)), *aligned(cells(table), width)]
        lines += wrapped([legend(table), *lengths(table), *best_run(table)], width)
        lines += wrapped([f"protocol: {table.protocol}"] if table.protocol else [], width)
        for pool in table.pools:
            if len(pool.curve) > 1:
                lines += wrapped([f"expected best of k trials, {pool.name}: {budget(pool.curve)}"], width)
    lines += wrapped([*verdicts(comparison.runs), *forks.report(comparison)], width)
    for outcome, of_runs in unfinished(comparison).items():
        lines += ["", f"{outcome}:", *(f"  {line}" for line in of_runs)]
    return "\n".join(lines)


def wrapped(lines: Sequence[str], width: int) -> list[str]:
    return [textwrap.fill(printable(line), min(width, 118), subsequent_indent="  ") for line in lines]


def budget(curve: Sequence[float]) -> str:
    """`31.0 (1), 26.2 (2), 22.0 (5)`: at 1, 2, 5, 10, … trials and at all."""
    ks = [k for k in range(1, len(curve) + 1) if k == len(curve) or re.fullmatch("[125]0*", str(k))]
    return ", ".join(f"{figure(curve[k - 1])} ({k})" for k in ks)


def aligned(table: pd.DataFrame, width: int) -> list[str]:
    """Columns side by side. A long name in the second column takes several lines; the last columns are left out where they
    do not fit into `width`."""
    rows = []
    for first, name, *rest in [tuple(table.columns), *table.itertuples(index=False, name=None)]:
        parts = textwrap.wrap(printable(name), NAME_WIDTH) or [""]
        rows += [[first, parts[0], *rest], *(["", part, *("" for _ in rest)] for part in parts[1:])]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    fit = max([k for k in range(4, len(widths) + 1) if sum(widths[:k]) + 2 * (k - 1) <= width], default=4)
    padded = [
        [c.ljust(w) if i < 2 else c.rjust(w) for i, (c, w) in enumerate(zip(r, widths, strict=True))] for r in rows
    ]
    lines = ["  ".join(cells[:fit]).rstrip() for cells in padded]
    left_out = ", ".join(dict.fromkeys(table.columns[fit:]))
    return lines + ([f"(compare.html has also: {left_out})"] if left_out else [])
