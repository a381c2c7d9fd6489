"""The pictures and tables of docs/balance.md: python studies/balance_plots.py [--runs runs/studies/balance]

Reads studies/results/balance_study.csv and, for what each rule did, metrics.csv of the study's run folders. Writes
docs/images/balance_study.png and balance_acting.png, and prints the tables in Markdown.
"""

import argparse
import csv
import math
import statistics
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import FormatStrFormatter, LogLocator

from seesaw.analysis.compare.reading import read_rows

ROOT = Path(__file__).parents[1]
IMAGES = ROOT / "docs" / "images"
BLUE, ORANGE, GREEN, GREY = "#0072B2", "#D55E00", "#009E73", "#666666"
LOSSES = ("non_saturating", "hinge")
TITLES = {
    "grid": "25 Gaussians, reverse KL",
    "stacked": "stacked digits, reverse KL",
    "digits": "digits, Fréchet distance",
}
ACTING: dict[str, list[tuple[str, str]]] = {  # rule -> curves of its own run; "none:" takes the run without balance
    "ttur": [("train/lr/D", "rate of D"), ("train/lr/G", "rate of G")],
    "skip_d": [("balance/advantage", "D's advantage"), ("part balance/skipped/D", "part of D's steps skipped")],
    "n_critic": [("train/updates/D", "updates of D"), ("train/updates/G", "updates of G")],
    "change_rate": [
        ("part balance/skipped/D", "part of D's steps skipped"), ("part balance/skipped/G", "part of G's steps skipped"),
    ],
    "gap_aware": [("balance/lr_scale/D", "factor on D's rate"), ("balance/gap", "gap of D's loss")],
    "label_smoothing": [("train/D/logits_real", "D(real)"), ("none:train/D/logits_real", "without it")],
    "instance_noise": [
        ("balance/noise_std", "deviation"), ("train/D/accuracy", "D's accuracy"), ("none:train/D/accuracy", "without"),
    ],
    "lecam": [("train/D/lecam", "the term"), ("train/D/logits_real", "D(real)"), ("none:train/D/logits_real", "without it")],
    "pac": [("train/D/accuracy", "D's accuracy, packs"), ("none:train/D/accuracy", "without it")],
    "topk": [("balance/topk", "k / batch")],
}  # fmt: skip

Table = list[dict[str, str]]


def values(rows: Table, **where: str) -> dict[str, float]:
    """Seed -> the value judged by; infinity where the run did not finish."""
    chosen = [row for row in rows if all(row[key] == value for key, value in where.items())]
    return {row["seed"]: float(row["value"]) if row["state"] == "finished" else math.inf for row in chosen}


def study(rows: Table) -> Figure:
    """A panel for each task and loss: every seed a dot, the median a bar, the median without balance a line across."""
    names = list(dict.fromkeys(row["strategy"] for row in rows))
    figure = Figure(figsize=(11, 10), dpi=100, layout="constrained")
    panels = figure.subplots(len(TITLES), len(LOSSES), sharey="row")
    for line, (task, title) in zip(panels, TITLES.items(), strict=True):
        for axes, loss in zip(line, LOSSES, strict=True):
            panel(axes, rows, names, task, loss)
            axes.set_title(f"{title} · {loss.replace('_', '-')}", loc="left", fontsize=11)
        line[0].set_ylabel("lower is better")
    return figure


def panel(axes: Axes, rows: Table, names: list[str], task: str, loss: str) -> None:
    for place, name in enumerate(names):
        found = [v for v in values(rows, task=task, loss=loss, strategy=name).values() if math.isfinite(v)]
        colour = GREY if name == "none" else ORANGE if name == "R1" else BLUE
        if not found:
            axes.text(
                place, 0.03, "refused", rotation=90, transform=axes.get_xaxis_transform(), ha="center", fontsize=8
            )
            continue
        axes.scatter([place] * len(found), found, s=22, color=colour, alpha=0.6, linewidths=0)
        middle = statistics.median(found)
        axes.hlines(middle, place - 0.3, place + 0.3, color=colour, linewidth=2)
        if name == "none":
            axes.axhline(middle, color=GREY, linewidth=0.8, linestyle=":")
    axes.set_yscale("log")
    axes.yaxis.set_major_formatter(FormatStrFormatter("%g"))
    axes.yaxis.set_minor_locator(LogLocator(subs=(2, 3, 5)))
    axes.yaxis.set_minor_formatter(FormatStrFormatter("%g"))
    axes.tick_params(axis="y", which="both", labelsize=9)
    axes.set_xticks(range(len(names)), names, rotation=55, ha="right", rotation_mode="anchor", fontsize=9)
    axes.spines[["top", "right"]].set_visible(False)


