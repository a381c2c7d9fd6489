"""From the group `logger` to the trackers of a run."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from seesaw.training.build import construct
from seesaw.training.loggers.csv_log import CSVLog
from seesaw.training.loggers.tracker import RunInfo, Tracker


def build_loggers(
    cfg_logger: Mapping[str, Any],
    run_dir: Path,
    run_name: str,
    config: dict[str, Any],
    resume: bool,
    group: str | None = None,
    choices: Mapping[str, str] | None = None,
    kind: str = "train",
) -> list[Tracker]:
    """`metrics.csv` always, then the trackers that the group names.

    Args:
        cfg_logger: name to a node with `_target_` and `_partial_: true`, which is then called with the `RunInfo`. Empty
            for `logger=csv` and `logger=none`, so that several groups can be combined: `logger=[wandb,tensorboard]`.
        run_dir: the run folder.
        run_name: shown name of the run.
        config: the resolved configuration as plain containers; trackers that can keep it with the run.
        resume: whether the run folder's record is continued.
        group: of a sweep's job, the sweep.
        choices: group of the configuration to the option chosen, which runs can be filtered and grouped by.
        kind: train, or search for the trial of a search.
    """
    run = RunInfo(run_dir, run_name, config, resume, group, dict(choices or {}), kind)
    return [
        CSVLog(run),
        *(make(run) for make in construct(dict(cfg_logger), "logger", config.get("packages", ())).values()),
    ]
