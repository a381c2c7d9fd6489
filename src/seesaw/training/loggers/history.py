"""What a tracker has not: rows of metrics.csv and grids of samples/ of the time before it was chosen, or rows that it lost when
the run was killed."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import torch
from torch import Tensor

from seesaw.training.grids import grids_of, pixels_of
from seesaw.training.loggers.table import AXES, read_metrics


def lost_rows(
    run_dir: Path, images: int, known: Mapping[int, set[str]], stored_name: Callable[[str], str] = str
) -> list[tuple[int, dict[str, float]]]:
    """What metrics.csv has up to `images` and a tracker has not.

    Args:
        run_dir: the run folder.
        images: images shown at the checkpoint from which the run goes on.
        known: images shown -> names of the metrics that the tracker has there.
        stored_name: the name of a metric to that in `known`.

    Returns:
        Images shown and the metrics that are missing there, in order.
    """
    table = run_dir / "metrics.csv"
    found = []
    for row in read_metrics(table) if table.exists() else []:
        at = int(row["images"])
        there = known.get(at, set())
        lost = {name: value for name, value in row.items() if stored_name(name) not in there and name not in AXES}
        if at <= images and lost:
            found.append((at, lost))
    return found


def kept_grids(run_dir: Path, images: int) -> Iterator[tuple[int, Tensor]]:
    """The grids of the averaged generator in samples/ up to `images`: images shown, in whole thousands where the file's name has
    no more, and the picture, uint8 (1 or 3, H, W). What cannot be read is left out."""
    for at, path in grids_of(run_dir):
        if at > images:
            return
        try:
            pixels = pixels_of(path)
        except OSError:
            continue
        yield at, torch.from_numpy(pixels.copy()).view(*pixels.shape[:2], -1).permute(2, 0, 1)
