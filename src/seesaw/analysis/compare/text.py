"""The comparison as lines for a terminal, and the words that the page shares."""

import math
import textwrap
from collections.abc import Sequence

from seesaw.analysis.compare.groups import NOT_RANKED, OUTCOMES, Comparison, Group, Summary, Table
from seesaw.analysis.compare.reading import Run, shown

_NAME = 44  # characters of a name in one line


def plain(words: str) -> str:
    """Without what could steer a terminal: what runs wrote is not to be trusted."""
    return "".join(c if c.isprintable() else " " for c in words)


def figure(value: float) -> str:
    """Four significant digits; a dash where there is none."""
    return "-" if math.isnan(value) else format(value, ".4g").replace("inf", "∞")


def whole(value: float) -> str:
    return "-" if math.isnan(value) else format(value, ",.0f")


def spread(summary: Summary) -> str:
    """`31.0 (20.7 to 49.3)`: median and range; one value alone has no range."""
    if math.isnan(summary.median) or summary.low == summary.high:
        return figure(summary.median)
    return f"{figure(summary.median)} ({figure(summary.low)} to {figure(summary.high)})"


def count_of(group: Group) -> str:
    """`5`, `1 of 3 diverged`, `4 of 5` where some are not counted, `4 of 5, 1 diverged`, `1 diverged` of one; with the seeds
    where fewer."""
    ranked = group.counted if group.protocol != NOT_RANKED else [r for r in group.runs if r.state == "finished"]
    counted, runs = len(ranked), len(group.runs)
    words = str(runs) if counted == runs else f"{counted} of {runs}"
    early = [f"{n} {what}" for what in ("diverged", "pruned") if (n := sum(run.outcome == what for run in ranked))]
    if early and counted == runs:
        words, early = early[0].replace(" ", f" of {runs} " if runs > 1 else " "), early[1:]
    words = ", ".join([words, *early])
    return words if group.seeds == runs else f"{words} ({group.seeds} seed{'s' * (group.seeds != 1)})"


def cells(group: Group, rank: str) -> list[str]:
    """A row of a table, as `headers` names them."""
    updates = [whole(group.median_of(lambda run, p=player: run.final(f"train/updates/{p}"))) for player in "GD"]  # type: ignore[misc]
    return [
        rank,
        group.name,
        count_of(group),
        spread(group.best),
        figure(group.best.kimg),
        spread(group.last),
        figure(group.last.kimg),
        whole(group.modes),
        " / ".join(updates),
        whole(group.median_of(speed)),
    ]


def headers(table: Table) -> list[str]:
    return ["", "group", "runs", "best", "at kimg", "last", "at kimg", "modes", "updates G / D", "images/s"]


