"""When a run ends: at its length, in good order at a signal, or early because a search prunes it."""

import signal
import threading
from collections.abc import Callable
from types import FrameType
from typing import Any

import torch
import torch.distributed as dist
from pytorch_lightning import Callback, LightningModule, Trainer

from seesaw.functional.ranks import world_size
from seesaw.monitor.verdict import Verdict
from seesaw.training.callbacks.base import BatchCallback
from seesaw.training.callbacks.evaluate import Evaluate
from seesaw.training.signals import SIGNALS


class GracefulStop(BatchCallback):
    """Ends the run at `kimg`, or after the batch in which one of `SIGNALS` arrives. A second Ctrl-C ends it at once.

    `signal` is the number of the signal, or None. One process of several may get it alone: they exchange it after each batch
    and all end after the next one. Must stand before the checkpoints, which save when a stop is asked for. Lightning's own
    handlers end with exit code 0 or 1 and no checkpoint, so these replace them while training runs. In a thread, where Python
    allows no handlers, signals are left to the main thread.

    Args:
        kimg: length of the run, in thousands of images shown.
    """

    def __init__(self, kimg: float) -> None:
        self.images = round(kimg * 1000)
        self.signal: int | None = None
        self.pruned = False  # a search found the run hopeless: PruningCallback; or the monitor: Watch
        self.verdict: Verdict | None = None
        """For which the monitor has ended the run."""
        self.rolled_back = False  # the run goes back to its best checkpoint: Watch
        self.received_signal, self.any_rank_stopped = 0, LateMaximum()

    def state(self, images_shown: int, converged: bool = False) -> str:
        """How a run stands when its training has ended: pruned, finished (also where a signal came in the last batch), or
        interrupted by a signal or a time limit."""
        if self.pruned:
            return "pruned"
        if self.rolled_back and self.signal is None:
            return "rolled_back"
        return "finished" if converged or images_shown >= self.images else "interrupted"

    def reason(self) -> dict[str, str]:
        """The entry of status.json that names the verdict for which the run has ended; empty where there was none."""
        return {} if self.verdict is None else {"reason": f"monitor: {self.verdict.sentence()}"}

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if int(pl_module.images_shown) >= self.images:  # type: ignore[arg-type]  # killed after the last checkpoint
            trainer.should_stop = True
        if threading.current_thread() is threading.main_thread():
            # nohup ignores SIGHUP; a shell's background jobs ignore SIGINT, and are interrupted by it on purpose
            handled = [n for n in SIGNALS if n != signal.SIGHUP or signal.getsignal(n) is not signal.SIG_IGN]
            self.former = {number: signal.signal(number, self._handle) for number in handled}

    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, *args: Any) -> None:
        self.signal = self.any_rank_stopped.update(self.received_signal) or None
        if self.signal is not None or int(pl_module.images_shown) >= self.images:  # type: ignore[arg-type]
            trainer.should_stop = True

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._restore()

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        self._restore()

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self.received_signal and number == signal.SIGINT:
            raise KeyboardInterrupt
        self.received_signal = number

    def _restore(self) -> None:
        for number, handler in getattr(self, "former", {}).items():
            signal.signal(number, handler)


class LateMaximum:
    """The largest of the numbers that all ranks give, known to all of them one call later, so that no rank waits.

    The reduction runs on the CPU, so that nothing is read from a device. A single process knows its result at once.
    """

    def __init__(self) -> None:
        self.result: Callable[[], int] = lambda: 0

    def update(self, number: int) -> int:
        if world_size() == 1:
            return number
        before, mine = self.result, torch.tensor(number)
        work = dist.all_reduce(mine, dist.ReduceOp.MAX, async_op=True)

        def result() -> int:
            work.wait()
            return int(mine)

        self.result = result
        return before()


class PruningCallback(BatchCallback):
    """Ends the run, as `pruned`, where a search finds it hopeless. Must stand after the evaluation and before the checkpoints.

    Args:
        evaluation: measures the primary metric.
        judge: from images shown and the value of the primary metric to whether the run ends; called after each evaluation but
            the last.
        stop: records that the run was pruned.
    """

    def __init__(self, evaluation: Callback, judge: Callable[[int, float], bool], stop: GracefulStop) -> None:
        self.evaluation: Any = evaluation
        self.judge, self.stop = judge, stop

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self.seen = self.evaluation.evaluated_at if isinstance(self.evaluation, Evaluate) else 0

    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, *args: Any) -> None:
        evaluated = isinstance(self.evaluation, Evaluate) and self.evaluation.evaluated_at != self.seen
        if not evaluated or trainer.should_stop:
            return
        self.seen = self.evaluation.evaluated_at
        if self.judge(self.seen, self.evaluation.last[self.evaluation.primary]):
            self.stop.pruned = trainer.should_stop = True
