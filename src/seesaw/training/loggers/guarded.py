"""A tracker that other programs keep can neither end a run nor hold it up."""

import queue
import re
import sys
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from concurrent.futures import TimeoutError as Late
from pathlib import Path
from typing import Any, Literal

from pytorch_lightning.loggers.logger import DummyLogger
from torch import Tensor

from seesaw.training.loggers.tracker import Tracker, check_picture

MOST_WAITING = 1000
"""Calls that may wait for a tracker that does not answer. At one row per kimg this is 1,000 kimg."""


class Guarded(Tracker):
    """Hands each call to another tracker over to one thread, in order, and returns at once.

    The first failure is reported in one line on stderr, and later calls are dropped. Only two waits exist, both limited: the
    start, when Lightning asks for `experiment` (`Tracker.start_limit`; the tracker may still come up after it), and the end
    (`Tracker.finish_limit`; then `Tracker.abandon` ends the helper processes).

    Args:
        inner: the tracker that does the work. Its methods are called in a daemon thread, `abandon` in any thread.
    """

    def __init__(self, inner: Tracker) -> None:
        super().__init__(inner.run)
        self.inner = inner
        self.failed = False
        self._calls: queue.SimpleQueue[tuple[Callable[[], Any], Future[Any], bool]] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._worker: threading.Thread | None = None
        self._finished = self._stuck = False
        self._experiment: Any = None

    @property
    def experiment(self) -> Any:
        """What the tracker itself offers (`wandb.Run`, `SummaryWriter`), or an object that ignores every call where it has
        failed or is not ready yet."""
        if self._experiment is not None and not self.failed:
            return self._experiment
        started = self._later(lambda: getattr(self.inner, "experiment", None))
        try:
            self._experiment = started.result(self.inner.start_limit)
        except (Exception, SystemExit):  # reported already, or late
            self._experiment = None
        return DummyLogger().experiment if self._experiment is None else self._experiment

    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        if step is None:
            raise ValueError(f"{self.inner.title}: step is None; it must be the number of images shown")
        row = dict(metrics)
        self._later(lambda: self.inner.log_metrics(row, step))

    def log_hyperparams(self, params: Any, *args: Any, **kwargs: Any) -> None:
        self._later(lambda: self.inner.log_hyperparams(params, *args, **kwargs))

    def log_picture(self, name: str, image: Tensor, step: int, caption: str = "") -> None:
        picture = check_picture(image).clone()
        self._later(lambda: self.inner.log_picture(name, picture, step, caption))

    def log_text(self, name: str, text: str, step: int, alert: bool = False) -> None:
        self._later(lambda: self.inner.log_text(name, text, step, alert))

    def log_samples(self, images: Tensor, step: int, labels: list[str] | None = None) -> None:
        kept = images.cpu().clone()
        self._later(lambda: self.inner.log_samples(kept, step, labels))

    def log_checkpoint(self, kind: Literal["best", "last", "kept"], path: Path, step: int) -> None:
        self._later(lambda: self.inner.log_checkpoint(kind, path, step))

    def cut(self, images: int) -> None:
        self._later(lambda: self.inner.cut(images))

    def summarise(self, values: dict[str, float]) -> None:
        figures = dict(values)
        self._later(lambda: self.inner.summarise(figures))

    def finalize(self, status: str) -> None:
        self._later(lambda: self.inner.finalize(status))

    def finish(self, exit_code: int) -> None:
        """Ends the tracker within its `finish_limit`; what has failed is ended too, without a second report."""
        if self._finished:
            return
        self._finished = True
        if self._worker is None or self._stuck:
            return
        done: Future[Any] = Future()
        self._calls.put((lambda: self.inner.finish(exit_code), done, True))
        try:
            done.result(self.inner.finish_limit)
        except Late:
            self._give_up(f"no end within {self.inner.finish_limit:g} s")
        except (Exception, SystemExit):
            self.inner.abandon()
        except BaseException:  # a second Ctrl-C
            self.failed = True
            self.inner.abandon()
            raise

    def _later(self, call: Callable[[], Any]) -> Future[Any]:
        done: Future[Any] = Future()
        if not self.failed and self._calls.qsize() >= MOST_WAITING:
            self._give_up(f"no answer to the last {MOST_WAITING} calls")
        if self.failed or self._finished:
            done.set_result(None)
            return done
        if self._worker is None:
            self._worker = threading.Thread(target=self._work, name=f"seesaw {self.inner.title}", daemon=True)
            self._worker.start()
        self._calls.put((call, done, False))
        return done

    def _work(self) -> None:
        last = False
        while not last:
            call, done, last = self._calls.get()
            if self.failed and not last:
                done.set_result(None)
                continue
            try:
                done.set_result(call())
            except (Exception, SystemExit) as error:  # W&B exits where its helper process has failed
                self._fail(_reason(error))
                done.set_exception(error)

    def _give_up(self, reason: str) -> None:
        self._stuck = True
        self._fail(reason)
        self.inner.abandon()

    def _fail(self, reason: str) -> None:
        """Report the first failure. Any thread."""
        with self._lock:
            first, self.failed = not self.failed, True
        if first:
            text = f"{self.inner.title} failed ({reason}); the run goes on without it; {self.inner.remedy()}"
            print(text, file=sys.stderr, flush=True)


def _reason(error: BaseException) -> str:
    """The first line of an error; of pydantic's, with which W&B refuses a setting, also its name and what is wrong with it."""
    lines = str(error).strip().splitlines()
    if lines and re.match(r"\d+ validation errors? for", lines[0]):
        lines = [": ".join(line.partition(" [type=")[0].strip() for line in lines[1:3])]
    return f"{type(error).__name__}: {lines[0][:160].rstrip('.')}" if lines else type(error).__name__
