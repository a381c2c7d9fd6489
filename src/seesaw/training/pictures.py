"""Pictures of samples: grids of images, a row for each class or scale, points over the reals. Imports neither Lightning nor
Hydra."""

import math
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from seesaw.functional.pixels import DTYPES, to_8_bit
from seesaw.training import scatter
from seesaw.types import Pyramid
from seesaw.util import atomic_write

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
