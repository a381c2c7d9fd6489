"""The figures of the players at an evaluation."""

from typing import Any

import torch

from seesaw.data.images import ImageSet
from seesaw.types import Batch
from seesaw.util import key

FEW, MOST = 128, 1000
"""Images of training that D judges, and of both parts where some are held out."""


def player_figures(data: Any, pl_module: Any, seed: int = 0) -> dict[str, float]:
    """By role, see `seesaw.experiment.Experiment.player_figures`, of some images of the data module's parts, always the same
    ones; as many of both."""
    held_out: ImageSet | None = getattr(data, "held_out", None)
    if held_out is None:
        return dict(pl_module.player_figures(some(data, data.reals, pl_module, FEW, seed)))
    n = min(len(data.reals), len(held_out), MOST)
    parts = (some(data, images, pl_module, n, seed) for images in (data.reals, held_out))
    return dict(pl_module.player_figures(*parts))


def some(data: Any, images: ImageSet, pl_module: Any, n: int, seed: int) -> Batch:
    """At most n images at the resolution of this moment's training, with labels where the model takes them."""
    height = data.growth.level(pl_module.images_shown) or images.shape[-2]
    chosen = torch.randperm(len(images), generator=torch.Generator().manual_seed(key("players", seed)))[:n]
    return Batch(images.level(height).gather(chosen), images.labels(chosen) if pl_module.classes else None)
