"""Pictures of a run: grids of samples while it trains."""

from pathlib import Path
from typing import Any

import torch
from pytorch_lightning import Trainer
from torch import Tensor

from seesaw.data.images import ImageSet
from seesaw.functional.pixels import to_8_bit
from seesaw.training import scatter
from seesaw.training.callbacks.base import BatchCallback
from seesaw.training.loggers.tracker import trackers_of
from seesaw.training.pictures import COLUMNS, class_rows, grid, rows_of_scales, save_png, sheet, visible
from seesaw.types import Pyramid
from seesaw.util import key


class Samples(BatchCallback):
    """The same latents again and again: `<run_dir>/samples/<kimg>.png` (EMA), and samples/ema and samples/raw to the
    trackers; before the first image, each `sample_kimg`, and at the end.

    The grid of a model that takes labels has a row for each class. A model that gives several scales also gets
    `<run_dir>/samples/<kimg>-scales.png`, eight latents at every scale; one with an encoder `<kimg>-reconstructions.png`, real
    images (those held out, where there are any), each with its reconstruction below it. `<run_dir>/reals.png` shows as many of
    the real images, as training sees them.

    Args:
        run_dir: the run folder.
        sample_kimg: thousands of images between two pictures, above 0.
        seed: of the latents.
        count: images of a grid without classes; of points there are 2,500.
    """

    def __init__(self, run_dir: Path, sample_kimg: float, seed: int, count: int = 64) -> None:
        if sample_kimg <= 0 or count < 1:
            raise ValueError(f"sample_kimg {sample_kimg}, count {count}; allowed are values above 0")
        self.run_dir, self.seed, self.count = run_dir, seed, count
        self.every = max(1, round(sample_kimg * 1000))  # images
        self.finer = self.every < 1000  # names with thousandths, or pictures of one thousand would share one
        self._seen = 0
        self._drawn = -1

    def on_train_start(self, trainer: Trainer, pl_module: Any) -> None:
        self._seen = pl_module.images_shown
        reals = trainer.datamodule.reals  # type: ignore[attr-defined]
        if trainer.is_global_zero and isinstance(reals, ImageSet) and not (self.run_dir / "reals.png").exists():
            save_png(sheet(some_of(reals, self.count, self.seed), reals), self.run_dir / "reals.png")
        if self._seen == 0:
            self.draw(trainer, pl_module)

    def on_train_batch_end(self, trainer: Trainer, pl_module: Any, *args: Any, **kwargs: Any) -> None:
        before, self._seen = self._seen, pl_module.images_shown
        if before // self.every != self._seen // self.every:
            self.draw(trainer, pl_module)

    def on_train_end(self, trainer: Trainer, pl_module: Any) -> None:
        if self._drawn != (shown := pl_module.images_shown):
            self.finer |= shown % 1000 > shown / 20  # of a run of 0.128 kimg the end is not 000000.png
            self.draw(trainer, pl_module)

    def draw(self, trainer: Trainer, pl_module: Any) -> None:
        """Every rank samples, since sampling may average buffers over them; rank 0 writes."""
        self._drawn = pl_module.images_shown
        reals = trainer.datamodule.reals  # type: ignore[attr-defined]
        points = reals.shape[-1] == 1
        y = class_rows(pl_module.classes) if pl_module.classes and not points else None
        count, columns = (scatter.MOST if points else self.count, None) if y is None else (len(y), COLUMNS)
        # No file shows the raw weights. On several ranks all sample, whatever rank 0 does with it.
        raw = trainer.world_size > 1 or any(tracker.takes_pictures for tracker in trackers_of(trainer))
        for name, ema in (("ema", True), ("raw", False))[: 1 + raw]:
            pyramid = sampled(pl_module, count, self.seed, ema, y)
            if not trainer.is_global_zero:
                continue
            picture = sheet(pyramid[-1], reals, columns)
            self._show(trainer, f"samples/{name}", picture, name.replace("ema", "EMA"), "" if ema else None)
            if ema and not points:
                names = getattr(trainer.datamodule, "class_names", None) or range(pl_module.classes)  # type: ignore[attr-defined]
                self._show_single(trainer, pyramid[-1], None if y is None else [str(names[int(k)]) for k in y])
            if len(pyramid) > 1 and ema:
                self._show(trainer, "samples/scales", rows_of_scales([x[:8] for x in pyramid]), "EMA", "-scales")
        if pl_module.has_encoder and not points and trainer.is_global_zero:
            pairs = reconstructions(pl_module, trainer.datamodule, self.seed)  # type: ignore[attr-defined]
            self._show(trainer, "samples/reconstructions", pairs, "raw", "-reconstructions")

    def _show(self, trainer: Trainer, name: str, picture: Tensor, weights: str, ending: str | None) -> None:
        """Give a picture to the trackers, with kimg and the kind of weights (EMA, raw) as its caption, and write it into the
        run folder where it has an ending."""
        if ending is not None:
            kimg, rest = divmod(self._drawn, 1000)
            finer = f"_{rest:03d}" if self.finer else ""
            save_png(picture, self.run_dir / "samples" / f"{kimg:06d}{finer}{ending}.png")
        for tracker in trackers_of(trainer):
            tracker.log_picture(name, to_8_bit(picture), self._drawn, f"{self._drawn / 1000:g} kimg, {weights}")


    def _show_single(self, trainer: Trainer, images: Tensor, labels: list[str] | None) -> None:
        """Give the trackers the samples one by one, those with more than four channels and the like as pictures of their own."""
        shown = to_8_bit(visible(images))
        for tracker in trackers_of(trainer):
            tracker.log_samples(shown, self._drawn, labels)


def reconstructions(model: Any, data: Any, seed: int) -> Tensor:
    """A sheet, see `grid`, of 32 real images, those held out where there are any: rows of 8, each with a row of the
    reconstructions of a model with an encoder below it."""
    reals = data.reals if getattr(data, "held_out", None) is None else data.held_out
    chosen = order_of(len(reals), seed)[: 4 * COLUMNS]
    images = reals.gather(chosen).cpu()
    found = model.reconstruct(images, reals.labels(chosen) if model.classes else None)
    rows = [row for pair in zip(images.split(COLUMNS), found.cpu().split(COLUMNS), strict=True) for row in pair]
    missing = COLUMNS - len(rows[-1])
    rows = [torch.cat([row, row.new_zeros(missing, *row.shape[1:])]) if len(row) < COLUMNS else row for row in rows]
    return grid(torch.cat(rows), columns=COLUMNS)


def order_of(n: int, seed: int) -> Tensor:
    """The indices of n real images, int64 (n,), in an order that is drawn by the seed."""
    return torch.randperm(n, generator=torch.Generator().manual_seed(key("reals", seed)))


def some_of(reals: ImageSet, count: int, seed: int) -> Tensor:
    """At most `count` of the real images (of points `scatter.MOST`), drawn by the seed, on the host."""
    most = scatter.MOST if reals.shape[-1] == 1 else count
    return reals.gather(order_of(len(reals), seed)[:most]).cpu()


def sampled(model: Any, count: int, seed: int, ema: bool, y: Tensor | int | None = None) -> Pyramid:
    """`count` samples at every scale that the model gives, on the host; see `Experiment.sample_pyramids`."""
    chunks = list(model.sample_pyramids(count, seed=seed, y=y, ema=ema))
    return [torch.cat([c.cpu() for c in scale]) for scale in zip(*chunks, strict=True)]