def acting(folder: Path) -> Figure:
    """What each rule did in a run of the digits (non-saturating, seed 1)."""
    figure = Figure(figsize=(15, 6), dpi=100, layout="constrained")
    for axes, (rule, curves) in zip(figure.subplots(2, 5).flat, ACTING.items(), strict=True):
        for (key, text), colour in zip(curves, (BLUE, ORANGE, GREY), strict=False):
            x, y = curve(folder, rule, key)
            axes.plot(x, y, color=colour, linewidth=1.6, linestyle="--" if key.startswith("none:") else "-", label=text)
        axes.set_title(rule, loc="left", fontsize=11)
        axes.legend(frameon=False, fontsize=9)
        axes.spines[["top", "right"]].set_visible(False)
        axes.tick_params(labelsize=9)
    for axes in figure.axes[-5:]:
        axes.set_xlabel("kimg", fontsize=9)
    return figure


def curve(folder: Path, rule: str, key: str) -> tuple[list[float], list[float]]:
    """kimg and values of a column; "part " divides it by the window's steps of that player, made and skipped."""
    if key.startswith("none:"):
        rule, key = "none", key.removeprefix("none:")
    part, key = key.startswith("part "), key.removeprefix("part ")
    rows = read_rows(folder / f"digits-non_saturating-{rule}-1" / "metrics.csv")
    if key not in rows:
        return [], []
    rows = rows.dropna(subset=key)
    x, y = rows["kimg"].tolist(), rows[key].tolist()
    if part:
        updates = rows[f"train/updates/{key.rpartition('/')[2]}"].tolist()
        steps = [now - before for before, now in zip([0.0, *updates], updates, strict=False)]
        y = [skipped / max(skipped + made, 1) for skipped, made in zip(y, steps, strict=True)]
    return x, y


def table(rows: Table) -> list[str]:
    """Medians over the seeds, and against `none`: in how many pairs of the same task, loss and seed it was better."""
    names = list(dict.fromkeys(row["strategy"] for row in rows))
    columns = [(task, loss) for task in TITLES for loss in LOSSES]
    head = ["strategy", *(f"{task}, {loss.replace('_', '-')}" for task, loss in columns), "better than none", "p"]
    lines = ["| " + " | ".join(head) + " |", "|---" * len(head) + "|"]
    for name in names:
        cells = []
        for task, loss in columns:
            found = list(values(rows, task=task, loss=loss, strategy=name).values())
            cells.append(f"{statistics.median(found):.3g}" if found else "refused")
        better, pairs = against_none(rows, name)
        tail = ["", ""] if name == "none" else [f"{better} of {pairs}", f"{sign_test(better, pairs):.2g}"]
        lines.append("| " + " | ".join([f"`{name}`", *cells, *tail]) + " |")
    return lines


def against_none(rows: Table, name: str) -> tuple[int, int]:
    """How often it was better, of the pairs that are not equal: a rule that never acted gives the very same run."""
    better = pairs = 0
    for task in TITLES:
        for loss in LOSSES:
            base, other = (values(rows, task=task, loss=loss, strategy=s) for s in ("none", name))
            for seed in base.keys() & other.keys():
                pairs += other[seed] != base[seed]
                better += other[seed] < base[seed]
    return better, pairs


def sign_test(better: int, pairs: int) -> float:
    """Two-sided probability of a count at least as far from half, were both equally good."""
    far = max(better, pairs - better)
    return min(2 * sum(math.comb(pairs, k) for k in range(far, pairs + 1)) / 2**pairs, 1.0)


def save(figure: Figure, name: str) -> None:
    canvas: Any = FigureCanvasAgg(figure)
    canvas.print_png(str(IMAGES / name))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=Path, default=ROOT / "runs" / "studies" / "balance")
    parser.add_argument("--table", type=Path, default=ROOT / "studies" / "results" / "balance_study.csv")
    args = parser.parse_args()
    with open(args.table, encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    save(study(rows), "balance_study.png")
    save(acting(args.runs), "balance_acting.png")
    print("\n".join(table(rows)))


if __name__ == "__main__":
    main()
