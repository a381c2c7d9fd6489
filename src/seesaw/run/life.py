"""When a run ends: at its length, in good order at a signal, or before it began where its last scale would not fit."""

import signal
from types import FrameType
from typing import Any

from pytorch_lightning import Callback, LightningModule, Trainer

from seesaw.gan.rehearsal import rehearse
from seesaw.types import at

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Life(Callback):
    """Ends the run at `kimg`, or after the batch in which Ctrl-C or SIGTERM came. A second Ctrl-C ends it at once.

    `signal` is the number that came, or None. Must stand before the checkpoints, which save when a stop is asked for.
    Lightning's own handlers end with exit code 0 or 1 and no checkpoint, so these replace them while training runs.
    """

    def __init__(self, kimg: float) -> None:
        self.images = round(kimg * 1000)
        self.signal: int | None = None

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self.former = {number: signal.signal(number, self._handle) for number in SIGNALS}

    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, *args: Any) -> None:
        if self.signal is not None or int(pl_module.images_shown) >= self.images:  # type: ignore[arg-type]
            trainer.should_stop = True

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._restore()

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        self._restore()

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self.signal is not None and number == signal.SIGINT:
            raise KeyboardInterrupt
        self.signal = number

    def _restore(self) -> None:
        for number, handler in getattr(self, "former", {}).items():
            signal.signal(number, handler)


class Rehearsal(Callback):
    """Tries the last scale of a growing model before the first image is shown; see `seesaw.gan.rehearsal`."""

    def on_train_start(self, trainer: Trainer, pl_module: Any) -> None:
        last = pl_module.growth.last_change
        if last > pl_module.images_shown:
            data: Any = trainer.datamodule  # type: ignore[attr-defined]
            size = int(at(data.batch_size, last)) // trainer.world_size
            rehearse(pl_module, size, (data.channels, data.resolution, data.resolution))
