"""Images as frames and pictures, on the way from tensors to numpy."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from seesaw.functional.pixels import to_8_bit
from seesaw.training.pictures import grid, save_png, visible


def frames_of(chunks: Iterable[Tensor]) -> Iterator[np.ndarray]:
    """Stored images, uint8 or uint16 (B, C, H, W), one by one as a screen shows them, uint8 (H, W) or (H, W, 3); see
    `seesaw.training.pictures.visible`."""
    for chunk in chunks:
        shown = to_8_bit(visible(chunk)).permute(0, 2, 3, 1).numpy()
        yield from (frame[..., 0] if frame.shape[2] == 1 else frame for frame in shown)


def save_sheet(cells: Sequence[np.ndarray], out: Path, columns: int | None = None) -> None:
    """Write pictures of one size, uint8 (H, W) or (H, W, 3), as a grid; see `seesaw.training.pictures.grid`."""
    stacked = torch.from_numpy(np.stack(cells))
    save_png(grid(stacked[:, None] if stacked.ndim == 3 else stacked.permute(0, 3, 1, 2), columns), out)
