"""Run folders on the disk. Imports no torch, so that `seesaw compare` answers fast."""

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

import numpy as np
import pandas as pd
import yaml

from seesaw.analysis.compare import former
from seesaw.config.renamed import with_moved_targets
from seesaw.config.values import did_you_mean
from seesaw.errors import UserError
from seesaw.monitor.verdict import STATES, words
from seesaw.training.lock import is_held, was_locked
from seesaw.util import MAX_DEPTH, MAX_NODES

EVAL = "eval/"
"""Prefix of the columns of metrics."""
SPEEDS = ("train/images_per_sec", "train/iterations_per_sec")
"""The columns of training that are better when larger."""
MARKS = ("config.yaml", "metrics.csv", "status.json", "job.json")
"""A folder that holds one of these is a run; a job of a sweep that failed early may have left only the last two."""
DIVERGED = re.compile(r"training diverged|the distance is -?(nan|inf)")
"""The reason of a run that failed because its numbers were not finite any more (seesaw.shared.finite, seesaw.sweeps.search)."""


@dataclass(frozen=True)
class Run:
    """One run folder, under the present names.

    Attributes:
        folder: its path.
        name: distinguishes it from the others.
        config: empty if the run ended before it wrote any.
        status: of status.json, or of job.json if a job ended earlier.
        rows: metrics.csv, as `read_rows` reads it.
        choices: group -> chosen option, as it was typed; empty for older versions.
    """

    folder: Path
    name: str
    config: dict[str, Any] = field(default_factory=dict)
    status: dict[str, Any] = field(default_factory=dict)
    rows: pd.DataFrame = field(default_factory=pd.DataFrame)
    choices: dict[str, str] = field(default_factory=dict)

    @property
    def state(self) -> str:
        """running, finished, interrupted, failed, died, …; unknown if no file has it."""
        return str(self.status.get("state") or "unknown")

    @property
    def reason(self) -> str:
        return str(self.status.get("reason") or "")

    @property
    def diverged(self) -> bool:
        """Whether it failed because its numbers were not finite: a result of the experiment, and the worst there is."""
        return self.state == "failed" and DIVERGED.search(self.reason) is not None

    @property
    def outcome(self) -> str:
        """Its state, or diverged."""
        return "diverged" if self.diverged else self.state

    @property
    def verdict(self) -> tuple[str, str]:
        """What the monitor last made of it, `mode dropping`, and why; two empty texts where nothing watched it."""
        noted = self.status.get("verdict")
        if not isinstance(noted, dict) or noted.get("state") not in STATES:
            return "", ""
        return words(noted["state"]), str(noted.get("reason") or "")

    @property
    def seed(self) -> Any:
        return self.config.get("seed")

    @property
    def kimg(self) -> float:
        """Its progress. The status is as old as the last checkpoint; the rows may be newer."""
        reached = number(self.status.get("kimg"))
        return max(reached, self.rows["kimg"].iloc[-1]) if len(self.rows) else reached

    @property
    def protocol(self) -> str:
        """How its metrics were measured; empty if nothing is measured, and for older versions until they ended."""
        return str(self.status.get("protocol") or "")

    @property
    def primary(self) -> str | None:
        """The column by which the run itself is judged, or None: without metrics, and for older versions until they ended."""
        if self.status.get("metric"):
            return f"{EVAL}{self.status['metric']}"
        named = [key.removeprefix("best/") for key in self.status if key.startswith("best/") and key != "best/kimg"]
        return f"{EVAL}{named[0]}" if named else None

    def higher_is_better(self, metric: str) -> bool:
        """The direction of a column, as the run's status has it; for runs without that, by the frozen table."""
        if not metric.startswith(EVAL):
            return metric in SPEEDS
        noted = self.status.get("higher_is_better")
        if isinstance(noted, dict):
            return bool(noted.get(metric.removeprefix(EVAL), False))
        return metric.startswith(former.HIGHER)

    @cached_property
    def columns(self) -> list[str]:
        """The columns with at least one value."""
        return list(self.rows.dropna(axis="columns", how="all"))

    def curve(self, metric: str) -> pd.Series:
        """The measured values by kimg."""
        if metric not in self.rows:
            return pd.Series(dtype=float)
        return self.rows[metric].set_axis(self.rows["kimg"].to_numpy()).dropna()

    def final(self, metric: str) -> float:
        """The last measured value, or NaN."""
        return float(curve.iloc[-1]) if len(curve := self.curve(metric)) else math.nan


