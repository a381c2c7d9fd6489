"""The forks among compared runs in words, for the terminal and the page."""

import math
from collections.abc import Sequence

import pandas as pd

from seesaw.analysis.compare.forks import Effect, Fork, Interval, effects, tree
from seesaw.analysis.compare.groups import NOT_RANKED, Comparison, Table
from seesaw.analysis.compare.reading import Run, number, shown
from seesaw.monitor.verdict import words

EXPLAINED = (
    "Change minus the other, at the last moment that both have, forks of one parent point beside each other. Paired: mean over "
    "the points with Student's 95 % interval; unpaired: the same figures as independent runs, Welch's 95 % interval"
)


def tree_lines(runs: Sequence[Run]) -> list[str]:
    """A line for each run of the tree, indented below its parent."""
    return [line(fork) for fork in tree(runs)]


def rollback_lines(runs: Sequence[Run]) -> list[str]:
    """A line for each time that a run went back."""
    found = []
    for run in runs:
        noted = run.status.get("rollbacks")
        for one in noted if isinstance(noted, list) else []:
            if isinstance(one, dict):
                at, to = (figure(number(one.get(key))) for key in ("at_kimg", "to_kimg"))
                verdict = words(str(one.get("verdict")))
                found.append(f"{run.name}: {verdict} at {at} kimg, back to {to} with {one.get('remedy')}")
    return found


def line(fork: Fork) -> str:
    indent = "   " * (fork.depth - 1) + "└─ " if fork.depth else ""
    at = "" if fork.parent is None else f" at {fork.parent.kimg:.6g} kimg, {fork.parent.label}"
    if fork.run is None:
        return f"{indent}{fork.name}{at} (not among these runs)"
    run = fork.run
    value = math.nan if run.primary is None else run.final(run.primary)
    measured = "" if math.isnan(value) else f", {shown(run.primary or '')} {figure(value)}"
    return f"{indent}{fork.name}{at}: {run.outcome}, {run.kimg:.6g} kimg{measured}"


def figure(value: float) -> str:
    return "-" if math.isnan(value) else format(value, ".4g")


def spread(found: Interval) -> str:
    """`-2.1 (-3.9 to -0.3)`; without an interval the mean alone."""
    if math.isnan(found.low):
        return figure(found.mean)
    return f"{figure(found.mean)} ({figure(found.low)} to {figure(found.high)})"


def cells(found: Sequence[Effect]) -> pd.DataFrame:
    """The effects as text, a row each."""
    rows = [
        {
            "change": effect.change, "against": effect.against,
            "points": f"{effect.points}" + (f", {effect.lost} lost" if effect.lost else ""),
            "paired": spread(effect.paired), "unpaired": spread(effect.unpaired),
            "variance paired / unpaired": " / ".join(map(figure, effect.variances)) if effect.points > 1 else "-",
        }
        for effect in found
    ]  # fmt: skip
    return pd.DataFrame(rows)


def effects_of(comparison: Comparison, table: Table) -> list[Effect]:
    """The effects of forks on the metric of a table."""
    if table.protocol == NOT_RANKED:
        return []
    here = set(table.runs.run[table.runs.metric == table.metric].map(lambda run: run.folder))
    return effects([run for run in comparison.runs if run.folder in here], table.metric)


def of_table(comparison: Comparison, table: Table) -> pd.DataFrame | None:
    """These as text; None where there are none to compare."""
    found = effects_of(comparison, table)
    return cells(found) if found else None


def report(comparison: Comparison) -> list[str]:
    """The lines of a terminal; empty without forks."""
    back, branches = rollback_lines(comparison.runs), tree_lines(comparison.runs)
    lines = ["", "Rolled back:", *(f"  {line}" for line in back)] if back else []
    if not branches:
        return lines
    lines += ["", "Forks:", *(f"  {line}" for line in branches)]
    for table in comparison.tables:
        found = of_table(comparison, table)
        if found is not None:
            direction = "larger" if table.higher_is_better else "smaller"
            lines += ["", f"Effects on {table.name} ({direction} is better)"]
            for row in found.itertuples(index=False, name=None):
                change, against, points, one, other, spreads = row
                how = f"paired {one}, unpaired {other}, variances {spreads}" if spreads != "-" else one
                lines += [f"  {change} against {against}, {points} point{'s' * (points != '1')}: {how}"]
    return [*lines, f"  {EXPLAINED}."] if any(line.startswith("Effects on ") for line in lines) else lines
