"""Reads a W&B run back from the folder that it left, without W&B's own readers: only its record type."""

import json
import struct
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from wandb.proto import wandb_internal_pb2 as pb

_BLOCK, _FULL, _LAST = 32768, 1, 4


@dataclass
class OfflineRun:
    """`pictures`: name to (kimg, uint8 pixels) in the order in which they were logged, and `captions` likewise; `axes` and
    `summaries`: name to step metric and to what the summary keeps, min or max."""

    folder: Path
    history: list[dict[str, Any]] = field(default_factory=list)
    config: dict[str, Any] = field(default_factory=dict)
    summary: dict[str, Any] = field(default_factory=dict)
    changes: list[tuple[float, dict[str, Any]]] = field(default_factory=list)
    pictures: dict[str, list[tuple[float, np.ndarray]]] = field(default_factory=dict)
    captions: dict[str, list[str]] = field(default_factory=dict)
    axes: dict[str, str] = field(default_factory=dict)
    summaries: dict[str, str] = field(default_factory=dict)
    facts: dict[str, Any] = field(default_factory=dict)
    exit_code: int | None = None
    alerts: list[tuple[str, str]] = field(default_factory=list)


def read_run(folder: Path, wait: float = 10.0) -> OfflineRun:
    """`folder`: an `offline-run-…`, or one that holds exactly one of them (`<run_dir>/wandb`, `<run_dir>`).

    W&B's own process writes the file's end a moment after `finish` returned: `wait` is how many seconds to read again until
    the exit code is there (0 for a run that was killed)."""
    logs = sorted(Path(folder).rglob("run-*.wandb"))
    if len(logs) != 1:
        raise ValueError(f"{folder} holds {len(logs)} W&B logs: {[log.name for log in logs]}")
    end = time.monotonic() + wait
    while (run := _read(logs[0])).exit_code is None and time.monotonic() < end:
        time.sleep(0.05)
    for row in run.history:
        for name in [key.removesuffix("/_type") for key, value in row.items() if value == "image-file"]:
            with Image.open(run.folder / "files" / row[f"{name}/path"]) as picture:
                run.pictures.setdefault(name, []).append((row["kimg"], np.asarray(picture)))
            run.captions.setdefault(name, []).append(row.get(f"{name}/caption", ""))
    return run


def _read(log: Path) -> OfflineRun:
    run = OfflineRun(log.parent)
    for record in _records(log.read_bytes()):
        _READERS.get(record.WhichOneof("record_type"), lambda run, record: None)(run, record)
    return run


def _records(log: bytes) -> Iterator[Any]:
    """LevelDB's log format behind a 7-byte head: blocks of 32 KiB, in them chunks (checksum, length, type, bytes)."""
    assert log[:4] in (b":W&B", b""), log[:7]
    at, whole = 7, b""
    while at + 7 <= len(log):  # the last chunk may still be on its way
        if _BLOCK - at % _BLOCK < 7:  # no chunk begins in the last bytes of a block
            at += _BLOCK - at % _BLOCK
            continue
        _, length, kind = struct.unpack_from("<IHB", log, at)
        if kind == 0:
            return
        if at + 7 + length > len(log):
            return
        whole += log[at + 7 : at + 7 + length]
        at += 7 + length
        if kind in (_FULL, _LAST):
            record = pb.Record()
            record.ParseFromString(whole)
            whole = b""
            yield record


def _values(items: Iterable[Any]) -> dict[str, Any]:
    return {item.key or "/".join(item.nested_key): json.loads(item.value_json) for item in items}


def _read_start(run: OfflineRun, record: Any) -> None:
    start = record.run
    run.facts = {"id": start.run_id, "project": start.project, "name": start.display_name, "group": start.run_group,
                 "tags": list(start.tags), "job_type": start.job_type}  # fmt: skip
    run.config |= _values(start.config.update)


def _read_axis(run: OfflineRun, record: Any) -> None:
    name, kept = record.metric.name or record.metric.glob_name, record.metric.summary
    run.axes[name] = record.metric.step_metric
    run.summaries[name] = "min" if kept.min else "max" if kept.max else ""


def _read_summary(run: OfflineRun, values: dict[str, Any]) -> None:
    run.summary.update(values)
    run.changes.append((run.history[-1]["kimg"] if run.history else 0.0, values))


def _read_exit(run: OfflineRun, record: Any) -> None:
    run.exit_code = record.exit.exit_code


_READERS = {
    "run": _read_start,
    "metric": _read_axis,
    "exit": _read_exit,
    "history": lambda run, record: run.history.append(_values(record.history.item)),
    "config": lambda run, record: run.config.update(_values(record.config.update)),
    "alert": lambda run, record: run.alerts.append((record.alert.title, record.alert.text)),
    "summary": lambda run, record: _read_summary(run, _values(record.summary.update)),
}
