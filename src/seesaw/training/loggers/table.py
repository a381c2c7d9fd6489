"""The table of a run's figures, metrics.csv, as it is read."""

import csv
import io
import warnings
from pathlib import Path

from pytorch_lightning.utilities.rank_zero import rank_zero_only

from seesaw.errors import Notice

Row = dict[str, float]
AXES = ["kimg", "images"]
"""The first columns."""


def read_metrics(path: Path | str) -> list[Row]:
    """The rows of a `metrics.csv` up to the first damaged line, each with the columns that were measured. A kill can tear the
    last line; a Notice is given where more is damaged."""
    with open(path, encoding="utf-8", newline="", errors="replace") as file:
        text = file.read()
    whole = text[: text.rfind("\n") + 1].replace("\0", "?")
    columns, *lines = list(csv.reader(io.StringIO(whole))) or [[]]
    rows: list[Row] = []
    for line in lines:
        try:
            row = {c: float(v) for c, v in zip(columns, line, strict=True) if v}
            if not row.keys() >= {*AXES}:
                raise ValueError("a row without its axes")
        except ValueError:
            break
        rows.append(row)
    if (lost := len(lines) - len(rows)) > 1:
        text = f"{path}: line {len(rows) + 2} is damaged; it and the {lost - 1} after it are left out"
        rank_zero_only(warnings.warn)(text, Notice, stacklevel=2)
    return rows
