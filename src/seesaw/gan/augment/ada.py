"""The augmentation pipe of ADA, whose parts each fire with probability p."""

import math
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from seesaw.functional.bands import BANDS, filtered
from seesaw.functional.colour import coloured
from seesaw.functional.warp import copied, warp
from seesaw.gan.augment.images import check_images, in_full, per_sample, without_autocast
from seesaw.gan.augment.probability import ProbabilityAugmentation
from seesaw.types import Pyramid, Schedule

SPECTRUM = (10.0, 1.0, 1.0, 1.0)
"""The power of the bands that the image filter expects, lowest first (appendix B): gains keep the sum."""


class Move(NamedTuple):
    """A map of the plane for each sample, in pixels of the finest scale: see `seesaw.functional.warp.warp`."""

    linear: Tensor  # (B, 2, 2)
    shift: Tensor  # (B, 2)
    fires: Tensor  # (B,), whether it is another than the identity


class ADA(ProbabilityAugmentation):
    """Karras et al. 2020, "Training GANs with limited data", appendix B: the whole pipe, with the strengths of the authors' code.

    Each operation fires for each sample by itself, with probability multiplier x p. In their order:

    - blit: mirrored (half of the time that it fires), turned by a multiple of 90 degrees, shifted by whole pixels, U(-1/8, 1/8) of
      the side.
    - geom: scale 2^N(0, 0.2^2); rotation U(-180, 180) degrees, once before and once after the next one, each with probability 1 -
      sqrt(1 - p); anisotropic scale, 2^N(0, 0.2^2) across and its inverse down; shift N(0, 0.125^2) of the side. Resampled once.
    - color: brightness + N(0, 0.2^2), contrast 2^N(0, 0.5^2), luma flip (half), hue U(-180, 180) degrees, saturation 2^N(0, 1).
    - filter: the gain of each of four octaves times 2^N(0, 1), normalised to an image of power 1/f.
    - noise: of standard deviation |N(0, 0.1^2)|. cutout: a rectangle of half the sides, its centre uniform, becomes 0.

    On a pyramid there is one draw for all scales: shifts by whole pixels of the finest join the resampling, noise is averaged
    down, and each octave keeps its place. Hue needs three channels, and one channel has no saturation. Images that are not
    square are turned by 0 or 180 degrees in `blit`, where all four turns of square ones are equally frequent.
    Deviations: `blit` copies pixels and does not pass through the resampling of `geom`; p ends at 1.

    Args:
        p, target, interval, speed_kimg: see `ProbabilityAugmentation`.
        blit, geom, color, filter, noise, cutout: multipliers of p, in [0, 1]. The paper's "bgc" has 1, 1, 1, 0, 0, 0.
    """

    def __init__(
        self,
        p: Schedule | None = None,
        target: float = 0.6,
        interval: int = 4,
        speed_kimg: float = 500.0,
        blit: float = 1.0,
        geom: float = 1.0,
        color: float = 1.0,
        filter: float = 0.0,
        noise: float = 0.0,
        cutout: float = 0.0,
    ) -> None:
        super().__init__(p, target, interval, speed_kimg)
        self.multipliers = dict(blit=blit, geom=geom, color=color, filter=filter, noise=noise, cutout=cutout)
        for name, value in self.multipliers.items():
            if not 0 <= value <= 1:
                raise ValueError(f"{name} is {value}; it must be at least 0 and at most 1")
        if not any(self.multipliers.values()):
            raise ValueError(f"{', '.join(self.multipliers)} are all 0, so nothing is augmented; give augment=none")

    def forward(self, images: Pyramid) -> Pyramid:
        check_images(images, "ada")
        found = in_full(images)
        with without_autocast(images[0].device):
            for name, multiplier in self.multipliers.items():
                if multiplier:
                    found = getattr(self, f"_{name}")(found, multiplier * self.p.to(found[0]))
            if self.multipliers["blit"] and not self.multipliers["geom"] and len(images) > 1:
                found = self._geom(found, self.p.to(found[0]) * 0)
        return [y.to(x.dtype) for x, y in zip(images, found, strict=True)]
