"""The curves of a table, as one PNG and as SVG panels for the page."""

import io
import math
import re
import textwrap
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.ticker import FuncFormatter, MaxNLocator

from seesaw.analysis.compare.groups import NOT_RANKED, Group, Pool, Table
from seesaw.analysis.compare.reading import Point

# Okabe and Ito's palette, distinct for every kind of colour vision; the best groups get a colour of their own.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
REST = "#8a8a8a"
_INK, _GRID = "#010203", "#e6e6e5"  # stand for the page's own colours, which change between light and dark

NOTES = {
    None: "Median over all runs of a group that had got so far; the band reaches from the smallest to the largest.",
    "train/loss/D": "Losses of different kinds do not compare.",
    "train/loss/G": "",
}
BUDGET = (
    "What k runs may be expected to find: the mean, over all choices of k of them without replacement, of the best (Lucic et al. "
    "2018). There is no point where k runs might all diverge. The last point rests on one run."
)

Draw = Callable[[Axes, str], None]  # the colour of words is given


class Panel(NamedTuple):
    """A title, what is along, how it is drawn, and what to know of it."""

    title: str
    across: str
    draw: Draw
    note: str


def colour(place: int) -> str:
    """Of the group at this place of its table."""
    return COLOURS[place] if place < len(COLOURS) else REST


def panels(table: Table) -> list[Panel]:
    """The metric and the losses by images shown; what a number of trials may find."""
    found = []
    titles = {None: table.name or "metric", "train/loss/D": "loss of D", "train/loss/G": "loss of G"}
    for metric, title in titles.items():
        spread = [spreads([run.curve(metric or group.metric) for run in group.runs]) for group in table.groups]
        curves = [(i, curve) for i, curve in enumerate(spread) if curve is not None]
        if curves and metric != table.metric:
            across = "kimg (thousands of real images shown)"
            found.append(Panel(title, across, _lines(curves, metric is None), NOTES[metric]))
    pools = [pool for pool in table.pools if table.protocol != NOT_RANKED and len(pool.curve) > 1]
    if pools:
        found.append(Panel(f"expected best {table.name}", "trials", _budgets(table, pools), BUDGET))
    return found


class Spread(NamedTuple):
    """Median, smallest and largest over runs at each kimg."""

    kimg: np.ndarray
    median: np.ndarray
    low: np.ndarray
    high: np.ndarray
    runs: int


def spreads(curves: Sequence[Sequence[Point]]) -> Spread | None:
    """Over the curves of several runs, at every kimg at which one of them was measured and the others had been and would be
    again: there they are joined by straight lines. None where there is nothing finite."""
    finite = [[(x, y) for x, y in curve if math.isfinite(y)] for curve in curves]
    arrays = [np.array(curve) for curve in finite if curve]
    if not arrays:
        return None
    kimg = np.unique(np.concatenate([a[:, 0] for a in arrays]))
    values = np.array([np.interp(kimg, a[:, 0], a[:, 1], left=np.nan, right=np.nan) for a in arrays])
    return Spread(kimg, np.nanmedian(values, 0), np.nanmin(values, 0), np.nanmax(values, 0), len(arrays))


def _lines(curves: list[tuple[int, Spread]], distance: bool) -> Draw:
    def draw(axes: Axes, ink: str) -> None:
        for i, c in reversed(curves):  # the best on top
            few = "o" if len(c.kimg) < 40 else None
            axes.plot(c.kimg, c.median, color=colour(i), lw=1.8 if i < len(COLOURS) else 0.8, marker=few, ms=3.5)
            if c.runs > 1 and i < len(COLOURS):
                axes.fill_between(c.kimg, c.low, c.high, color=colour(i), alpha=0.18, lw=0)
        low, high = min(np.min(c.low) for _, c in curves), max(np.max(c.high) for _, c in curves)
        if distance and low > 0 and high > 5 * low:
            logarithmic(axes, low, high)
        axes.set_xlim(0, 1.01 * max(c.kimg[-1] for _, c in curves) or 1)

    return draw


def _budgets(table: Table, pools: list[Pool]) -> Draw:
    def draw(axes: Axes, ink: str) -> None:
        for pool in reversed(pools):
            place = min(table.groups.index(group) for group in pool.groups)
            points = [(k, v) for k, v in enumerate(pool.curve, start=1) if math.isfinite(v)]
            few = "o" if len(points) < 40 else None
            name = textwrap.fill(pool.name, 40, max_lines=2, placeholder=" …") if place < len(COLOURS) else None
            if points:
                axes.plot(*zip(*points, strict=True), color=colour(place), lw=1.8, marker=few, ms=3.5, label=name)
        handles, labels = axes.get_legend_handles_labels()
        if labels and any(len(pool.groups) > 1 for pool in pools):  # else the colours are those of the groups
            legend = axes.legend(handles[::-1], labels[::-1], fontsize=8, frameon=False, labelcolor=ink)
            legend.set_in_layout(False)  # room that is made for a large one would be taken from the curves
            for words in legend.get_texts():
                words.set_parse_math(False)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        values = [v for pool in pools for v in pool.curve if math.isfinite(v)]
        if values and min(values) > 0 and max(values) > 5 * min(values):
            logarithmic(axes, min(values), max(values))

    return draw


