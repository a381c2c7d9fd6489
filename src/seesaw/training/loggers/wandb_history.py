"""What former attempts of a run gave to W&B, read from the `.wandb` files that each of them leaves in the run folder."""

import contextlib
import json
import math
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from seesaw.training.loggers.history import lost_rows

_HEAD, _BLOCK, _FULL, _FIRST, _LAST = 7, 32768, 1, 2, 4


def missing_rows(run_dir: Path, run_id: str, images: int, received: float = math.inf) -> list[dict[str, float]]:
    """What metrics.csv has up to `images` and W&B has not, since its process lost it when it was killed.

    Args:
        run_dir: the run folder.
        run_id: W&B's id; attempts of other ids do not count.
        images: images shown at the checkpoint from which the run goes on.
        received: W&B's step up to which the server has points of online attempts (`Run.starting_step`); infinity where it
            was not asked: then what the files hold counts as sent.

    Returns:
        Rows in order, each with `kimg` and the metrics that W&B lacks there.
    """
    found = lost_rows(run_dir, images, _known(run_dir, run_id, received))
    return [{**row, "kimg": at / 1000} for at, row in found]


def _known(run_dir: Path, run_id: str, received: float) -> dict[int, set[str]]:
    """Images shown -> names of the metrics that W&B has there. Newest attempt first: its first step is where the server stood
    when it began, so it has nothing of an earlier attempt from that step on."""
    known: dict[int, set[str]] = {}
    attempts = (run_dir / "wandb").glob(f"*run-*/run-{run_id}.wandb")
    for file in sorted(attempts, key=lambda file: file.parent.name.removeprefix("offline-"), reverse=True):
        online = not file.parent.name.startswith("offline-")
        rows = list(history(file))
        for row in rows:
            if "kimg" in row and (not online or row.get("_step", 0) < received):
                known.setdefault(round(row["kimg"] * 1000), set()).update(row)
        if online and rows:
            received = min(received, rows[0].get("_step", 0))
    return known


def history(file: Path) -> Iterator[dict[str, Any]]:
    """The rows of a `.wandb` file up to the first damage, each with `_step`."""
    from wandb.proto import wandb_internal_pb2

    kind: Any = vars(wandb_internal_pb2)["Record"]
    with contextlib.suppress(Exception):  # whatever a damaged record of another program raises
        for text in _records(file.read_bytes()):
            record = kind.FromString(text)
            if record.WhichOneof("record_type") == "history":
                yield {
                    item.key or "/".join(item.nested_key): json.loads(item.value_json) for item in record.history.item
                }


def _records(log: bytes) -> Iterator[bytes]:
    """LevelDB's log format behind a head of 7 bytes: blocks of 32 KiB, in them chunks (checksum, length, type, bytes)."""
    at, whole = _HEAD, b""
    while at + _HEAD <= len(log):
        left = _BLOCK - at % _BLOCK
        if left < _HEAD:  # no chunk begins in the last bytes of a block
            at += left
            continue
        _, length, kind = struct.unpack_from("<IHB", log, at)
        if kind == 0 or at + _HEAD + length > len(log):  # torn by a kill
            return
        whole = (b"" if kind in (_FULL, _FIRST) else whole) + log[at + _HEAD : at + _HEAD + length]
        at += _HEAD + length
        if kind in (_FULL, _LAST):
            yield whole
            whole = b""
