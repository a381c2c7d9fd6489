"""When a run ends: at its length, in good order at a signal, or before it began where its last scale would not fit."""

import signal
from collections.abc import Callable
from types import FrameType
from typing import Any

import torch
import torch.distributed as dist
from pytorch_lightning import Callback, LightningModule, Trainer

from seesaw.functional.ranks import world_size
from seesaw.gan.memory import check_memory
from seesaw.training.callbacks.base import BatchCallback
from seesaw.training.callbacks.evaluate import Evaluate

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Life(BatchCallback):
    """Ends the run at `kimg`, or after the batch in which Ctrl-C or SIGTERM came. A second Ctrl-C ends it at once.

    `signal` is the number that came, or None. Of several processes each may get it, or one alone: they vote after each batch
    and all end after the same one, the next. Must stand before the checkpoints, which save when a stop is asked for.
    Lightning's own handlers end with exit code 0 or 1 and no checkpoint, so these replace them while training runs.
    """

    def __init__(self, kimg: float) -> None:
        self.images = round(kimg * 1000)
        self.signal: int | None = None
        self.pruned = False  # a search found the run hopeless: Judged
        self.came, self.vote = 0, Vote()

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self.former = {number: signal.signal(number, self._handle) for number in SIGNALS}

    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, *args: Any) -> None:
        self.signal = self.vote.cast(self.came) or None
        if self.signal is not None or int(pl_module.images_shown) >= self.images:  # type: ignore[arg-type]
            trainer.should_stop = True

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._restore()

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        self._restore()

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self.came and number == signal.SIGINT:
            raise KeyboardInterrupt
        self.came = number

    def _restore(self) -> None:
        for number, handler in getattr(self, "former", {}).items():
            signal.signal(number, handler)


class Vote:
    """The largest of the numbers that all processes gave, known to all of them one call later: nobody waits for it.

    It goes over the CPU, so that it reads nothing from a device. In a process that is alone it is known at once.
    """

    def __init__(self) -> None:
        self.result: Callable[[], int] = lambda: 0

    def cast(self, number: int) -> int:
        if world_size() == 1:
            return number
        before, mine = self.result, torch.tensor(number)
        work = dist.all_reduce(mine, dist.ReduceOp.MAX, async_op=True)

        def result() -> int:
            work.wait()
            return int(mine)

        self.result = result
        return before()


class Judged(BatchCallback):
    """Tells `judge` the images shown and the distance after each evaluation but the last; where it answers True, the run ends
    there in good order, as `pruned`. Must stand after the evaluation and before the checkpoints."""

    def __init__(self, evaluation: Callback, judge: Callable[[int, float], bool], life: Life) -> None:
        self.evaluation: Any = evaluation
        self.judge, self.life = judge, life

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self.seen = self.evaluation.evaluated_at if isinstance(self.evaluation, Evaluate) else 0

    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, *args: Any) -> None:
        evaluated = isinstance(self.evaluation, Evaluate) and self.evaluation.evaluated_at != self.seen
        if not evaluated or trainer.should_stop:
            return
        self.seen = self.evaluation.evaluated_at
        if self.judge(self.seen, self.evaluation.last[self.evaluation.primary]):
            self.life.pruned = trainer.should_stop = True


class MemoryCheck(BatchCallback):
    """Tries the last scale of a growing model before the first image is shown; see `seesaw.gan.memory`."""

    def on_train_start(self, trainer: Trainer, pl_module: Any) -> None:
        last = pl_module.last_change
        if last > pl_module.images_shown:
            data: Any = trainer.datamodule  # type: ignore[attr-defined]
            size = data.batch_size_at(last) // trainer.world_size
            check_memory(pl_module, size, (data.channels, data.resolution, data.resolution))
