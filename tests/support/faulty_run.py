"""`python faulty_run.py WHEN FAULT OVERRIDES…`: a run in which something happens to its tracker at a moment.

WHEN: first (before the first row), middle (before the third) or end. FAULT: a signal for W&B's helper process (KILL, STOP), a
signal for the run and its helper (KILL_BOTH), a URL to which is posted, disk (the tracker's own writes fail with error 28 from
then on), fill (a file takes what is free of the file system that is mounted at run/wandb), raises (the tracker raises an
exception of its own at each call), exits (it wants to end the process) or none.
"""

import errno
import os
import signal
import sys
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

from small_disks import fill

from seesaw.cli.train import main
from seesaw.training.loggers.guarded import Guarded
from seesaw.training.loggers.wandb_helper import helper


def strike(fault: str) -> None:
    if fault.startswith("http"):
        urllib.request.urlopen(urllib.request.Request(fault, data=b"", method="POST")).close()
    elif fault == "disk":
        fill_disk()
    elif fault == "fill":
        fill(Path("run/wandb"))
    elif fault in ("raises", "exits"):
        spoil({"raises": KeyError("a row"), "exits": SystemExit(3)}[fault])
    elif fault != "none":
        process = helper()
        assert process is not None
        os.kill(process.pid, signal.Signals[f"SIG{fault.removesuffix('_BOTH')}"])
        if fault.endswith("_BOTH"):
            os.kill(os.getpid(), signal.SIGKILL)


def fill_disk() -> None:
    """From now on TensorBoard's writer finds no room."""
    from tensorboard.summary.writer.record_writer import RecordWriter

    def full(*args: Any) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    RecordWriter.write = full


def spoil(error: BaseException) -> None:
    """From now on each call of W&B's tracker fails so."""
    from seesaw.training.loggers.wandb_log import WandbLog

    def fails(*args: Any, **kwargs: Any) -> None:
        raise error

    WandbLog.log_metrics = WandbLog.log_picture = WandbLog.summarise = fails  # type: ignore[method-assign]


def strikes_at(when: str, fault: str) -> None:
    log, finish, rows = Guarded.log_metrics, Guarded.finish, [0]

    def log_metrics(self: Guarded, metrics: dict[str, float], step: int | None = None) -> None:
        if rows[0] == {"first": 0, "middle": 2}.get(when):
            strike(fault)
        rows[0] += 1
        log(self, metrics, step)

    def end(self: Guarded, exit_code: int) -> None:
        if when == "end":
            strike(fault)
        finish(self, exit_code)

    Guarded.log_metrics, Guarded.finish = log_metrics, end  # type: ignore[method-assign]


def run(when: str, fault: str, *overrides: str) -> Any:
    import seesaw.training.run

    nothing: Callable[[Any], None] = lambda folder: None  # noqa: E731
    seesaw.training.run.curves = nothing  # drawing takes longer than training
    strikes_at(when, fault)
    return main(list(overrides))


if __name__ == "__main__":
    sys.exit(run(*sys.argv[1:]))
