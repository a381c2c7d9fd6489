"""`curves.png`: the values of `metrics.csv` over images shown, one panel for what belongs together."""

import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from seesaw.training.axes import SINGLE, log_axis
from seesaw.training.loggers.csv_log import Row, read_metrics
from seesaw.training.run_folder import read_status
from seesaw.util import PALETTE, atomic_write

KIMG = "real images shown (kimg)"
EVAL, SCHEDULE = "eval/", "train/schedule/"
"""Begin the names of metrics, and of scheduled numbers; each gets a panel of its own."""

# One colour means one thing in all panels.
_D, _G, _REAL, _FAKE = PALETTE[:4]
_METRIC, _OTHER = "#000000", "#555555"


class Panel(NamedTuple):
    """What is drawn into one panel, and how.

    Args:
        title: its heading.
        lines: column of metrics.csv -> label, colour.
        scale: "log" where all values are above 0, "zero" (linear from 0, since small changes of a count or share would look
            large otherwise), "linear", or "auto": log where positive values differ by a factor of ten or more.
        level: a value to compare with, drawn as a dotted line.
        dashed: labels of lines that are dashed, so that of two that lie on each other both can be seen.
        wide: whether the legend has a line of its own, below the title.
    """

    title: str
    lines: dict[str, tuple[str, str]]
    scale: str = "linear"
    level: float | None = None
    dashed: tuple[str, ...] = ()
    wide: bool = False


def _players(prefix: str) -> dict[str, tuple[str, str]]:
    return {f"{prefix}/D": ("D", _D), f"{prefix}/G": ("G", _G), f"{prefix}/vae": ("", _OTHER)}


def _parts(prefix: str) -> dict[str, tuple[str, str]]:
    return {f"{prefix}_train": ("train", _REAL), f"{prefix}_held_out": ("held out", _FAKE)}


TRAINING = (
    Panel("content loss", {"train/loss/content": ("", _G)}, "log"),
    Panel("style loss", {"train/loss/style": ("", _D)}, "log"),
    Panel("variation loss", {"train/loss/variation": ("", _REAL)}, "log"),
    Panel("reconstruction (nats)", {"train/reconstruction": ("", _REAL)}),
    Panel("KL divergence (nats)", {"train/kl": ("", _FAKE)}, "log"),
    Panel("loss", _players("train/loss")),
    Panel("D's accuracy", {"train/D/accuracy": ("", _D)}, "zero", level=0.5),
    Panel(
        "D's mean logit", {"train/D/logits_real": ("real", _REAL), "train/D/logits_fake": ("fake", _FAKE)}, level=0.0
    ),
    Panel("augmentation", {"train/augment/p": ("p", _OTHER), "train/augment/r_t": ("r_t", _D)}, level=0.0),
    Panel("gradient norm", _players("train/grad_norm"), "log"),
    Panel("learning rate", _players("train/lr"), "log", dashed=("G",)),
    Panel("updates so far", _players("train/updates"), "zero", dashed=("G",)),
    Panel("D's advantage", {"balance/advantage": ("", _D)}, level=0.0),
    Panel("skipped in each window", _players("balance/skipped")),
)
"""Panels of training that stand first."""

HELD_OUT = (
    Panel("D's accuracy, eval", _parts("eval/accuracy"), "zero", level=0.5),
    Panel("D's logits, eval", _parts("eval/logits"), level=0.0),
    Panel("evidence lower bound (nats), eval", _parts("eval/elbo"), wide=True),
)
"""Panels of D, or of a VAE's bound, in evaluation mode on images that are trained on, and on those held out."""

SPEED = (
    Panel("images per second", {"train/images_per_sec": ("", _OTHER)}, "zero"),
    Panel("longer side (pixels)", {"train/size": ("", _D)}, "zero"),
    Panel("iterations per second", {"train/iterations_per_sec": ("", _OTHER)}, "zero"),
)
"""Panels that stand last."""


def curves(run_dir: Path | str) -> Path | None:
    """Draw `<run_dir>/curves.png`, 1200 x 800 and up, from `metrics.csv`, and the primary metric, directions and titles in
    `status.json`. Panels of what the run did not measure are left out.

    Returns:
        The file; None while there is nothing to draw.
    """
    run_dir = Path(run_dir)
    rows = read_metrics(run_dir / "metrics.csv") if (run_dir / "metrics.csv").exists() else []
    chosen = panels(list(dict.fromkeys(name for row in rows for name in row)), read_status(run_dir))
    drawn = [(panel, lines) for panel in chosen if (lines := lines_of(panel, rows))]
    if not drawn:
        return None
    height = math.ceil(len(drawn) / 3)
    inches = max(8.0, 2.67 * height)
    figure = Figure(figsize=(12, inches), dpi=100)
    # Fixed margins: a layout engine measures every label twice, which takes as long as the drawing.
    figure.subplots_adjust(0.06, 0.5 / inches, 0.985, 1 - 0.45 / inches, wspace=0.24, hspace=0.4)
    FigureCanvasAgg(figure)  # no pyplot: nothing global is touched
    time = "iterations" if any("train/iteration" in row for row in rows) else KIMG
    for i, (panel, lines) in enumerate(drawn):
        across = f"thousands of {time}" if i + 3 >= len(drawn) else ""
        draw(figure.add_subplot(height, 3, i + 1), panel, lines, max(row["kimg"] for row in rows), across)
    path = run_dir / "curves.png"
    atomic_write(path, lambda file: figure.savefig(file, format="png"))
    return path


