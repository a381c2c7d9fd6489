"""`seesaw mix`: a grid of images whose coarse and fine styles come from different latents."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from seesaw.errors import UserError
from seesaw.functional.latents import mixed
from seesaw.latents.frames import frames_of, save_sheet
from seesaw.latents.model import Chosen, open_model
from seesaw.latents.video import SHEET_CELL, enlarged


def mix(chosen: Chosen, rows: Sequence[int], columns: Sequence[int], layers: tuple[int, int] | None, out: Path) -> str:
    """Write the grid: the images of the rows' seeds down the left, those of the columns' along the top, and in each cell the w of
    its row with those of its column at some layers.

    Args:
        chosen: the checkpoint.
        rows: seeds whose w give the coarse layers.
        columns: seeds whose w give `layers`.
        layers: first and last of the layers that come from the columns; None: the finer half.
        out: the PNG.

    Returns:
        The line to print.

    Raises:
        UserError: the model has no w or not so many layers, or the file cannot be written.
    """
    model = open_model(chosen)
    if not model.has_w:
        raise UserError(f"{chosen.path}: this model has no intermediate latents w to mix; mixing is for StyleGAN2")
    count = model.style().layers
    first, last = layers or (count // 2, count - 1)
    if last >= count:
        raise UserError(f"--layers {first}-{last}: this model has layers 0 (coarsest) to {count - 1} (finest)")
    coarse, fine = model.w(model.of_seeds(rows)), model.w(model.of_seeds(columns))
    styles = range(first, last + 1)
    mixes = torch.cat([mixed(w[None], fine, styles) for w in coarse])
    top, left, inside = (
        [enlarged(f, SHEET_CELL) for f in frames_of(model.stream(w))] for w in (fine, coarse, mixes)
    )
    cells = [np.full_like(top[0], 255), *top]
    for k, cell in enumerate(left):
        cells += [cell, *inside[k * len(top) : (k + 1) * len(top)]]
    save_sheet(cells, out, len(top) + 1)
    which = f"layers {first} to {last} of {count}, counted from the coarsest, come from the columns"
    return f"{out}: {len(left)} rows and {len(top)} columns; {which}; {model.described()}"
