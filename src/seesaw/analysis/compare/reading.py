"""Run folders on the disk. Imports no torch, so that `seesaw compare` answers at once."""

import csv
import io
import json
import math
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml

from seesaw.analysis.compare import former
from seesaw.config.renamed import with_moved_targets
from seesaw.config.values import did_you_mean
from seesaw.errors import UserError

EVAL = "eval/"
"""Begins the columns of metrics."""
SPEEDS = ("train/images_per_sec", "train/iterations_per_sec")
"""The columns of training that are better when larger."""
MARKS = ("config.yaml", "metrics.csv", "status.json", "job.json")
"""A folder that holds one of these is a run; a job of a sweep that failed early may have left only the last two."""
DIVERGED = re.compile(r"training diverged|the distance is -?(nan|inf)")
"""The reason of a run that failed because its numbers were not finite any more (seesaw.gan.checks, seesaw.sweeps.search)."""
Row = dict[str, float]
Point = tuple[float, float]


@dataclass(frozen=True)
class Run:
    """One run folder, under the names of today.

    Attributes:
        folder: where it lies.
        name: distinguishes it from the others.
        config: empty where the run ended before it wrote any.
        status: of status.json, or of job.json where a job ended earlier.
        rows: of metrics.csv.
        choices: group -> chosen option, as it was typed; empty of older versions.
    """

    folder: Path
    name: str
    config: dict[str, Any] = field(default_factory=dict)
    status: dict[str, Any] = field(default_factory=dict)
    rows: list[Row] = field(default_factory=list)
    choices: dict[str, str] = field(default_factory=dict)

    @property
    def state(self) -> str:
        """running, finished, interrupted, failed, …; unknown where no file has it."""
        return str(self.status.get("state") or "unknown")

    @property
    def reason(self) -> str:
        return str(self.status.get("reason") or "")

    @property
    def diverged(self) -> bool:
        """Whether it failed by its own doing: the experiment had a result, and it was the worst there is."""
        return self.state == "failed" and DIVERGED.search(self.reason) is not None

    @property
    def outcome(self) -> str:
        """Its state, or diverged."""
        return "diverged" if self.diverged else self.state

    @property
    def seed(self) -> Any:
        return self.config.get("seed")

    @property
    def kimg(self) -> float:
        """How far it got: the status is as old as the last checkpoint, the rows may be newer."""
        noted = self.status.get("kimg")
        reached = float(noted) if isinstance(noted, int | float) else 0.0
        return max(reached, self.rows[-1]["kimg"] if self.rows else 0.0)

    @property
    def protocol(self) -> str:
        """How its metrics were measured; empty where nothing is measured, and of older versions until they ended."""
        return str(self.status.get("protocol") or "")

    @property
    def primary(self) -> str | None:
        """The column of the metric that the run itself is judged by, or None: where there is none, and of older versions until
        they ended."""
        if self.status.get("metric"):
            return f"{EVAL}{self.status['metric']}"
        named = [key.removeprefix("best/") for key in self.status if key.startswith("best/") and key != "best/kimg"]
        return f"{EVAL}{named[0]}" if named else None

    def higher_is_better(self, metric: str) -> bool:
        """The direction of a column: as the run itself notes it in its status; of runs that did not, by the frozen table."""
        if not metric.startswith(EVAL):
            return metric in SPEEDS
        noted = self.status.get("higher_is_better")
        if isinstance(noted, dict):
            return bool(noted.get(metric.removeprefix(EVAL), False))
        return metric.startswith(former.HIGHER)

    @cached_property
    def columns(self) -> list[str]:
        return list(dict.fromkeys(name for row in self.rows for name in row))

    def curve(self, metric: str) -> list[Point]:
        """(kimg, value) wherever the metric was measured."""
        return [(row["kimg"], row[metric]) for row in self.rows if metric in row]

    def final(self, metric: str) -> float | None:
        """Its value in the last row that has it."""
        return next((row[metric] for row in reversed(self.rows) if metric in row), None)


def find(paths: Sequence[Path]) -> list[Path]:
    """The run folders among `paths` and one or two levels below those that are none, each once, in natural order of names.

    Raises UserError where a path is no folder, or nothing is found.
    """
    found: dict[Path, Path] = {}
    for path in paths:
        if not path.is_dir():
            what = "it is a file" if path.is_file() else "there is no such folder"
            raise UserError(f"{path}: {what}; give run folders, or folders that hold runs")
        for folder in below(path, depth=2):
            found.setdefault(folder.resolve(), folder)
    if not found:
        where = ", ".join(str(path) for path in paths)
        raise UserError(
            f"{where}: no run found here or up to two folders below; a run has a config.yaml or status.json"
        )
    return sorted(found.values(), key=lambda folder: natural(str(folder)))


