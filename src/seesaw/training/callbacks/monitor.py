"""The monitor while a model trains: feeds `seesaw.monitor.monitor.Monitor`, shows its verdict, and ends the run where it may."""

from collections.abc import Callable
from typing import Any

from pytorch_lightning import Callback, Trainer
from pytorch_lightning.utilities.rank_zero import rank_zero_only

from seesaw.errors import Diverged
from seesaw.monitor.monitor import Monitor
from seesaw.monitor.verdict import Verdict
from seesaw.training.callbacks.base import BatchCallback
from seesaw.training.callbacks.evaluate import Evaluate
from seesaw.training.callbacks.stop import GracefulStop
from seesaw.training.loggers.tracker import trackers_of
from seesaw.training.run_folder import Status

COLUMN = "monitor/verdict"
"""The number of the verdict's state in metrics.csv and W&B (`seesaw.monitor.verdict.STATES`)."""


class Watch(BatchCallback):
    """Asks the monitor after each evaluation, and reports what it answers: `monitor/verdict` to all loggers, the words to
    status.json and the trackers, an alert once per change to an unhealthy state.

    All processes of a run see the same figures, so all reach the same verdict; no message is exchanged. Nothing happens in a
    step: rows of training arrive by `Experiment.listeners` when they are logged anyway. Must stand after the evaluation and
    before the checkpoints, which save its state.

    Args:
        monitor: gives the verdicts. Without rules nothing is watched.
        evaluation: measures the figures.
        stop: ends the run where the monitor acts.
        status: of the run.
        length: of the run, in images.
        may_go_back: whether the run can be rolled back now, asked with the verdict where the monitor wants that.
    """

    def __init__(
        self,
        monitor: Monitor,
        evaluation: Callback,
        stop: GracefulStop,
        status: Status,
        length: int,
        may_go_back: Callable[[Verdict], bool] = lambda verdict: False,
    ) -> None:
        self.monitor, self.stop, self.status, self.length = monitor, stop, status, length
        self.may_go_back = may_go_back
        self.evaluation = evaluation if isinstance(evaluation, Evaluate) and monitor.rules else None
        self.shown = 0
        """How many of the monitor's changes have been shown."""

    def on_fit_start(self, trainer: Trainer, pl_module: Any) -> None:
        self.monitor.begin(self.length, pl_module.last_change)
        if self.monitor.rules:
            pl_module.listeners.append(self.monitor.see_window)

    def on_train_start(self, trainer: Trainer, pl_module: Any) -> None:
        self.seen = 0 if self.evaluation is None else self.evaluation.evaluated_at
        self.shown = len(self.monitor.changes)
        if self.monitor.last is not None:  # of a run that goes on
            self.note(trainer, pl_module)
            if self.monitor.on_unhealthy == "rollback":  # it was killed when it was about to go back
                self.act(trainer, pl_module)

    def on_train_batch_end(self, trainer: Trainer, pl_module: Any, *args: Any) -> None:
        if self.evaluation is None or self.evaluation.evaluated_at == self.seen:
            return
        self.seen = self.evaluation.evaluated_at
        verdict = self.monitor.observe(self.seen, self.evaluation.evidence, self.evaluation.protocol)
        pl_module.report({COLUMN: verdict.code}, self.seen)
        self.note(trainer, pl_module)
        self.act(trainer, pl_module)

    def act(self, trainer: Trainer, pl_module: Any) -> None:
        """End the run here, or let it go back, where the monitor asks for that."""
        verdict = self.monitor.last
        if verdict is None or not self.monitor.acts or trainer.should_stop or pl_module.images_shown >= self.length:
            return
        if self.monitor.on_unhealthy == "stop":
            self.stop.pruned = True
        elif trainer.strategy.broadcast(self.may_go_back(verdict)):  # the first process decides
            self.stop.rolled_back = True
        else:
            return
        self.stop.verdict, trainer.should_stop = verdict, True

    def on_exception(self, trainer: Trainer, pl_module: Any, exception: BaseException) -> None:
        if isinstance(exception, Diverged):
            self.monitor.diverged(str(exception), pl_module.images_shown)
            self.note(trainer, pl_module)

    def note(self, trainer: Trainer, pl_module: Any) -> None:
        """Put the verdict into status.json and the trackers, and report what has changed since the last time."""
        verdict = self.monitor.last
        if verdict is None:
            return
        self.status.update("running", int(pl_module.images_shown), **entries(self.monitor))
        changes, self.shown = self.monitor.changes[self.shown :], len(self.monitor.changes)
        new = [change for change in changes if change.unhealthy]
        for tracker in trackers_of(trainer):
            tracker.log_text("monitor", verdict.sentence(), int(pl_module.images_shown), alert=bool(new))
        for change in new:
            rank_zero_only(print)(f"monitor: {change.sentence()}", flush=True)

    def state_dict(self) -> dict[str, Any]:
        return self.monitor.state_dict()

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.monitor.load_state_dict(state_dict)


def entries(monitor: Monitor) -> dict[str, Any]:
    """The entries of status.json: `verdict`, and `verdicts`, each that the run has had."""
    if monitor.last is None:
        return {}
    return {"verdict": monitor.last.status(), "verdicts": [change.status() for change in monitor.changes]}