def panels(columns: Iterable[str], status: Mapping[str, Any]) -> list[Panel]:
    """The panels of a run in their order: training, held-out images, one for each scheduled number and each metric, speed.

    Args:
        columns: of metrics.csv.
        status: of status.json; its keys may be missing.
    """
    columns = list(columns)
    scheduled = [
        Panel(name.removeprefix(SCHEDULE), {name: ("", _OTHER)}) for name in columns if name.startswith(SCHEDULE)
    ]
    of_parts = {name for panel in HELD_OUT for name in panel.lines}
    names = [name.removeprefix(EVAL) for name in columns if name.startswith(EVAL) and name not in of_parts]
    of_average = [name for name in names if name.removesuffix("_raw") not in names or not name.endswith("_raw")]
    of_reals = {name for name in names if "_reals" in name and name.replace("_reals", "", 1) in names}
    of_average = [name for name in of_average if name not in of_reals]
    of_average.sort(key=lambda name: name != status.get("metric"))  # the primary one first
    return [*TRAINING, *HELD_OUT, *scheduled, *(_of_metric(name, names, status) for name in of_average), *SPEED]


def _of_metric(name: str, names: Sequence[str], status: Mapping[str, Any]) -> Panel:
    """The panel of a metric, with the raw generator's values and the reals' where there are any. One that the status does not
    describe gets its name as the title."""
    known = status.get("panels", {}).get(name, {})
    higher = status.get("higher_is_better", {}).get(name)
    arrow = "" if higher is None else " ↑" if higher else " ↓"
    title, raw = known.get("title") or name, f"{name}_raw"
    reals = [other for other in names if "_reals" in other and other.replace("_reals", "", 1) == name]
    lines = {EVAL + name: (name if title != name or raw in names or reals else "", _METRIC)}
    if raw in names:
        lines[EVAL + raw] = ("raw", _METRIC)
    lines |= {EVAL + other: ("reals", _OTHER) for other in reals}
    return Panel(title + arrow, lines, known.get("scale", "auto"), dashed=("raw", "reals"), wide=True)


class Line(NamedTuple):
    """One curve."""

    label: str
    colour: str
    kimg: list[float]
    values: list[float]


def lines_of(panel: Panel, rows: Sequence[Row]) -> list[Line]:
    """The curves of a panel that have a finite value."""
    lines = []
    for name, (label, colour) in panel.lines.items():
        points = [(row["kimg"], row[name]) for row in rows if name in row and math.isfinite(row[name])]
        if points:
            lines.append(Line(label, colour, *(list(values) for values in zip(*points, strict=True))))
    return lines


def draw(axes: Axes, panel: Panel, lines: Sequence[Line], end: float, across: str = "") -> None:
    """Draw a panel.

    Args:
        lines: at least one.
        end: of the horizontal axis, in kimg.
        across: its label.
    """
    for line in lines:
        dash = (0, (4, 3)) if line.label in panel.dashed and len(lines) > 1 else "-"
        marks: dict[str, Any] = (
            SINGLE if len(line.kimg) == 1 else {"marker": "o" if len(line.kimg) < 40 else None, "ms": 3.5}
        )
        if len(line.kimg) == 1 and line.label in panel.dashed:
            marks = SINGLE | {"mfc": "white"}  # a ring, since one point has no dashes
        axes.plot(line.kimg, line.values, color=line.colour, label=line.label, lw=1.6, ls=dash, **marks)
        if len(line.kimg) == 1:
            left = line.kimg[0] > end / 2  # of the point, so that the text stays inside
            axes.annotate(
                format(line.values[0], ".4g"), (line.kimg[0], line.values[0]), (-8 if left else 8, 0), textcoords="offset points",
                ha="right" if left else "left", va="center", fontsize=9, color=line.colour,
            )  # fmt: skip
    if panel.level is not None:
        axes.axhline(panel.level, color="#999999", lw=0.8, ls=":", zorder=0)
    _scale(axes, panel.scale, [value for line in lines for value in line.values])
    axes.set_xlim(0, 1.01 * end or 1)  # the same in every panel: events line up
    wide = panel.wide and any(line.label for line in lines)
    axes.set_title(panel.title, loc="left", fontsize=11, fontweight="bold", pad=22 if wide else None)
    if any(line.label for line in lines):  # above the panel, never over the data
        axes.legend(loc="lower left" if wide else "lower right", bbox_to_anchor=(0.0 if wide else 1.0, 1.0), ncols=4,
                    frameon=False, fontsize=9, borderaxespad=0.1, handlelength=1.6, columnspacing=1.0)  # fmt: skip
    axes.grid(True, color="#e6e6e6", lw=0.7)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(labelsize=9)
    axes.set_xlabel(across, fontsize=9)


def _scale(axes: Axes, scale: str, values: Sequence[float]) -> None:
    low, high = min(values), max(values)
    if low > 0 and (scale == "log" or (scale == "auto" and high >= 10 * low)):
        log_axis(axes)
    elif scale == "zero":
        axes.set_ylim(0, 1.08 * high or 1)
