"""From the group `logger` to the trackers of a run."""

from collections.abc import Mapping
from typing import Any

from seesaw.training.build import construct
from seesaw.training.loggers.csv_log import CSVLog
from seesaw.training.loggers.guarded import Guarded
from seesaw.training.loggers.tracker import RunInfo, Tracker


def build_loggers(nodes: Mapping[str, Any], run: RunInfo) -> list[Tracker]:
    """`metrics.csv` always, then the trackers that the group names, guarded: only a failure of metrics.csv ends a run.

    Args:
        nodes: name to a node with `_target_` and `_partial_: true`, which is then called with the `RunInfo`. Empty
            for `logger=csv` and `logger=none`, so that several groups can be combined: `logger=[wandb,tensorboard]`.
        run: the run that they follow.
    """
    makers = construct(dict(nodes), "logger", run.config.get("packages", ()))
    return [CSVLog(run), *(Guarded(make(run)) for make in makers.values())]
