"""What an export has of its run: the configuration without places of this machine, and what is known of its figures."""

import csv
import json
from pathlib import Path
from typing import Any, NamedTuple

from torch import Tensor

from seesaw.errors import UserError
from seesaw.monitor.verdict import STATES, words
from seesaw.trained.trained import Trained
from seesaw.training.checkpoint_file import FORMAT
from seesaw.training.run_folder import read_status

NOT_EXPORTED = (
    "logger",
    "callbacks",
    "trainer",
    "debug",
    "packages",
    "cache_dir",
    "run_dir",
    "resume",
    "init_from",
    "fork_from",
)
"""Top-level keys that belong to the place where the run was made."""


class Known(NamedTuple):
    """What the run folder has of the exported weights.

    Attributes:
        measured_kimg: thousands of images shown when `figures` were measured; None: they were not.
        figures: value by the metric's name.
        protocol: how they were measured.
        verdict: the monitor's at that moment, or empty.
        certificate: certificate.json, or empty.
    """

    measured_kimg: float | None
    figures: dict[str, float]
    protocol: str
    verdict: str
    certificate: dict[str, Any]


def described(run: Trained) -> dict[str, Any]:
    """What `seesaw.trained.exported` keeps beside the tensors, plain."""
    config = {key: plain(value) for key, value in run.config.items() if key not in NOT_EXPORTED}
    return {"format": FORMAT, "images_shown": run.images_shown, "averaged": run.averaged, "config": config,
            "extra_state": extra_state(run)}  # fmt: skip


def plain(node: Any) -> Any:
    """The same with the last part alone of each absolute path, so that no folder of this machine is published."""
    if isinstance(node, dict):
        return {key: plain(child) for key, child in node.items()}
    if isinstance(node, list | tuple):
        return [plain(child) for child in node]
    return Path(node).name if isinstance(node, str) and node.startswith(("/", "~/")) else node


def weights(run: Trained) -> dict[str, Tensor]:
    """The tensors of the generator's state dict."""
    return {name: value for name, value in run.generator.state_dict().items() if isinstance(value, Tensor)}


def extra_state(run: Trained) -> dict[str, Any]:
    """What modules of the generator keep beside tensors: the stage of a growing one. UserError where it is no plain value."""
    found = {name: value for name, value in run.generator.state_dict().items() if not isinstance(value, Tensor)}
    for name, value in found.items():
        try:
            json.dumps(value)
        except (TypeError, ValueError) as error:
            raise UserError(
                f"{name} of the generator keeps a {type(value).__name__}, which cannot be exported"
            ) from error
    return found


def known_of(run: Trained) -> Known:
    """What the run folder has; nothing of a checkpoint that was taken elsewhere."""
    if run.folder is None:
        return Known(None, {}, "", "", {})
    row = row_at(run.folder / "metrics.csv", run.images_shown)
    figures = {name.removeprefix("eval/"): value for name, value in row.items() if name.startswith("eval/")}
    code = row.get("monitor/verdict")
    verdict = words(STATES[int(code)]) if code is not None and 0 <= code < len(STATES) else ""
    protocol = str(read_status(run.folder).get("protocol") or "") if figures else ""
    return Known(row.get("kimg"), figures, protocol, verdict, read_json(run.folder / "certificate.json"))


def row_at(path: Path, images_shown: int) -> dict[str, float]:
    """The last row with an evaluation, of those up to the images shown; empty where there is none."""
    found: dict[str, float] = {}
    try:
        with open(path, encoding="utf-8", newline="", errors="replace") as file:
            for line in csv.DictReader(file):
                row = {key: float(value) for key, value in line.items() if key and value}
                if row.get("images", 0) > images_shown:
                    break
                found = row if any(key.startswith("eval/") for key in row) else found
    except (OSError, ValueError, TypeError, csv.Error):  # none, or a torn line behind the others
        pass
    return found


def read_json(path: Path) -> dict[str, Any]:
    """The mapping in a file of JSON; empty where there is none."""
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError, RecursionError):
        return {}
