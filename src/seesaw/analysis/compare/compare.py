"""`seesaw compare`: runs beside each other, from their folders alone.

`reading` finds and reads run folders, `former` gives older ones the present names, `keys` finds the options in which they
differ, `groups` collects repeats and makes tables by protocol, `forks` finds who
comes from whom, `best_of` has the formula, `text`, `plots` and `page` show the
result, and `figures` gives it to programs. None of them imports torch.
"""

import json
import re
import shutil
from collections.abc import Sequence
from pathlib import Path

from seesaw.analysis.compare import plots, text
from seesaw.analysis.compare.figures import figures
from seesaw.analysis.compare.groups import NOT_RANKED, compare_runs
from seesaw.analysis.compare.page import page
from seesaw.analysis.compare.reading import column_of, find, parent_of, read
from seesaw.errors import UserError
from seesaw.util import atomic_write, disk_error


def compare(
    paths: Sequence[Path], out: Path | None = None, metric: str | None = None, json_file: Path | None = None
) -> str:
    """Compare runs. Writes compare.html and compare.png (compare-2.png, … for further protocols).

    Args:
        paths: run folders, or folders that hold runs.
        out: the folder to write into; None: see `place_of`.
        metric: a column of metrics.csv, with or without eval/; None is the metric by which each run was judged.
        json_file: a file for verdicts and paired differences (`seesaw.analysis.compare.figures`); None: none is written.

    Returns:
        The lines to print.

    Raises:
        UserError: there is no run, none can be read, no run has the metric, or the place cannot be written.
    """
    folders = find(paths)
    parent = parent_of(folders)
    runs, broken = read(folders)
    comparison = compare_runs(parent, runs, broken, None if metric is None else column_of(metric, runs))
    place, hint = place_of(paths, parent) if out is None else out, "choose another place by --out FOLDER"
    drawn = [plots.panels(table) for table in comparison.tables]
    written = [place / "compare.html"]
    try:
        place.mkdir(parents=True, exist_ok=True)
        for number, (table, panels) in enumerate(zip(comparison.tables, drawn, strict=True), start=1):
            if panels and table.protocol != NOT_RANKED:
                written.append(place / ("compare.png" if number == 1 else f"compare-{number}.png"))
                plots.png(table, panels, written[-1])
        remove_former(place, written)
    except OSError as error:
        raise UserError(f"{place} cannot be written: {disk_error(error)}; {hint}") from error
    atomic_write(written[0], page(comparison, drawn, place), hint)
    if json_file is not None:
        atomic_write(json_file, json.dumps(figures(comparison), indent=2) + "\n", "choose another file by --json FILE")
        written.append(json_file)
    width = shutil.get_terminal_size((160, 24)).columns
    return "\n".join([text.report(comparison, width), "", *(str(path) for path in written)])


def place_of(paths: Sequence[Path], parent: Path) -> Path:
    """Where the comparison is written unless the user names a place: in the folder of the one run; else beside the runs, which is
    in a folder that was named, or in which all that were named lie; where they lie far apart, in the current folder.

    Args:
        paths: as the user named them.
        parent: the deepest folder that holds all runs.
    """
    named = {path.resolve() for path in paths}
    if len(named) == 1 and all(parent in path.parents for path in named):
        return paths[0]
    within = any(path in (parent, *parent.parents) for path in named)
    return parent if within or all(path.parent == parent for path in named) else Path.cwd()


def remove_former(place: Path, written: Sequence[Path]) -> None:
    """Remove the pictures of a former comparison, which would be taken for some of this one."""
    for old in place.glob("compare*.png"):
        if old not in written and re.fullmatch(r"compare(-\d+)?\.png", old.name):
            old.unlink()
