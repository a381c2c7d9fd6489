"""Views: the reals (B, C, H, W) as the pyramid that D takes."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from seesaw.functional.resolution import scales_of_size
from seesaw.functional.staged import Staged
from seesaw.types import Pyramid


class SingleScale(nn.Module):
    """The images as they are."""

    def forward(self, reals: Tensor) -> Pyramid:
        return [reals]


class AllScales(nn.Module):
    """Images at 4 px (of other shapes than squares: at the base grid) and every doubling up to the reals', each the 2x2 average
    of the next finer one (MSG-GAN, Karnewar and Wang 2020, as in their code).
    """

    def forward(self, reals: Tensor) -> Pyramid:
        pyramid = [reals]
        for _ in range(scales_of_size(*reals.shape[-2:]).doublings):
            pyramid.insert(0, F.avg_pool2d(pyramid[0], 2))
        return pyramid


class GrowingView(Staged):
    """One image at the stage's resolution; in a fade blended with its own 2x2 average, as G's output is (ProGAN).

    The reals may come at that resolution already (a growing model's level), or larger.
    """

    def forward(self, reals: Tensor) -> Pyramid:
        x = F.avg_pool2d(reals, 2 ** (scales_of_size(*reals.shape[-2:]).doublings - self.depth))
        if self.depth > 0:
            coarse = F.interpolate(F.avg_pool2d(x, 2), scale_factor=2)
            x = torch.lerp(coarse, x, self.alpha.to(x))
        return [x]
