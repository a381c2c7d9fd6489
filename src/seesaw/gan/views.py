"""Views: the reals (B, C, H, W) as the pyramid that D takes."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from seesaw.functional.staged import Staged
from seesaw.gan.growth import COARSEST
from seesaw.types import Pyramid


class SingleScale(nn.Module):
    """The images as they are."""

    def forward(self, reals: Tensor) -> Pyramid:
        return [reals]


class AllScales(nn.Module):
    """Images at 4 px and every doubling up to the reals', each the 2x2 average of the next finer one (MSG-GAN, Karnewar and
    Wang 2020, as in their code).
    """

    def forward(self, reals: Tensor) -> Pyramid:
        pyramid = [reals]
        while pyramid[0].shape[-1] > COARSEST:
            pyramid.insert(0, F.avg_pool2d(pyramid[0], 2))
        return pyramid


class GrowingView(Staged):
    """One image at the stage's resolution; in a fade blended with its own 2x2 average, as G's output is (ProGAN).

    The reals may come at that resolution already (a growing model's level), or larger.
    """

    def forward(self, reals: Tensor) -> Pyramid:
        x = F.avg_pool2d(reals, reals.shape[-1] // (COARSEST * 2**self.depth))
        if self.depth > 0:
            coarse = F.interpolate(F.avg_pool2d(x, 2), scale_factor=2)
            x = torch.lerp(coarse, x, self.alpha.to(x))
        return [x]
