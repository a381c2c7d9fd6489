"""`seesaw compare`: runs beside each other, from their folders alone.

`reading` finds and reads run folders, `former` brings older ones to the names of today, `keys` finds in which options they
differ, `groups` puts repeats together and tables by protocol, `best_of` has the formula, `text`, `plots` and `page` show. None
of them imports torch.
"""

import re
from collections.abc import Sequence
from pathlib import Path

from seesaw.analysis.compare import plots, text
from seesaw.analysis.compare.groups import NOT_RANKED, compare_runs
from seesaw.analysis.compare.page import page
from seesaw.analysis.compare.reading import column_of, find, parent_of, read
from seesaw.errors import UserError


def compare(paths: Sequence[Path], out: Path | None = None, metric: str | None = None) -> str:
    """Compare the runs in `paths` (run folders, or folders that hold runs); returns the lines to print.

    Writes compare.html and compare.png (compare-2.png, … for further protocols) into `out`, or beside the runs.

    Args:
        metric: a column of metrics.csv, with or without eval/; None: what each run was judged by.

    Raises UserError where there is no run, none that can be read, no such metric, or no place to write.
    """
    folders = find(paths)
    parent = parent_of(folders)
    runs, broken = read(folders)
    comparison = compare_runs(parent, runs, broken, None if metric is None else column_of(metric, runs))
    place = parent if out is None else out
    written = [place / "compare.html"]
    try:
        place.mkdir(parents=True, exist_ok=True)
        for number, table in enumerate((t for t in comparison.tables if t.protocol != NOT_RANKED), start=1):
            picture = place / ("compare.png" if number == 1 else f"compare-{number}.png")
            written += [picture] * plots.png(table, picture)
        for old in place.glob("compare*.png"):  # of a comparison before this one: it would be taken for a part of it
            if old not in written and re.fullmatch(r"compare(-\d+)?\.png", old.name):
                old.unlink()
        written[0].write_text(page(comparison, place), encoding="utf-8")
    except OSError as error:
        raise UserError(f"{place} cannot be written: {error.strerror}; choose another place by --out FOLDER") from error
    return "\n".join([text.report(comparison), "", *(str(path) for path in written)])
