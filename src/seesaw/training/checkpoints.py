"""Checkpoints that are never torn, describe themselves, and load with `weights_only`."""

import errno
import os
from pathlib import Path
from typing import Any

import torch
from pytorch_lightning import Callback, LightningModule, Trainer
from pytorch_lightning.plugins import TorchCheckpointIO

from seesaw.config.renamed import with_moved_targets
from seesaw.config.values import shown
from seesaw.training.callbacks.base import BatchCallback
from seesaw.training.callbacks.evaluate import Evaluate
from seesaw.training.run_folder import Status
from seesaw.types import UserError

FORMAT = 2
"""The layout of checkpoints and of the configuration inside. 1: up to commit fe0cea8, without the key `format`."""


class AtomicIO(TorchCheckpointIO):
    """Written beside, synced to the disk, renamed: whatever kills the run, the newest whole file stays."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None) -> None:
        path = Path(path)
        temporary = path.with_name(f"{path.name}.tmp{os.getpid()}")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with open(temporary, "wb") as file:
                torch.save(checkpoint, file)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, path)
        except (OSError, RuntimeError) as error:  # torch reports a short write as a RuntimeError
            temporary.unlink(missing_ok=True)
            raise UserError(
                f"{path} could not be written ({reason(error)}); the checkpoint before it is untouched"
            ) from error


def reason(error: Exception) -> str:
    if isinstance(error, OSError):
        return "the disk is full" if error.errno == errno.ENOSPC else str(error.strerror)
    return "the disk is full, or the file system refused it"


def load(path: Path) -> dict[str, Any]:
    """Read a checkpoint of this version onto the CPU; nothing in it is executed.

    Args:
        path: the file.

    Returns:
        The content: `state_dict`, `config`, `progress` and what callbacks and optimisers keep.

    Raises:
        UserError: there is no such file, it is not one of ours, or another version wrote it.
    """
    if not path.is_file():
        raise UserError(f"{path}: there is no such checkpoint")
    try:
        checkpoint = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        raise UserError(f"{path} is not a checkpoint that can be read: {type(error).__name__}") from error
    config, progress = (checkpoint.get(key) if isinstance(checkpoint, dict) else None for key in ("config", "progress"))
    if not isinstance(config, dict) or not isinstance(progress, dict) or type(progress.get("images_shown")) is not int:
        raise UserError(f"{path} is not a checkpoint of seesaw: it holds no configuration")
    written = checkpoint.get("format", 1)
    if type(written) is not int or written > FORMAT:
        newer = f"format {shown(written)}; this one reads {FORMAT}"
        raise UserError(f"{path} was written by a newer version ({newer}): update seesaw")
    if written < FORMAT:
        raise UserError(f"{path} was written by an earlier version (format {written}); commit fe0cea8 reads it")
    return checkpoint | {"config": with_moved_targets(config)}


class Checkpoints(BatchCallback):
    """checkpoints/last.ckpt every `every_kimg` and at the end, best.ckpt whenever the distance falls.

    Must stand after `Life`, which says in the last batch that the run ends, and after the evaluation, which says whether the
    distance has just improved.
    """

    def __init__(
        self, folder: Path, every_kimg: float, config: dict[str, Any], evaluation: Callback, status: Status
    ) -> None:
        self.folder, self.every, self.config = folder, max(int(every_kimg * 1000), 1), config
        self.evaluation, self.status = evaluation, status

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self.before = int(pl_module.images_shown)  # type: ignore[arg-type]

    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, *args: Any) -> None:
        before, self.before = self.before, int(pl_module.images_shown)  # type: ignore[arg-type]
        self.save_best(trainer)
        if trainer.should_stop or before // self.every != self.before // self.every:
            self.save_last(trainer)

    def save_last(self, trainer: Trainer) -> None:
        trainer.save_checkpoint(self.folder / "last.ckpt")
        self.status.update("running", int(trainer.lightning_module.images_shown))  # type: ignore[arg-type]

    def save_best(self, trainer: Trainer) -> None:
        if isinstance(self.evaluation, Evaluate) and self.evaluation.last_improved:
            self.evaluation.last_improved = False
            trainer.save_checkpoint(self.folder / "best.ckpt")

    def on_save_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        checkpoint["config"] = self.config
        checkpoint["format"] = FORMAT
