"""Noise on everything that D is shown."""

import torch
import torch.nn.functional as F

from seesaw.gan.balance.parts import InputTransform
from seesaw.types import Pyramid


class InstanceNoise(InputTransform):
    """x + N(0, std^2) on reals and on fakes, drawn anew for each, std falling in a straight line to 0.

    Sonderby et al. 2017 and Arjovsky and Bottou 2017 (section 3): the two distributions overlap, so D cannot
    separate them perfectly. On a pyramid the noise is drawn at the finest scale and averaged down with the images, so that
    each scale stays the 2x2 average of the next; a scale k times coarser has noise of std / k. In both players' steps, and
    on the points between reals and fakes of a gradient penalty.

    Args:
        std: at the start, of images in [-1, 1].
        kimg: thousand images until it is 0.
    """

    def __init__(self, std: float = 0.1, kimg: float = 100.0) -> None:
        super().__init__()
        if std < 0 or kimg <= 0:
            raise ValueError(f"std is {std} and kimg {kimg}; std >= 0 and kimg > 0 must hold")
        self.start, self.kimg, self.std = std, kimg, std

    def advance(self, batches: int, images_shown: int) -> None:
        self.std = self.start * max(1 - images_shown / (1000 * self.kimg), 0.0)

    def forward(self, images: Pyramid) -> Pyramid:
        if self.std == 0:
            return images
        noise = self.std * torch.randn_like(images[-1])
        return [x + F.avg_pool2d(noise, noise.shape[-1] // x.shape[-1]) for x in images]

    def report(self) -> dict[str, float]:
        return {"balance/noise_std": self.std}
