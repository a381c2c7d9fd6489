"""What compare.html shows: the context of templates/compare.html.j2."""

import re
import time
from pathlib import Path
from typing import Any

import pandas as pd
from markupsafe import Markup

from seesaw.analysis import pages
from seesaw.analysis.compare import fork_text, plots, text
from seesaw.analysis.compare.groups import Comparison, Table
from seesaw.analysis.compare.reading import Run

GRIDS = 12
"""Groups of a table whose samples are shown, best first."""


def page(comparison: Comparison, drawn: list[list[plots.Panel]], out: Path) -> str:
    """The whole document.

    Args:
        drawn: the panels of each table.
        out: the page's folder; links to run folders are relative to it.
    """
    many = "1 run" if len(comparison.runs) == 1 else f"{len(comparison.runs)} runs compared"
    unfinished = text.unfinished(comparison)
    distinguishing, others = differing(comparison)
    return pages.render(
        "compare.html.j2",
        title=f"{comparison.parent.name}: {many}",
        date=time.strftime("%Y-%m-%d %H:%M %Z"),
        unfinished=unfinished,
        unfinished_count=sum(map(len, unfinished.values())),
        same=comparison.same,
        distinguishing=distinguishing,
        others=others,
        unhealthy=text.verdicts(comparison.runs)[2:],
        rollbacks=fork_text.rollback_lines(comparison.runs),
        tree=fork_text.tree_lines(comparison.runs),
        effects=[
            {"heading": f"Effects on {table.name}", "cells": cells}
            for table in comparison.tables
            if (cells := fork_text.of_table(comparison, table)) is not None
        ],
        explained=fork_text.EXPLAINED,
        sections=[section(table, of_table) for table, of_table in zip(comparison.tables, drawn, strict=True)],
        run_count=len(comparison.runs),
        runs=runs(comparison),
        links=[pages.link(run.folder, out) for run in comparison.runs],
    )


def differing(comparison: Comparison) -> tuple[pd.DataFrame | None, pd.DataFrame | None]:
    """The keys that name the groups, one row for each combination, and the other keys, one row for each group; None if there
    are none."""
    if not comparison.keys:
        return None, None
    groups = pd.concat([table.groups.place for table in comparison.tables])
    rest = [key for key in comparison.keys if key not in comparison.distinguishing]
    named = pd.DataFrame({key.path: [key.values[at] for at in groups] for key in comparison.distinguishing})
    others = pd.DataFrame({"group": groups.index} | {key.path: [key.values[at] for at in groups] for key in rest})
    return named.drop_duplicates(), others if rest else None


def section(table: Table, drawn: list[plots.Panel]) -> dict[str, Any]:
    """A table of one protocol, its curves and samples."""
    figures = []
    for panel in drawn:
        figure = pages.new_figure(4.6, 3.1)
        panel.draw(pages.style(figure.add_subplot(), panel.across))
        figures.append({"title": panel.title, "note": panel.note, "svg": pages.svg(figure, f"Plot: {panel.title}")})
    return {
        "heading": text.heading(table),
        "protocol": table.protocol,
        "cells": coloured(text.cells(table)),
        "colours": [plots.colour(place) for place in range(len(table.groups))],
        "notes": [text.legend(table), *text.lengths(table)],
        "best_run": text.best_run(table),
        "plots": figures,
        "samples": [tile for name in table.groups.index[:GRIDS] if (tile := samples(name, table.median_run(name)))],
    }


def coloured(cells: pd.DataFrame) -> pd.DataFrame:
    """The table with its verdicts in the colours of `marked`."""
    return cells.assign(verdict=cells.verdict.map(marked)) if "verdict" in cells else cells


def marked(words: str, reason: str = "") -> Markup:
    """A verdict in the colour of what it means, its reason where the pointer rests."""
    kind = "good" if words == "healthy" else "" if words in ("", "-", "warming up") else "bad"
    return Markup('<span class="{}" title="{}">{}</span>').format(kind, pages.printable(reason), words or "-")


def samples(name: str, run: Run) -> dict[str, str] | None:
    """The last grid of a run; None if there is none that can be read."""
    grids = {kimg: path for path in (run.folder / "samples").glob("*.png") if (kimg := kimg_of(path)) is not None}
    newest = max(grids, default=None)
    source = None if newest is None else pages.thumbnail(grids[newest])
    return None if source is None else {"source": source, "name": name, "note": f"seed {run.seed}, {newest:g} kimg"}


def kimg_of(grid: Path) -> float | None:
    """The time of a grid by its name, `000012.png` or `000012_128.png`; None for another picture."""
    return float(grid.stem.replace("_", ".")) if re.fullmatch(r"[0-9]{1,9}(_[0-9]{3})?", grid.stem) else None


def runs(comparison: Comparison) -> pd.DataFrame:
    """Every run, a row each."""
    results = {row.run.folder: row for table in comparison.tables for row in table.runs.itertuples()}
    rows = []
    for run in comparison.runs:
        result = results.get(run.folder)
        rows.append({
            "folder": run.name,
            "group": str(run.status.get("name", "-")) if result is None else result.group,
            "seed": "-" if run.seed is None else str(run.seed),
            "state": run.outcome,
            "verdict": marked(*run.verdict),
            "kimg": f"{run.kimg:.6g}",
            "best": "-" if result is None else text.figure(result.best),
            "last": "-" if result is None else text.figure(result.last),
        })  # fmt: skip
    found = pd.DataFrame(rows)
    return found if any(run.verdict[0] for run in comparison.runs) else found.drop(columns="verdict", errors="ignore")
