"""Pictures of a run: grids of samples while it trains."""

import math
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from pytorch_lightning import Trainer
from torch import Tensor

from seesaw.data.images import ImageSet
from seesaw.functional.pixels import DTYPES, to_8_bit
from seesaw.training import scatter
from seesaw.training.callbacks.base import BatchCallback
from seesaw.training.loggers.tracker import trackers_of
from seesaw.types import Pyramid
from seesaw.util import atomic_write, key

_CELL = 64  # images smaller than this are enlarged by a whole factor, so that a person sees them
COLUMNS = 8
"""Samples of a class in a grid with a row for each class."""
CHEQUER = 8
"""Pixels a side of the squares behind transparent images."""
CLASSES = 10
"""Rows of such a grid at most; of more classes these are evenly spaced."""


def grid(images: Tensor, columns: int | None = None, pad: int = 2) -> Tensor:
    """Images, uint8 or uint16 (N, C, H, W), on one sheet of the same kind (1 or 3, H', W'), row by row on grey; see `visible`.

    Small images are repeated pixel by pixel, never blended, so every value of the sheet is one of an image.

    Args:
        images: at least one.
        columns: null makes the sheet as square as it gets.
        pad: pixels of grey around each image.
    """
    if images.dtype not in DTYPES.values() or images.ndim != 4 or len(images) == 0:
        raise ValueError(f"grid of {images.dtype} {tuple(images.shape)}; allowed is torch.uint8 (N >= 1, C, H, W)")
    images = visible(images.cpu())
    columns = columns or math.ceil(math.sqrt(len(images) * images.shape[-2] / images.shape[-1]))
    factor = max(1, math.ceil(_CELL / max(images.shape[-2:])))
    cells = images.repeat_interleave(factor, -2).repeat_interleave(factor, -1)
    n, c, h, w = cells.shape
    rows = math.ceil(n / columns)
    grey = 96 if cells.dtype == torch.uint8 else 96 * 257
    sheet = torch.full((c, rows * (h + pad) + pad, columns * (w + pad) + pad), grey, dtype=cells.dtype)
    for i, cell in enumerate(cells):
        top, left = pad + i // columns * (h + pad), pad + i % columns * (w + pad)
        sheet[:, top : top + h, left : left + w] = cell
    return sheet


def visible(images: Tensor) -> Tensor:
    """Images (N, C, H, W) as a screen shows them: uint8 (N, 1 or 3, H, W), of one channel also uint16.

    One channel is grey and three are R, G and B. Two are grey with alpha and four are RGBA, laid on a chequerboard of squares
    of 8 pixels. More are shown side by side, each as grey: (N, 1, H, C W).
    """
    c = images.shape[1]
    if c == 1 or c > 4:
        return torch.cat(images.unsqueeze(2).unbind(1), dim=3)
    images = to_8_bit(images)
    if c == 3:
        return images
    rows, columns = (torch.arange(side) // CHEQUER for side in images.shape[-2:])
    board = torch.tensor([102.0, 153.0])[(rows[:, None] + columns) % 2]
    alpha = images[:, -1:].float() / 255
    return (images[:, :-1].float() * alpha + board * (1 - alpha)).round_().to(torch.uint8)


def save_png(image: Tensor, path: Path | str) -> None:
    """Write a picture, uint8 (1 or 3, H, W) or uint16 (1, H, W), whole or not at all; its folder is made."""
    pixels = image.cpu().permute(1, 2, 0).numpy()
    picture = Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels)
    atomic_write(Path(path), lambda file: picture.save(file, format="PNG"), "choose another place")


def sheet(samples: Tensor, reals: Any, columns: int | None = None) -> Tensor:
    """The picture of samples, uint8 (1 or 3, H, W), of 16 bits and one channel, or more than four, uint16 (1, H, W): a grid of
    images, one large image alone (see `visible`), a scatter plot of points over
    some of the reals.

    Args:
        samples: uint8 or uint16 (N, C, H, W), or points (N, 2, 1, 1).
        reals: the set of reals; only points need it.
        columns: of the grid; None makes it as square as it gets.
    """
    if len(samples) == 1 and samples.shape[-1] >= _CELL:
        return visible(samples.cpu())[0]
    if samples.shape[-1] > 1:
        return grid(samples, columns)
    some = torch.linspace(0, len(reals) - 1, min(len(reals), scatter.MOST), dtype=torch.float64).long()
    return scatter.scatter(samples, reals.gather(some))


def class_rows(classes: int) -> Tensor:
    """Labels of a grid with a row of 8 samples for each class, int64 (N,); of more than 10 classes, 10 evenly spaced ones."""
    rows = torch.linspace(0, classes - 1, min(classes, CLASSES), dtype=torch.float64).round().long()
    return rows.repeat_interleave(COLUMNS)


def rows_of_scales(pyramid: Pyramid) -> Tensor:
    """A sheet, see `grid`, with a row for each scale, coarse to fine: a column is one latent at every scale.

    Args:
        pyramid: uint8 or uint16 (N, C, h, w) each, each scale twice the one before.
    """
    largest = pyramid[-1].shape[-1]
    rows = [
        x.cpu().repeat_interleave(largest // x.shape[-1], -1).repeat_interleave(largest // x.shape[-1], -2)
        for x in pyramid
    ]
    return grid(torch.cat(rows), columns=len(rows[0]))


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
        for name, ema in (("ema", True), ("raw", False)):
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