def speed(run: Run) -> float | None:
    """Images per second, the median of the run's rows: pauses for evaluations do not count."""
    column = "train/images_per_sec"
    values = sorted(row[column] for row in run.rows if column in row)
    return values[len(values) // 2] if values else None


def rows(table: Table) -> list[list[str]]:
    """The groups, ranked where they may be."""
    ranked = [group for group in table.groups if group.counted and table.protocol != NOT_RANKED]
    return [cells(g, f"{ranked.index(g) + 1}" if g in ranked else "") for g in table.groups]


def heading(table: Table) -> str:
    if table.protocol == NOT_RANKED:
        return "Not ranked: no finished run of these groups has a distance; --metric NAME compares by another figure"
    return f"{table.name}, {'larger' if table.higher_is_better else 'smaller'} is better"


def legend(table: Table) -> str:
    """What the figures of the table are."""
    if table.protocol == NOT_RANKED:
        return "figures are of all runs of a group"
    if not any(group.counted for group in table.groups):
        return "no run has finished, so nothing is ranked"
    return "median (smallest to largest) over the runs of a group; ranked by the median of the best"


def lengths(table: Table) -> str | None:
    """A warning where groups were trained for different lengths."""
    ends = sorted({round(group.last.kimg) for group in table.groups if not math.isnan(group.last.kimg)})
    if len(ends) < 2:
        return None
    return f"lengths differ ({', '.join(map(str, ends))} kimg): the curves compare at equal images"


def ended(run: Run) -> str:
    """How a run that has not finished stands: `failed at 12 kimg, frechet_digits 31.2: reason`."""
    measured = None if run.primary is None else run.final(run.primary)
    so_far = "" if measured is None else f", {shown(run.primary or '')} {figure(measured)}"
    reason = f": {run.reason}" if run.reason else ""
    last = (
        "; last sign of life " + str(run.status["updated"])
        if run.state == "running" and "updated" in run.status
        else ""
    )
    what = f" ({run.status['name']})" if not run.config and "name" in run.status else ""
    return plain(f"{run.name}{what}: {run.outcome} at {run.kimg:.6g} kimg{so_far}{last}{reason}")


def differences(comparison: Comparison) -> list[str]:
    """What all have in common, and which keys differ, those in the names first."""
    same = [f"All have {comparison.same}."] if comparison.same else []
    if len(comparison.runs) == 1:
        return [
            f"One run{f', {comparison.same}' if same else ''}; give several, or a folder that holds them, to compare."
        ]
    if not comparison.keys:
        return [*same, "The runs differ in nothing but seed and place."]
    rest = [key.path for key in comparison.keys if key not in comparison.distinguishing]
    lines = [*same, f"Groups differ in {', '.join(key.path for key in comparison.distinguishing)}."]
    return lines + ([f"Along with these differ {', '.join(rest)}."] if rest else [])


def report(comparison: Comparison) -> str:
    """All of it, as lines."""
    lines = [textwrap.fill(plain(line), 118) for line in differences(comparison)]
    for table in comparison.tables:
        lines += ["", plain(heading(table)), *aligned([headers(table), *rows(table)]), legend(table)]
        lines += [note] if (note := lengths(table)) else []
        lines += [textwrap.fill(f"protocol: {plain(table.protocol)}", 118)] if table.protocol else []
        for pool in table.pools if table.protocol else []:
            if len(pool.curve) > 1:
                lines.append(plain(f"expected best of k trials, {pool.name}: {budget(pool.curve)}"))
    for outcome, of_runs in unfinished(comparison).items():
        lines += ["", f"{outcome}:", *(f"  {line}" for line in of_runs)]
    return "\n".join(lines)


def unfinished(comparison: Comparison) -> dict[str, list[str]]:
    """What that means for the medians -> a line for each run that has not finished, and for each folder that cannot be read."""
    found = {outcome: [ended(run) for run in runs] for outcome, runs in comparison.unfinished.items()}
    if comparison.broken:
        found.setdefault(OUTCOMES[""], []).extend(plain(line) for line in comparison.broken)
    return found


def budget(curve: Sequence[float]) -> str:
    """`31.0 (1), 26.2 (2), 22.0 (5)`: at 1, 2, 5, 10, … trials and at all."""
    ks = [k for k in range(1, len(curve) + 1) if k == len(curve) or str(k).rstrip("0") in ("1", "2", "5")]
    return ", ".join(f"{figure(curve[k - 1])} ({k})" for k in ks)


def aligned(table: list[list[str]]) -> list[str]:
    """Columns side by side; the second, the names, broken into several lines where it is long."""
    broken = [[*r[:1], *[plain(c) for c in r[1:]]] for r in table]
    names = [textwrap.wrap(r[1], _NAME) or [""] for r in broken]
    widths = [max(len(r[i]) for r in broken) for i in range(len(table[0]))]
    widths[1] = max(len(line) for lines in names for line in lines)
    out = []
    for row, (first, *more) in zip(broken, names, strict=True):
        parts = [first if i == 1 else cell for i, cell in enumerate(row)]
        out.append(
            "  ".join(p.ljust(w) if i < 2 else p.rjust(w) for i, (p, w) in enumerate(zip(parts, widths, strict=True)))
        )
        out += [" " * (widths[0] + 2) + line for line in more]
    return [line.rstrip() for line in out]
