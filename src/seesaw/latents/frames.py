"""Images as frames and pictures, on the way from tensors to numpy."""

from collections.abc import Iterable, Iterator

import numpy as np
import torch
from torch import Tensor

from seesaw.functional.pixels import to_8_bit
from seesaw.training.pictures import visible


def frames_of(chunks: Iterable[Tensor]) -> Iterator[np.ndarray]:
    """Stored images, uint8 or uint16 (B, C, H, W), one by one as a screen shows them, uint8 (H, W) or (H, W, 3); see
    `seesaw.training.pictures.visible`."""
    for chunk in chunks:
        shown = to_8_bit(visible(chunk)).permute(0, 2, 3, 1).numpy()
        yield from (frame[..., 0] if frame.shape[2] == 1 else frame for frame in shown)


def picture_of(sheet: np.ndarray) -> Tensor:
    """A sheet, uint8 (H, W) or (H, W, 3), as `seesaw.training.pictures.save_png` takes it."""
    return torch.from_numpy(sheet).permute(2, 0, 1) if sheet.ndim == 3 else torch.from_numpy(sheet)[None]
