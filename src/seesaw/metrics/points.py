"""Points of the plane against a mixture whose modes are known: coverage, quality, evenness."""

import hashlib
import math
from typing import Literal

import torch
from torch import Tensor

from seesaw.functional.mixtures import grid, ring
from seesaw.functional.modes import coverage, histogram_kl, nearest_mode

NEAR = 3.0
"""A sample is of high quality within so many standard deviations of a mean (VEEGAN, PacGAN)."""

OUTSIDE = math.exp(-(NEAR**2) / 2)
"""The share of a plane Gaussian that lies farther than that from its mean: 1.1 %."""


class PointsExtractor:
    """The points are their own features; `describe` compares them with the mixture that the set was drawn from.

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
        if not std > 0:
            raise ValueError(f"std must be above 0, not {std}")
        self.means, self.std = (ring if kind == "ring" else grid)(size, scale), std
        self.name = f"gaussians_{kind}"
        self.frechet, self.kernel = f"frechet_{self.name}", f"kernel_{self.name}"
        self.primary = f"reverse_kl_{self.name}"  # a collapsed set can have the right mean and covariance

    @property
    def weights_hash(self) -> str:
        """Of means and standard deviation, which stand in the place of weights."""
        return hashlib.sha256(self.means.numpy().tobytes() + repr(self.std).encode()).hexdigest()[:12]

    def prepare(self, device: torch.device) -> None:
        """Nothing to load."""

    def __call__(self, images: Tensor) -> Tensor:
        """(B, 2, 1, 1) to (B, 2)."""
        return images.flatten(1).float()

    def describe(self, features: Tensor) -> dict[str, float]:
        """Of points (N, 2), each name followed by the set's:

        `modes_`: means that are the nearest of at least one sample of high quality.
        `high_quality_`: the share of samples within 3 standard deviations of the nearest mean; 0.989 for the mixture itself.
        `reverse_kl_`: KL in nats of the samples' histogram from the mixture's, over the modes' disks of 3 standard
            deviations and one bin for all that lies outside; so it is finite and sees quality too: all outside is 4.5.
        `mode_kl_`: KL from the uniform histogram, each sample counted for its nearest mean whatever the distance, as the
            published tables count.
        """
        index, distance = nearest_mode(features, self.means)
        good = distance <= NEAR * self.std
        m = len(self.means)
        counts = torch.bincount(index[good], minlength=m)
        with_outside = torch.cat([counts, (~good).sum()[None]])
        truth = torch.cat([torch.full((m,), (1 - OUTSIDE) / m, dtype=torch.float64), torch.tensor([OUTSIDE]).double()])
        return {
            f"modes_{self.name}": float(coverage(counts)),
            f"high_quality_{self.name}": good.double().mean().item(),
            f"reverse_kl_{self.name}": histogram_kl(with_outside, truth),
            f"mode_kl_{self.name}": histogram_kl(torch.bincount(index, minlength=m), torch.ones(m)),
        }
