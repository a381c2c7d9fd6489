"""FastGAN's generator (Liu et al. 2021, arXiv 2101.04775) in the light form of projected GANs (Sauer et al. 2021), for
small sets.

Channels at 2^r px are `width` times 16 at 4, 8 at 8, 4 at 16, 2 at 32 and 64, 1 at 128, 1/2 at 256, 1/4 at 512, 1/8 at 1024.
"""

from itertools import pairwise
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from seesaw.functional.resolution import Resolution, scales_of
from seesaw.functional.spectral import normalise
from seesaw.nets.layers import check_positive
from seesaw.nets.layers.labels import ClassLatent, LatentCondition
from seesaw.types import Fake

MULTIPLES = (16.0, 8.0, 4.0, 2.0, 2.0, 1.0, 0.5, 0.25, 0.125)
"""Of the width, from the base grid on."""

POOLED = 4
"""Sides of the grid that an excitation looks at."""


class Generator(nn.Module):
    """z -> base grid (4x4) -> ... -> resolution: nearest x2, a convolution with spectral normalisation, BatchNorm and a gated
    linear unit at each scale; skip-layer excitations from coarse to fine scales; tanh at the end.

    The light form has one convolution at each scale and injects no noise. z is scaled to the sphere of radius sqrt(z_dim), as in
    projected GANs' code.

    Args:
        resolution: from 8 to 1024, see `seesaw.functional.resolution`. channels: of the images.
        z_dim: of the latents.
        width: see the module; 128 in the code of both papers.
        skip: how many times finer the scale is that a scale excites: 16 in the paper, where 4 px excites 64, so images below
            64 px have none.
        classes: number of classes; 0 for none. condition, embedding: how the latent takes a label, see `ClassLatent`; neither
            paper has labels.
    """

    def __init__(
        self,
        resolution: Resolution,
        channels: int,
        z_dim: int = 256,
        width: int = 128,
        skip: Literal[4, 8, 16] = 16,
        classes: int = 0,
        condition: LatentCondition = "concat",
        embedding: int = 0,
    ) -> None:
        super().__init__()
        scales = scales_of(resolution, 8, 1024)
        check_positive(channels=channels, z_dim=z_dim, width=width)
        if skip not in (4, 8, 16):
            raise ValueError(f"skip is {skip}; it must be 4, 8 or 16")
        self.z_dim, self.classes, self.apart = z_dim, classes, skip.bit_length() - 1
        self.latent = ClassLatent(z_dim, classes, condition, embedding)
        sizes = [max(int(width * multiple), 1) for multiple in MULTIPLES[: scales.doublings + 1]]
        self.first = nn.Sequential(
            nn.ConvTranspose2d(self.latent.out, 2 * sizes[0], scales.base, bias=False),
            nn.BatchNorm2d(2 * sizes[0]),
            GatedLinearUnit(),
        )
        self.blocks = nn.ModuleList(doubling(*pair) for pair in pairwise(sizes))
        pairs = list(zip(sizes, sizes[self.apart :], strict=False)) if self.apart < len(sizes) else []
        self.excitations = nn.ModuleList(Excitation(*pair) for pair in pairs)
        self.last = nn.Conv2d(sizes[-1], channels, 3, padding=1)
        normalise(self, (nn.Conv2d, nn.ConvTranspose2d))

    def forward(self, z: Tensor, y: Tensor | None = None) -> Fake:
        """Latents (B, z_dim), and with classes labels (B,), to images (B, C, H, W) in (-1, 1)."""
        z = self.latent(z * (z.square().mean(1, keepdim=True) + 1e-8).rsqrt(), y)
        found = [self.first(z[:, :, None, None])]
        for k, block in enumerate(self.blocks, 1):
            x = block(found[-1])
            if 0 <= k - self.apart < len(self.excitations):
                x = self.excitations[k - self.apart](found[k - self.apart], x)
            found.append(x)
        return Fake([torch.tanh(self.last(found[-1]))])


class GatedLinearUnit(nn.Module):
    """nn.GLU(1): half the channels times the sigmoid of the others. The gradient of torch's own is not channels-last where the
    input is, and BatchNorm's backward pass before it then takes three times as long on a CPU."""

    def forward(self, x: Tensor) -> Tensor:
        """(B, 2 C, H, W) to (B, C, H, W)."""
        value, gate = x.chunk(2, 1)
        return value * torch.sigmoid(gate)


def doubling(before: int, after: int) -> nn.Sequential:
    """Twice the resolution, with a gated linear unit."""
    return nn.Sequential(
        nn.Upsample(scale_factor=2),
        nn.Conv2d(before, 2 * after, 3, padding=1, bias=False),
        nn.BatchNorm2d(2 * after),
        GatedLinearUnit(),
    )


class Excitation(nn.Module):
    """Skip-layer excitation: each channel of the fine features times a gate in (0, 1) of the coarse ones. Liu et al. 2021, eq. 1,
    with SiLU in the place of leaky ReLU, as in the authors' code."""

    def __init__(self, coarse: int, fine: int) -> None:
        super().__init__()
        self.squeeze = nn.Conv2d(coarse, fine, POOLED, bias=False)
        self.gate = nn.Conv2d(fine, fine, 1, bias=False)

    def forward(self, coarse: Tensor, fine: Tensor) -> Tensor:
        squeezed = self.squeeze(F.adaptive_avg_pool2d(coarse, POOLED))
        return fine * torch.sigmoid(self.gate(F.silu(squeezed)))
