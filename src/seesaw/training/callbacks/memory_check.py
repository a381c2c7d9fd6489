"""Tries the last scale of a growing model before the first image is shown."""

from typing import Any

from pytorch_lightning import Trainer

from seesaw.functional.resolution import size_of
from seesaw.gan.memory import check_memory
from seesaw.training.callbacks.base import BatchCallback


class MemoryCheck(BatchCallback):
    """Ends a growing run before its first batch where its last scale would not fit into memory; see `seesaw.gan.memory`."""

    def on_train_start(self, trainer: Trainer, pl_module: Any) -> None:
        last = pl_module.last_change
        if last > pl_module.images_shown:
            data: Any = trainer.datamodule  # type: ignore[attr-defined]
            size = data.batch_size_at(last) // trainer.world_size
            check_memory(pl_module, size, (data.channels, *size_of(data.resolution)))
