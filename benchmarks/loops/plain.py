"""What the plain loops share: float32, contiguous tensors, Adam as torch gives it, everything done as the papers' code writes it.

A loop owns its players and optimisers. `step` is one batch: D's update, then G's. What it draws comes from `latents` and
`mix`, so that a check can give it other draws.
"""

import copy
from abc import ABC, abstractmethod
from typing import Any

import torch
from torch import Tensor, nn


class Loop(ABC):
    """G and D with one optimiser each.

    Args:
        G, D: the players. z_dim: of the standard normal latents.
        optimizers: "G" and "D".
    """

    def __init__(self, G: nn.Module, D: nn.Module, z_dim: int, optimizers: dict[str, Any]) -> None:
        self.G, self.D, self.z_dim, self.optimizers = G, D, z_dim, optimizers

    @abstractmethod
    def step(self, real: Tensor) -> None:
        """One batch of reals, uint8 (B, C, H, W)."""

    def latents(self, n: int) -> Tensor:
        return torch.randn(n, self.z_dim)

    def mix(self, n: int) -> Tensor:
        """Places between reals and fakes, uniform."""
        return torch.rand(n)


def to_float(real: Tensor) -> Tensor:
    return real.to(torch.get_default_dtype()) / 127.5 - 1


def adam(players: dict[str, nn.Module], lr: float, betas: tuple[float, float]) -> dict[str, Any]:
    return {name: torch.optim.Adam(net.parameters(), lr=lr, betas=betas) for name, net in players.items()}


class Average:
    """The generator's running average, parameter by parameter, once a step."""

    def __init__(self, G: nn.Module, decay: float = 0.999) -> None:
        self.G, self.average, self.decay = G, copy.deepcopy(G), decay

    @torch.no_grad()
    def update(self) -> None:
        for mean, p in zip(self.average.parameters(), self.G.parameters(), strict=True):
            mean.mul_(self.decay).add_(p, alpha=1 - self.decay)