def number(value: Any) -> float:
    """A number of a file as a finite float; 0 for anything else."""
    return float(value) if isinstance(value, int | float) and abs(value) < 1e300 else 0.0


def find(paths: Sequence[Path]) -> list[Path]:
    """The run folders among `paths` and up to two levels below those that are none, each once, in natural order of names.

    Raises:
        UserError: a path is no folder, or nothing is found.
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
    """A sort key that puts 2 before 10."""
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"(\d+)", text) if part]


def parent_of(folders: Iterable[Path]) -> Path:
    """The deepest folder that holds all run folders."""
    return Path(os.path.commonpath([folder.resolve().parent for folder in folders]))


def read(folders: Sequence[Path]) -> tuple[list[Run], list[str]]:
    """The runs, and an error sentence for each folder whose files cannot be read.

    Raises:
        UserError: no folder can be read.
    """
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
    """One run folder; missing files leave their part empty.

    Raises:
        UserError: a file cannot be read.
    """
    job, status = read_json(folder / "job.json"), read_json(folder / "status.json")
    noted = {key: job[key] for key in ("state", "reason", "name") if key in job} | status
    if noted.get("state") == "running" and was_locked(folder) and not is_held(folder):
        noted |= {"state": "died", "reason": "its process is gone: killed, or out of memory"}
    begun = begun_by(folder, noted)
    chosen = (noted if begun.parent == folder else read_json(begun.parent / "status.json")).get("choices")
    typed = {str(k): str(v) for k, v in chosen.items()} if isinstance(chosen, dict) else {}
    config, choices = former.modern(with_its_point(read_config(begun), noted), typed)
    return Run(folder, name, config, noted, read_rows(folder / "metrics.csv"), choices)


def with_its_point(config: dict[str, Any], status: dict[str, Any]) -> dict[str, Any]:
    """The configuration with `fork_at`, thousands of images shown, in the place of the checkpoint from which a fork began: forks
    of several seeds at one moment repeat each other."""
    kept = {key: value for key, value in config.items() if key != "fork_from"}
    monitor, parent = config.get("monitor"), status.get("parent")
    if isinstance(monitor, dict) and monitor.get("on_unhealthy") in ("stop", "rollback"):  # what may change a run
        kept["on_unhealthy"] = monitor["on_unhealthy"]
    if isinstance(parent, dict) and not isinstance(status.get("rollbacks"), list):
        kept["fork_at"] = number(parent.get("kimg"))
    return kept


def begun_by(folder: Path, status: dict[str, Any]) -> Path:
    """The configuration with which the run of a folder was begun: of one that went back, in what it first left behind."""
    first = folder / "before-1" / "config.yaml"
    return first if isinstance(status.get("rollbacks"), list) and first.is_file() else folder / "config.yaml"


def read_json(path: Path) -> dict[str, Any]:
    try:
        return dict(json.loads(path.read_text(encoding="utf-8", errors="replace"))) if path.is_file() else {}
    except (OSError, ValueError, TypeError, RecursionError) as error:
        raise unreadable(path, error) from error


def read_config(path: Path) -> dict[str, Any]:
    try:
        text = path.read_text(encoding="utf-8") if path.is_file() else "{}"
        config = yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
        if not isinstance(config, dict):
            raise ValueError("it holds no mapping of options")
        return dict(with_moved_targets(_plain(config, MAX_DEPTH, iter(range(MAX_NODES)))))
    except (OSError, ValueError, TypeError, RecursionError, yaml.YAMLError) as error:
        raise unreadable(path, error) from error


def _plain(node: Any, depth: int, budget: Iterator[int]) -> Any:
    """The configuration of mappings with text as keys, lists, numbers, text, true, false and null. ValueError if it is too deep
    or too large: aliases of YAML can contain themselves, and multiply."""
    if next(budget, None) is None:
        raise ValueError(f"it holds more than {MAX_NODES:,} values")
    if isinstance(node, dict | list) and not depth:
        raise ValueError(f"it is nested more than {MAX_DEPTH} levels deep")
    if isinstance(node, dict):
        return {str(key): _plain(value, depth - 1, budget) for key, value in node.items()}
    if isinstance(node, list):
        return [_plain(value, depth - 1, budget) for value in node]
    if isinstance(node, int) and abs(node) >= 1e300:  # no float can hold it
        return math.inf if node > 0 else -math.inf
    return node if isinstance(node, float | int | None) else str(node)


def read_rows(path: Path) -> pd.DataFrame:
    """The rows of a metrics.csv under the present names of the columns; a torn last line is left out.

    `read_metrics` of csv_log.py, which imports torch, reads the same.

    Returns:
        Floats; NaN was not measured. A measured value that is not a number is infinite. Without a file no rows.

    Raises:
        UserError: a line is torn other than the last, a cell is no number, or a row has no kimg.
    """
    try:
        text = path.read_text(encoding="utf-8") if path.is_file() else ""
        whole = text[: text.rfind("\n") + 1]
        if not whole.strip():
            return pd.DataFrame(columns=["kimg"], dtype=float)
        # The Python engine fills short rows by NaN and leaves empty cells empty; the C engine does not distinguish them.
        lines = pd.read_csv(io.StringIO(whole), header=None, dtype=str, keep_default_na=False, engine="python")
        cells = lines.iloc[1:-1] if lines.iloc[-1].isna().any() else lines.iloc[1:]
        if cells.isna().any(axis=None):
            raise ValueError("a line has fewer cells than the first")
        measured = (cells != "").to_numpy()
        values = np.where(measured, cells.to_numpy(), "nan").astype(float)
        values[measured & np.isnan(values)] = math.inf
        rows = pd.DataFrame(values, columns=[former.column(name) for name in lines.iloc[0]])
        if len(rows) and not ("kimg" in rows and np.isfinite(rows["kimg"]).all(axis=None)):
            raise ValueError("it has no column kimg, or a row without it")
    except (OSError, ValueError) as error:
        raise unreadable(path, error) from error
    return rows.loc[:, ~rows.columns.duplicated(keep="last")]


def unreadable(path: Path, error: Exception) -> UserError:
    """The sentence for a file that cannot be read."""
    why = "it is nested too deep" if isinstance(error, RecursionError) else " ".join(str(error).split())
    return UserError(f"{path} cannot be read: {why or type(error).__name__}")


def metric_of(run: Run, asked: str | None, primaries: Sequence[str]) -> str | None:
    """The column by which a run is compared, or None if the run has not measured it.

    It is the one that was asked for, else the run's own. For a run of an older version that has not ended, it is that of the
    other runs, or any distance.
    """
    if asked is not None:
        return asked if asked in run.columns else None
    known = [name for name in (run.primary, *primaries) if name in run.columns]
    if "metric" not in run.status:
        known += [column for start in former.DISTANCES for column in run.columns if column.startswith(start)]
    return known[0] if known else None


def column_of(metric: str, runs: Sequence[Run]) -> str:
    """The column that `metric` names, with or without eval/ or train/, also by its former name.

    Raises:
        UserError: no run has measured it; names those that were measured.
    """
    known = list(dict.fromkeys(c for run in runs for c in run.columns if c not in ("kimg", "images")))
    for name in (metric, f"{EVAL}{metric}", f"train/{metric}", former.column(metric)):
        if name in known:
            return name
    names = [shown(name) for name in known]
    raise UserError(f"--metric {metric}: no run has measured it{did_you_mean(metric, names, most=60)}")


def shown(metric: str) -> str:
    """The name of a column in tables: metrics without eval/, as in status.json and W&B's summary."""
    return metric.removeprefix(EVAL)
