"""`metrics.csv`: the figures of a run, one row per moment, readable with any tool and after any kill."""

import csv
import io
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TextIO

from pytorch_lightning.utilities.rank_zero import rank_zero_only
from torch import Tensor

from seesaw.training.loggers.table import AXES, Row, read_metrics
from seesaw.training.loggers.tracker import RunInfo, Tracker
from seesaw.util import atomic_write


class CSVLog(Tracker):
    """Writes `<run_dir>/metrics.csv`. Columns `kimg` and `images`, then the metrics in the order in which they first appear;
    an empty cell was not measured then. Rows rise in `images`. Each row is handed to the operating system at once, so a
    killed process loses none; only the last line can be torn, and `read_metrics` leaves that one out."""

    takes_pictures = False

    def __init__(self, run: RunInfo) -> None:
        super().__init__(run)
        self.path = run.run_dir / "metrics.csv"
        self._columns = list(AXES)
        self._file: TextIO | None = None
        self._last: Row = {}  # the last row and where it starts, so that it can still be completed
        self._last_at = 0

    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """One row at `step` images shown. A second call at the same step completes the row; a late one goes to its place."""
        if step is None:
            raise ValueError("metrics.csv: step is None; it must be the number of images shown")
        file = self._file or self._open(read_metrics(self.path) if self.run.resume and self.path.exists() else [])
        row: Row = {"kimg": step / 1000, "images": step, **{k: float(v) for k, v in metrics.items()}}
        if set(row) - set(self._columns) or step < self._last.get("images", 0):
            self._open(_placed(row, read_metrics(self.path)))
            return
        if step == self._last.get("images"):
            row = self._last | row
        else:
            self._last_at = os.path.getsize(self.path)
        file.seek(self._last_at)
        file.write(_line([_cell(row, c) for c in self._columns]))
        file.truncate()  # flushes first
        self._last = row

    @rank_zero_only
    def cut(self, images: int) -> None:
        """Drops the rows past `images`: on resume, those that the run wrote after the checkpoint it continues from."""
        self._open([r for r in read_metrics(self.path) if r["images"] <= images] if self.path.exists() else [])

    def log_picture(self, name: str, image: Tensor, step: int, caption: str = "") -> None:
        """Nothing: the pictures of the run folder are the files under samples/, which the `Samples` callback writes."""

    def summarise(self, values: dict[str, float]) -> None:
        """Nothing: best and last can be read from the columns."""

    @rank_zero_only
    def finish(self, exit_code: int) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None

    def _open(self, rows: list[Row]) -> TextIO:
        """Replaces the file by these rows, atomically, and opens it for more."""
        if self._file is not None:
            self._file.close()
        self._columns += [c for c in dict.fromkeys(c for r in rows for c in r) if c not in self._columns]
        lines = [_line(self._columns)] + [_line([_cell(r, c) for c in self._columns]) for r in rows]
        atomic_write(self.path, "".join(lines), "choose another place by run_dir=…")
        self._file = open(self.path, "r+", encoding="utf-8", newline="")  # noqa: SIM115  (stays open for the run)
        self._last = rows[-1] if rows else {}
        self._last_at = os.path.getsize(self.path) - (len(lines[-1].encode()) if rows else 0)
        return self._file


def copy_rows(source: Path, target: Path, images: int) -> None:
    """Begin the metrics.csv of a run folder with the rows of another one up to so many images; nothing where it has none."""
    if not (source / "metrics.csv").is_file():
        return
    rows = [row for row in read_metrics(source / "metrics.csv") if row["images"] <= images]
    columns = list(dict.fromkeys([*AXES, *(column for row in rows for column in row)]))
    lines = [_line(columns), *(_line([_cell(row, column) for column in columns]) for row in rows)]
    atomic_write(target / "metrics.csv", "".join(lines), "choose another place by run_dir=…")


def _placed(row: Row, rows: list[Row]) -> list[Row]:
    at = {int(r["images"]): r for r in rows}
    at[int(row["images"])] = at.get(int(row["images"]), {}) | row
    return [at[images] for images in sorted(at)]


def _cell(row: Row, column: str) -> str:
    if column not in row:
        return ""
    if column in AXES or float(row[column]).is_integer():
        return repr(row[column]).removesuffix(".0")
    return format(row[column], ".7g")  # float32 carries no more


def _line(cells: Iterable[str]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow(cells)
    return text.getvalue()