def logarithmic(axes: Axes, low: float, high: float) -> None:
    """A logarithmic axis with plain numbers, also between the decades where there are few of these."""
    axes.set_yscale("log")
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: format(value, "g")))
    wide = high > 100 * low
    axes.yaxis.set_minor_formatter(
        FuncFormatter(lambda v, _: "" if wide or format(v, ".0e")[0] not in "25" else format(v, "g"))
    )


def style(axes: Axes, panel: Panel, ink: str) -> None:
    axes.set_title(panel.title, loc="left", fontsize=11, fontweight="bold", color=ink).set_parse_math(False)
    axes.set_xlabel(panel.across, fontsize=9, color=ink)
    axes.grid(True, color=_GRID, lw=0.7)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(ink)
    axes.tick_params(which="both", labelsize=9, colors=ink)


def png(table: Table, path: Path) -> bool:
    """Two panels side by side, and the names of the groups below; whether there was anything to draw."""
    chosen = panels(table)
    if not chosen:
        return False
    rows = math.ceil(len(chosen) / 2)
    named = table.groups[: len(COLOURS)]
    columns = _columns(named)
    height = 3.5 * rows + 0.26 / columns * (len(named) + 2)
    figure = Figure(figsize=(12, height), dpi=100, layout=ConstrainedLayoutEngine(w_pad=0.1, h_pad=0.1))
    FigureCanvasAgg(figure)  # no pyplot: nothing global is touched
    for i, panel in enumerate(chosen):
        axes = figure.add_subplot(rows, 2, i + 1)
        panel.draw(axes, "#000000")
        style(axes, panel, "#000000")
    _names(figure, table.groups, named)
    _save(figure, path, format="png")
    return True


def _save(figure: Figure, out: Path | io.StringIO, **how: Any) -> None:
    with warnings.catch_warnings():
        # Of a name in letters that matplotlib's font does not have: nobody can do anything about it there.
        warnings.filterwarnings("ignore", "Glyph .* missing from font")
        figure.savefig(out, **how)


def _columns(named: list[Group]) -> int:
    """Of the legend: names of more than half the width stand one below the other."""
    return 1 if max(len(group.name) for group in named) > 70 else 2


def _names(figure: Figure, groups: list[Group], named: list[Group]) -> None:
    handles = [matplotlib.lines.Line2D([], [], color=colour(i), lw=2.5) for i in range(len(named))]
    labels = [group.name for group in named]
    if len(groups) > len(named):
        handles.append(matplotlib.lines.Line2D([], [], color=REST, lw=0.8))
        labels.append(f"{len(groups) - len(named)} more")
    legend = figure.legend(handles, labels, loc="outside lower left", ncols=_columns(named), frameon=False, fontsize=9)
    for words in legend.get_texts():
        words.set_parse_math(False)  # a dollar sign in a name is a dollar sign


def svg(panel: Panel) -> str:
    """One panel as an SVG element without a size of its own; its text takes the page's colour and font."""
    figure = Figure(figsize=(4.6, 3.1), layout=ConstrainedLayoutEngine())
    axes = figure.add_subplot()
    panel.draw(axes, _INK)
    style(axes, panel, _INK)
    axes.set_title("", loc="left")  # the page has it
    figure.patch.set_alpha(0)
    axes.patch.set_alpha(0)
    out = io.StringIO()
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": "seesaw", "path.simplify": True}):
        _save(figure, out, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
    return themed(out.getvalue())


def themed(text: str) -> str:
    """The `<svg>` element alone: without the XML head, what a page has already, and digits that nobody sees, in the page's
    font and colours."""
    body = text[text.index("<svg") :]
    for unwanted in (
        r"<metadata>.*?</metadata>",
        r"<style.*?</style>",
        r"(?<=<g) id=\"[^\"]*\"",
        r"font-family: [^;\"]*;?",
    ):
        body = re.sub(unwanted, "", body, flags=re.DOTALL)
    body = re.sub(r"(\d\.\d\d)\d+", r"\1", body)
    head, rest = body.split(">", 1)
    box = re.search(r'viewBox="[^"]*"', head)
    assert box is not None
    body = f'<svg {box.group(0)} xmlns:xlink="http://www.w3.org/1999/xlink" role="img">{rest}'
    return body.replace(_INK, "currentColor").replace(_GRID, "var(--line)")
