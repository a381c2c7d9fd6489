"""From coarse to fine: the sizes, how long each lasts, and what is carried from one to the next."""

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.optim import Optimizer

SMALLEST = 32
"""Pixels of the longer side that a scale has at least: the backbones halve it five times."""


def sizes(size: int, scales: int) -> list[int]:
    """The longer sides, each the next one's divided by the root of two (as style-transfer-pytorch steps), coarse to fine."""
    return [max(round(size / 2 ** (k / 2)), min(SMALLEST, size)) for k in reversed(range(scales))]


def spans(iterations: int, scales: int) -> list[int]:
    """Iterations of each scale: two parts for the coarsest, which begins from nothing, one for each other (the proportions of
    style-transfer-pytorch); the finest has what is left. Of one scale: all."""
    part = iterations // (scales + 1)
    coarse = [2 * part, *[part] * (scales - 2)] if scales > 1 else []
    return [*coarse, iterations - sum(coarse)]


def resampled(image: Tensor, shape: torch.Size | tuple[int, int], mode: str = "bicubic") -> Tensor:
    """An image, or what an optimiser knows of each of its values, (1, C, H, W), at another size."""
    return F.interpolate(image, tuple(shape[-2:]), mode=mode, align_corners=False)


def carry(old: dict[str, Any], optimizer: Optimizer, canvas: Tensor) -> None:
    """Give a new optimiser of one canvas what the one before knew of the canvas at another size.

    Every value an entry has is resampled: first moments bicubically, squares bilinearly, which keeps them positive; counts
    stay. An optimiser that keeps anything else restarts: L-BFGS's pairs of steps and changes of gradient are vectors of the old
    canvas, and its curvature there is not the new one's.
    """
    if any(not isinstance(v, Tensor) or v.dim() not in (0, 4) for v in old.values()):
        return
    state = {}
    for name, value in old.items():
        squares = name.endswith("_sq") or name == "square_avg"
        if value.dim() == 4:
            resized = resampled(value, canvas.shape, "bilinear" if squares else "bicubic")
            state[name] = resized.clamp_min(0) if squares else resized
        else:
            state[name] = value.clone()
    optimizer.state[canvas] = state
