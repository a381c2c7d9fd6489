"""Keeps the number of threads at the faster choice while other programs come and go."""

import statistics
import time
from collections import deque
from collections.abc import Callable
from typing import Any

import torch
from pytorch_lightning import LightningModule, Trainer
from tqdm import tqdm

from seesaw.training.callbacks.base import BatchCallback
from seesaw.training.threads import Load

FASTER = 0.95
"""Another number of threads is taken when its batches last at most this part of the present ones."""

SLOWER = 1.3
"""Batches that last this many times as long as at the last decision start a trial at once."""

WAIT = (10.0, 160.0)
"""Seconds between two trials: the first wait, doubled after each trial that changed nothing, up to the last."""


class ThreadTuner(BatchCallback):
    """Compares the present number of threads with one thread, or with the free cores, for a few batches now and then.

    A batch in which the process was stopped (Ctrl-Z) is not timed. A trial is ended as soon as it is clear that it loses, so
    that it costs about as much as one slow batch.

    Args:
        threads: the number that the run starts with.
        clock: seconds; replaced in tests.
        set_threads: what sets the number of threads.
        free: how many threads could be used at present without a wait.
    """

    def __init__(
        self,
        threads: int,
        clock: Callable[[], float] = time.perf_counter,
        set_threads: Callable[[int], None] = torch.set_num_threads,
        free: Callable[[], int] | None = None,
    ) -> None:
        self.threads, self.clock, self.set_threads = threads, clock, set_threads
        self.free = Load().free if free is None else free
        self.recent: deque[float] = deque(maxlen=32)
        self.trial: list[float] | None = None
        self.candidate, self.wait, self.reference = threads, WAIT[0], 0.0
        self.last = self.decided = clock()
        self.left_out = 0.0

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self.last = self.decided = self.clock()

    def on_train_batch_end(self, trainer: Trainer, pl_module: Any, *args: Any) -> None:
        now = self.clock()
        seconds, self.last = now - self.last, now
        stopped, self.left_out = pl_module.left_out_seconds != self.left_out, pl_module.left_out_seconds
        if stopped:
            return
        if self.trial is not None:
            self.trial.append(seconds)
            self._judge()
            return
        self.recent.append(seconds)
        if len(self.recent) >= 8 and self._is_due(now):
            self._begin()

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if self.trial is not None:
            self.set_threads(self.threads)

    def _is_due(self, now: float) -> bool:
        slower = self.reference > 0 and statistics.median(list(self.recent)[-8:]) > SLOWER * self.reference
        return now - self.decided >= (WAIT[0] / 5 if slower else self.wait)

    def _begin(self) -> None:
        self.candidate = 1 if self.threads > 1 else self.free()
        if self.candidate == self.threads:
            self._decide()
            return
        self.trial = []
        self.set_threads(self.candidate)

    def _judge(self) -> None:
        """End the trial when enough batches were timed, or when it has taken longer than it could to win."""
        assert self.trial is not None
        usual = statistics.median(self.recent)
        count = min(32, max(6, round(0.25 / max(usual, 1e-6))))
        timed = self.trial[1:]  # the first batch starts or ends threads
        if len(timed) < count and sum(self.trial) <= 1.5 * count * usual:
            return
        if len(timed) >= count and statistics.median(timed) < FASTER * usual:
            new = statistics.median(timed)
            change = f"{1000 * usual:.3g} ms a batch with {self.threads}, {1000 * new:.3g} with {self.candidate}"
            tqdm.write(f"threads: {self.candidate} ({change})")
            self.threads, self.wait = self.candidate, WAIT[0]
            self.recent.clear()
            self.recent.extend(timed)
        else:
            self.set_threads(self.threads)
            self.wait = min(2 * self.wait, WAIT[1])
        self.trial = None
        self._decide()

    def _decide(self) -> None:
        self.decided, self.last = self.clock(), self.clock()
        self.reference = statistics.median(self.recent)
