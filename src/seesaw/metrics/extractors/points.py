"""Points of the plane against a mixture whose modes are known: coverage, quality, evenness."""

import hashlib
import math
from typing import Literal

import torch
from torch import Tensor

from seesaw.functional.mixtures import grid, ring
from seesaw.functional.modes import nearest_mode
from seesaw.metrics.extractors.base import Assignment, Sampled

NEAR = 3.0
"""Standard deviations around its mean that make up a mode (VEEGAN, PacGAN)."""

OUTSIDE = math.exp(-(NEAR**2) / 2)
"""The share of a plane Gaussian that lies farther than that from its mean: 1.1 %."""


class PointsExtractor:
    """The points are their own features, and the Gaussians of the mixture that the set was drawn from are the modes.

    Args:
        kind: ring or grid.
        size: modes of the ring, or of one side of the grid.
        scale: radius of the ring, or spacing of the grid.
        std: standard deviation of the modes.
    """

    dim = 2
    resize = "points as they are"

    def __init__(self, kind: Literal["ring", "grid"], size: int, scale: float, std: float) -> None:
        if kind not in ("ring", "grid"):
            raise ValueError(f"kind must be ring or grid, not {kind!r}")
        if size < 1 or not 0 < scale < math.inf:
            raise ValueError(f"size must be at least 1 and scale a finite number above 0, not {size} and {scale}")
        if not 0 < std < math.inf:
            raise ValueError(f"std must be a finite number above 0, not {std}")
        self.means, self.std = (ring if kind == "ring" else grid)(size, scale), std
        self.name = f"gaussians_{kind}"

    @property
    def weights_hash(self) -> str:
        """Of means and standard deviation, which stand in the place of weights."""
        return hashlib.sha256(self.means.numpy().tobytes() + repr(self.std).encode()).hexdigest()[:12]

    def prepare(self, device: torch.device) -> None:
        """Nothing to load."""

    def __call__(self, images: Tensor) -> Tensor:
        """(B, 2, 1, 1) to (B, 2). ValueError for images."""
        if images.shape[1:] != (2, 1, 1):
            raise ValueError(f"it takes points of the plane, and these are {tuple(images.shape[1:])}")
        return images.flatten(1).float()

    def assign(self, fakes: Sampled) -> Assignment:
        """A point belongs to the nearest mean, and lies inside that mode within 3 standard deviations."""
        mode, distance = nearest_mode(fakes.values, self.means)
        m = len(self.means)
        expected = [torch.full((m,), (1 - OUTSIDE) / m, dtype=torch.float64), torch.tensor([OUTSIDE]).double()]
        return Assignment(mode, distance <= NEAR * self.std, m, torch.cat(expected))
