"""The curves of a table, as one PNG and as panels of the page."""

import math
import textwrap
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.legend import Legend
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from seesaw.analysis.compare.groups import Table
from seesaw.analysis.pages import GREY, new_figure, save, style
from seesaw.training.axes import SINGLE, log_axis
from seesaw.util import PALETTE, atomic_write

NOTES = {
    None: "Median over all runs of a group that had got so far; the band reaches from the smallest to the largest.",
    "train/loss/D": "Losses of different kinds do not compare.",
    "train/loss/G": "",
}
BUDGET = (
    "What k runs may be expected to find: the mean, over all choices of k of them without replacement, of the best (Lucic et al. "
    "2018). There is no point where k runs might all diverge. The last point rests on one run."
)


class Panel(NamedTuple):
    """One plot.

    Attributes:
        title: its heading.
        across: the label of the horizontal axis.
        draw: draws it into axes.
        note: an explanation to stand below it; may be empty.
    """

    title: str
    across: str
    draw: Callable[[Axes], None]
    note: str


def colour(place: int) -> str:
    """The colour of the group at this place of its table: the best groups have one of their own."""
    return PALETTE[place] if place < len(PALETTE) else GREY


def panels(table: Table) -> list[Panel]:
    """The metric and the losses by images shown, and the expected best of a number of trials."""
    found = []
    titles = {None: table.name or "metric", "train/loss/D": "loss of D", "train/loss/G": "loss of G"}
    for metric, title in titles.items():
        columns = table.groups["metric"] if metric is None else [metric] * len(table.groups)
        pairs = zip(table.groups.index, columns, strict=True)
        spreads = [spread([run.curve(column) for run in table.runs_of(name)]) for name, column in pairs]
        curves = [(place, curve) for place, curve in enumerate(spreads) if len(curve)]
        if curves and metric != table.metric:
            across = "kimg (thousands of real images shown)"
            found.append(Panel(title, across, _lines(curves, metric is None), NOTES[metric]))
    if any(len(pool.curve) > 1 for pool in table.pools):
        found.append(Panel(f"expected best {table.name}", "trials", _budgets(table), BUDGET))
    return found


def spread(curves: Sequence[pd.Series]) -> pd.DataFrame:
    """Median, smallest and largest over the curves of several runs, by kimg.

    A run counts at every kimg between its first and its last finite value; between these it is joined by straight lines.

    Returns:
        Columns median, low, high, runs (their number in total). Empty if nothing is finite.
    """
    finite = [curve[np.isfinite(curve)].groupby(level=0).last() for curve in curves]
    finite = [curve for curve in finite if len(curve)]
    if not finite:
        return pd.DataFrame(columns=["median", "low", "high", "runs"])
    joined = pd.concat(finite, axis=1).sort_index().interpolate(method="index", limit_area="inside")
    return pd.DataFrame(
        {"median": joined.median(axis=1), "low": joined.min(axis=1), "high": joined.max(axis=1), "runs": len(finite)}
    )


def _lines(curves: list[tuple[int, pd.DataFrame]], distance: bool) -> Callable[[Axes], None]:
    def draw(axes: Axes) -> None:
        for place, c in reversed(curves):  # the best on top
            own = place < len(PALETTE)
            marks: dict[str, Any] = SINGLE if len(c) == 1 else {"marker": "o" if len(c) < 40 else None, "ms": 3.5}
            axes.plot(c.index, c["median"], color=colour(place), lw=1.8 if own else 0.8, **marks)
            if c.runs.iloc[0] > 1 and own and len(c) == 1:  # a band of no width
                axes.vlines(c.index, c.low, c.high, color=colour(place), lw=1.8)
            elif c.runs.iloc[0] > 1 and own:
                axes.fill_between(c.index, c.low, c.high, color=colour(place), alpha=0.18, lw=0)
        if distance:
            logarithmic(axes, min(c.low.min() for _, c in curves), max(c.high.max() for _, c in curves))
        axes.set_xlim(0, 1.01 * max(c.index[-1] for _, c in curves) or 1)

    return draw


def _budgets(table: Table) -> Callable[[Axes], None]:
    def draw(axes: Axes) -> None:
        for pool in reversed(table.pools):
            points = [(k, v) for k, v in enumerate(pool.curve, start=1) if math.isfinite(v)]
            named = textwrap.fill(pool.name, 40, max_lines=2, placeholder=" …") if pool.place < len(PALETTE) else None
            if points and len(pool.curve) > 1:
                few = "o" if len(points) < 40 else None
                axes.plot(*zip(*points, strict=True), color=colour(pool.place), lw=1.8, marker=few, ms=3.5, label=named)
        handles, labels = axes.get_legend_handles_labels()
        if labels and any(pool.groups > 1 for pool in table.pools):  # else the colours are those of the groups
            legend = axes.legend(handles[::-1], labels[::-1], fontsize=8, frameon=False)
            legend.set_in_layout(False)  # a large legend must not take room from the curves
            _without_math(legend)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        if values := [v for pool in table.pools for v in pool.curve if math.isfinite(v)]:
            logarithmic(axes, min(values), max(values))

    return draw


def logarithmic(axes: Axes, low: float, high: float) -> None:
    """A logarithmic axis if the positive values from `low` to `high` differ by a factor above 5, with plain numbers. Above a
    factor of 1e30 matplotlib's margins would overflow."""
    if not 0 < 5 * low < high < 1e30 * low:
        return
    log_axis(axes)


def _without_math(legend: Legend) -> None:
    for words in legend.get_texts():
        words.set_parse_math(False)  # a dollar sign in a name is a dollar sign


def png(table: Table, chosen: Sequence[Panel], path: Path) -> None:
    """The panels side by side, and the names of the groups below. UserError where the file cannot be written; a link in its place
    is replaced, not followed."""
    names = list(table.groups.index[: len(PALETTE)])
    columns = 1 if max(map(len, names)) > 70 else 2  # names of more than half the width stand one below the other
    rows = math.ceil(len(chosen) / 2)
    figure = new_figure(12, 3.5 * rows + 0.26 / columns * (len(names) + 2))
    for i, panel in enumerate(chosen):
        panel.draw(style(figure.add_subplot(rows, 2, i + 1), panel.across, panel.title))
    handles = [Line2D([], [], color=colour(i), lw=2.5) for i in range(len(names))]
    if (more := len(table.groups) - len(names)) > 0:
        handles.append(Line2D([], [], color=GREY, lw=0.8))
        names.append(f"{more} more")
    legend = figure.legend(handles, names, loc="outside lower left", ncols=columns, frameon=False, fontsize=9)
    _without_math(legend)
    atomic_write(path, lambda file: save(figure, file, format="png"), "choose another place by --out FOLDER")
