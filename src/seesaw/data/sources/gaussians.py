"""Sets of points in the plane: mixtures of Gaussians, drawn once."""

from typing import Unpack

from torch import Tensor

from seesaw.data.images import ImageSet
from seesaw.data.module import Common, ImageData
from seesaw.functional.mixtures import draw, grid, ring
from seesaw.functional.resolution import Resolution


class Gaussians(ImageData):
    """A mixture of Gaussians in the plane as float32 "images" (N, 2, 1, 1); the label of a point is its mode.

    Args:
        means: of the modes, (modes, 2).
        std: standard deviation of each mode in each direction.
        n: points of the set.
        points_seed: of the set; not the run's seed, so that all runs share the set.
        common: see `seesaw.data.module.Common`; resolution must be 1, channels 2, flip false.
    """

    name: str

    def __init__(
        self, means: Tensor, std: float, n: int = 100_000, points_seed: int = 0, **common: Unpack[Common]
    ) -> None:
        super().__init__(**common)
        if not std > 0 or n < 1:
            raise ValueError(f"std must be above 0 and n at least 1, not {std} and {n}")
        if self.flip:
            raise ValueError("flip must be false: points have no left and right")
        self.means, self.std, self.n, self.points_seed = means, std, n, points_seed

    def check_shape(self, resolution: Resolution, channels: int) -> None:
        if (resolution, channels) != (1, 2):
            raise ValueError(f"points of the plane have resolution 1 and channels 2, not {resolution} and {channels}")

    def load(self) -> ImageSet:
        points, modes = draw(self.means, self.std, self.n, self.points_seed)
        return ImageSet(points[:, :, None, None], self.name, modes, len(self.means))


class GaussiansRing(Gaussians):
    """Eight Gaussians on a circle, as published; see `seesaw.functional.mixtures.ring`.

    Args:
        modes, radius: of the ring.
        std, n, points_seed: see `Gaussians`.
    """

    name = "gaussians_ring"

    def __init__(
        self,
        modes: int = 8,
        radius: float = 1.0,
        std: float = 0.01,
        n: int = 100_000,
        points_seed: int = 0,
        **common: Unpack[Common],
    ) -> None:
        super().__init__(ring(modes, radius), std, n, points_seed, **common)


class GaussiansGrid(Gaussians):
    """25 Gaussians on a square lattice, as published; see `seesaw.functional.mixtures.grid`.

    Args:
        side, spacing: of the lattice.
        std, n, points_seed: see `Gaussians`.
    """

    name = "gaussians_grid"

    def __init__(
        self,
        side: int = 5,
        spacing: float = 2.0,
        std: float = 0.05,
        n: int = 100_000,
        points_seed: int = 0,
        **common: Unpack[Common],
    ) -> None:
        super().__init__(grid(side, spacing), std, n, points_seed, **common)
