"""Mixtures of Gaussians in the plane, whose modes are known: the sets that mode collapse is shown on."""

import math

import torch
from torch import Tensor


def ring(modes: int = 8, radius: float = 1.0) -> Tensor:
    """Means (modes, 2), evenly on a circle. Eight of standard deviation 0.01: Srivastava et al. 2017 (VEEGAN), section 4.1."""
    if modes < 1 or not radius > 0:
        raise ValueError(f"modes must be at least 1 and radius above 0, not {modes} and {radius}")
    angles = torch.arange(modes, dtype=torch.float64) * (2 * math.pi / modes)
    return (radius * torch.stack([angles.cos(), angles.sin()], dim=1)).float()


def grid(side: int = 5, spacing: float = 2.0) -> Tensor:
    """Means (side^2, 2), a square lattice about the origin. 5 x 5 at distance 2 with standard deviation 0.05: Lin et al. 2018
    (PacGAN), section 4.1; the same set in VEEGAN.
    """
    if side < 1 or not spacing > 0:
        raise ValueError(f"side must be at least 1 and spacing above 0, not {side} and {spacing}")
    line = (torch.arange(side) - (side - 1) / 2) * spacing
    return torch.cartesian_prod(line, line).reshape(-1, 2)


def draw(means: Tensor, std: float, n: int, seed: int) -> tuple[Tensor, Tensor]:
    """n points (n, 2) of the mixture with equal weights and isotropic standard deviation, and their modes, int64 (n,)."""
    generator = torch.Generator().manual_seed(seed)
    modes = torch.randint(len(means), (n,), generator=generator)
    return means[modes] + std * torch.randn(n, 2, generator=generator), modes