def below(path: Path, depth: int) -> Iterator[Path]:
    if any((path / mark).is_file() for mark in MARKS):
        yield path
    elif depth:
        for child in sorted(path.iterdir()):
            if child.is_dir() and not child.name.startswith("."):
                yield from below(child, depth - 1)


def natural(text: str) -> list[tuple[int, str]]:
    """Sorts 2 before 10."""
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", text) if part]


def parent_of(folders: Iterable[Path]) -> Path:
    """The deepest folder that holds all of the run folders."""
    return Path(os.path.commonpath([folder.resolve().parent for folder in folders]))


def read(folders: Sequence[Path]) -> tuple[list[Run], list[str]]:
    """The runs, and a sentence for each folder whose files cannot be read. UserError where that is all of them."""
    parent = parent_of(folders)
    runs, broken = [], []
    for folder in folders:
        try:
            runs.append(read_run(folder, str(folder.resolve().relative_to(parent))))
        except UserError as error:
            broken.append(str(error))
    if not runs:
        raise UserError(broken[0])
    return runs, broken


def read_run(folder: Path, name: str) -> Run:
    """What the folder holds; files that are missing leave their part empty. UserError for one that cannot be read."""
    job, status = read_json(folder / "job.json"), read_json(folder / "status.json")
    noted = {key: job[key] for key in ("state", "reason", "name") if key in job} | status
    chosen = noted.get("choices")
    typed = {str(k): str(v) for k, v in chosen.items()} if isinstance(chosen, dict) else {}
    config, choices = former.modern(read_config(folder / "config.yaml"), typed)
    return Run(folder, name, config, noted, read_rows(folder / "metrics.csv"), choices)


def read_json(path: Path) -> dict[str, Any]:
    try:
        return dict(json.loads(path.read_text(errors="replace"))) if path.is_file() else {}
    except (OSError, ValueError, TypeError) as error:
        raise UserError(f"{path} cannot be read: {one_line(error)}") from error


def read_config(path: Path) -> dict[str, Any]:
    try:
        text = path.read_text() if path.is_file() else "{}"
        config = yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise UserError(f"{path} cannot be read: {one_line(error)}") from error
    if not isinstance(config, dict):
        raise UserError(f"{path} cannot be read: it holds no mapping of options")
    return dict(with_moved_targets(config))


def read_rows(path: Path) -> list[Row]:
    """As `read_metrics` of csv_log.py reads them (that module imports torch), columns under their names of today: a torn
    last line is left out."""
    try:
        text = path.read_text() if path.is_file() else ""
        columns, *lines = list(csv.reader(io.StringIO(text[: text.rfind("\n") + 1]))) or [[]]
        if lines and len(lines[-1]) != len(columns):
            lines.pop()
        names = [former.column(c) for c in columns]
        rows = [{c: float(v) for c, v in zip(names, line, strict=True) if v} for line in lines]
        if any("kimg" not in row for row in rows):
            raise ValueError("it has no column kimg, or a row without it")
    except (OSError, ValueError, csv.Error) as error:
        raise UserError(f"{path} cannot be read: {one_line(error)}") from error
    return rows


def one_line(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__


def metric_of(run: Run, asked: str | None, primaries: Sequence[str]) -> str | None:
    """The column to compare the run by: the one asked for; its own; for one of an older version that has not ended, the others',
    or any distance. None where it has not measured it."""
    if asked is not None:
        return asked if asked in run.columns else None
    known = [name for name in (run.primary, *primaries) if name in run.columns]
    if "metric" not in run.status:
        known += [column for start in former.DISTANCES for column in run.columns if column.startswith(start)]
    return known[0] if known else None


def column_of(metric: str, runs: Sequence[Run]) -> str:
    """The column that `metric` names, with or without eval/ or train/, also by its former name. UserError, with those there are,
    where no run has measured it."""
    known = list(dict.fromkeys(c for run in runs for c in run.columns if c not in ("kimg", "images")))
    for name in (metric, f"{EVAL}{metric}", f"train/{metric}", former.column(metric)):
        if name in known:
            return name
    names = [shown(name) for name in known]
    raise UserError(f"--metric {metric}: no run has measured it{did_you_mean(metric, names, most=60)}")


def shown(metric: str) -> str:
    """The name of a column in tables: metrics without eval/, as status.json and W&B's summary have them."""
    return metric.removeprefix(EVAL)


def sort_key(value: float, higher_is_better: bool) -> float:
    """What is smaller when better; a value that is not finite is worse than any."""
    if not math.isfinite(value):
        return math.inf
    return -value if higher_is_better else value
