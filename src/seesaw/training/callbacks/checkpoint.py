"""Writes checkpoints while a run trains."""

from pathlib import Path
from typing import Any, Literal

from pytorch_lightning import Callback, LightningModule, Trainer

from seesaw.errors import DataLost
from seesaw.training.callbacks.base import BatchCallback
from seesaw.training.callbacks.evaluate import Evaluate
from seesaw.training.checkpoint_file import FORMAT
from seesaw.training.loggers.tracker import trackers_of
from seesaw.training.run_folder import Status


def kept_name(kimg: float) -> str:
    """The file of a checkpoint that is kept: kimg10.ckpt."""
    return f"kimg{kimg:.10g}.ckpt"


class Checkpoints(BatchCallback):
    """Saves last.ckpt every `every_kimg` and whenever training ends, also where the images that come next are gone, best.ckpt
    when the primary metric has improved, and at each moment of `config["checkpoints"]`, in kimg, one that is kept for ever,
    such as kimg10.ckpt: after the batch with which that many images have been shown.

    Must stand after `GracefulStop`, which decides in the last batch that the run ends, and after the evaluation.

    Args:
        folder: checkpoints/ of the run folder.
        every_kimg: thousands of images between two writes of last.ckpt.
        config: resolved; saved in each checkpoint.
        evaluation: knows whether the primary metric has just improved.
        status: of the run; it notes the images shown at each write.
    """

    def __init__(
        self, folder: Path, every_kimg: float, config: dict[str, Any], evaluation: Callback, status: Status
    ) -> None:
        self.folder, self.every, self.config = folder, max(int(every_kimg * 1000), 1), config
        self.evaluation, self.status = evaluation, status
        self.kept = {round(kimg * 1000): kept_name(kimg) for kimg in config.get("checkpoints") or ()}
        self.before = self.saved = 0

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self.before = self.saved = int(pl_module.images_shown)  # type: ignore[arg-type]

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if self.saved != self.before:  # a callback behind this one, such as a time limit, has ended the run
            self.save_last(trainer)

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        alone = trainer.world_size == 1  # the other processes would not come to save
        if isinstance(exception, DataLost) and alone and self.saved != self.before:
            self.save_last(trainer)

    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, *args: Any) -> None:
        before, self.before = self.before, int(pl_module.images_shown)  # type: ignore[arg-type]
        self.save_best(trainer)
        for name in [name for moment, name in self.kept.items() if before < moment <= self.before]:
            self.save(trainer, name, "kept")
        if trainer.should_stop or before // self.every != self.before // self.every:
            self.save_last(trainer)

    def save(self, trainer: Trainer, name: str, kind: Literal["best", "last", "kept"]) -> None:
        """Write a checkpoint, and hand it to the trackers, which take it where they are asked to."""
        trainer.save_checkpoint(self.folder / name)
        if trainer.is_global_zero:
            for tracker in trackers_of(trainer):
                tracker.log_checkpoint(kind, self.folder / name, int(trainer.lightning_module.images_shown))  # type: ignore[arg-type]

    def save_last(self, trainer: Trainer) -> None:
        self.save(trainer, "last.ckpt", "last")
        self.saved = self.before
        self.status.update("running", int(trainer.lightning_module.images_shown))  # type: ignore[arg-type]

    def save_best(self, trainer: Trainer) -> None:
        if isinstance(self.evaluation, Evaluate) and self.evaluation.last_improved:
            self.evaluation.last_improved = False
            self.save(trainer, "best.ckpt", "best")

    def on_save_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        checkpoint["config"] = self.config
        checkpoint["data"] = trainer.datamodule.fingerprint  # type: ignore[attr-defined]
        checkpoint["format"] = FORMAT
