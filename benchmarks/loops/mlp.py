"""A tiny fully connected pair in the classic loop: what a step costs beside its arithmetic (Goodfellow et al. 2014)."""

import itertools
from collections.abc import Sequence

from loops.dcgan import Classic
from loops.plain import Loop, adam
from torch import nn


def layers(sizes: Sequence[int]) -> list[nn.Module]:
    found: list[nn.Module] = []
    for before, after in itertools.pairwise(sizes):
        found += [nn.Linear(before, after), nn.LeakyReLU(0.2)]
    return found[:-1]


class Tiny(Classic):
    """G z -> 128 -> 128 -> images, D images -> 128 -> 128 -> a probability, in the classic loop."""

    def __init__(self, resolution: int = 16, width: int = 128, z_dim: int = 32) -> None:
        shape = (1, resolution, resolution)
        G = nn.Sequential(
            nn.Flatten(), *layers([z_dim, width, width, resolution**2]), nn.Tanh(), nn.Unflatten(1, shape)
        )
        D = nn.Sequential(nn.Flatten(), *layers([resolution**2, width, width, 1]), nn.Sigmoid())
        Loop.__init__(self, G, D, z_dim, adam({"G": G, "D": D}, 2e-4, (0.5, 0.999)))
        self.criterion = nn.BCELoss()
        self.read = ()
