"""Short runs of a stand-in for the GAN in a real Trainer, with the evaluation as its only callback."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.loggers.logger import DummyLogger
from shipped import measures
from torch import Tensor, nn

from seesaw.data.images import ImageSet
from seesaw.data.module import NoGrowth
from seesaw.data.sources.digits import digits
from seesaw.experiment import Experiment
from seesaw.metrics.drift import COUNT
from seesaw.metrics.estimate import TRIED
from seesaw.metrics.extractors.base import ClassifierExtractor
from seesaw.training.callbacks.evaluate import Evaluate


class Reals(pl.LightningDataModule):
    def __init__(self, batch_size: int = 32) -> None:
        super().__init__()
        self.reals: ImageSet = digits(16)
        self.batch_size, self.growth = batch_size, NoGrowth()

    def train_dataloader(self) -> Any:
        return torch.utils.data.DataLoader(list(self.reals.images), batch_size=self.batch_size)


class Toy(Experiment):
    """A stand-in for the GAN: its samples are reals under noise that falls with the images shown."""

    def __init__(self, reals: ImageSet, classes: int = 0) -> None:
        super().__init__()
        self.reals, self.net, self.classes = reals, nn.Dropout(0.5), classes
        self.weight = nn.Parameter(torch.zeros(1))
        self.asked: list[tuple[int, int, bool]] = []
        self.labels: list[Tensor | int | None] = []
        self.observed: list[float] = []
        self.forgotten = 0

    def training_step(self, batch: Tensor, batch_idx: int) -> None:
        self.images_shown += len(batch)
        self.optimizers().step()  # type: ignore[union-attr]

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=0.1)

    def sample(
        self, n: int, seed: int, y: Any = None, ema: bool = True, batch_size: int = 256, shard: Any = (0, 1)
    ) -> Iterator[Tensor]:
        self.labels.append(y)
        if n not in (COUNT, TRIED):  # the drift's own images, and those that the estimate tries
            self.asked.append((self.images_shown, n, ema))
        draw = torch.Generator().manual_seed(seed)
        level = 100_000 / (self.images_shown + 1) * (1 if ema else 2)
        for part in self.reals.images[:n].split(batch_size):
            yield (part + level * torch.randn(part.shape, generator=draw)).round().clamp(0, 255).to(torch.uint8)

    def observe_primary(self, value: float) -> None:
        self.observed.append(value)

    def forget_primary(self) -> None:
        self.forgotten += 1

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        checkpoint["shown"] = self.images_shown

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        self.images_shown = checkpoint["shown"]


class Kept(DummyLogger):
    def __init__(self) -> None:
        super().__init__()
        self.rows: list[tuple[int, dict[str, float]]] = []

    def log_metrics(self, metrics: dict[str, float], step: int | None = None) -> None:  # type: ignore[override]
        assert step is not None
        self.rows.append((step, metrics))


def evaluation(cache: Path, primary: str = "frechet_digits", **options: Any) -> Evaluate:
    usual = {"evaluate_kimg": 0.2, "n": 64, "cache_dir": str(cache), "measures": measures("digits")}
    return Evaluate(primary, **{"extractor": ClassifierExtractor("digits")} | usual | options)


def fit(
    callback: pl.Callback, batches: int = 20, batch_size: int = 32, ckpt: Path | None = None, classes: int = 0
) -> tuple[Toy, Kept, pl.Trainer]:
    data, kept = Reals(batch_size), Kept()
    toy = Toy(data.reals, classes)
    trainer = pl.Trainer(
        accelerator="cpu",
        max_steps=batches,
        callbacks=[callback],
        logger=kept,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    callback.end = batches * batch_size  # which kimg gives in a run
    trainer.fit(toy, datamodule=data, ckpt_path=ckpt)
    return toy, kept, trainer
