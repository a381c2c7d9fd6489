"""Noise on everything that D sees."""

import torch
import torch.nn.functional as F

from seesaw.gan.parts import InputTransform
from seesaw.shared.schedules import check_range
from seesaw.types import Pyramid, Schedule, at


class InstanceNoise(InputTransform):
    """x + N(0, std^2) on reals and on fakes, drawn anew for each; std usually falls to 0 over the run.

    Sonderby et al. 2017 and Arjovsky and Bottou 2017 (section 3): the two distributions overlap, so D cannot
    separate them perfectly. On a pyramid the noise is drawn at the finest scale and averaged down with the images, so that
    each scale stays the 2x2 average of the next; a scale k times coarser has noise of std / k. In both players' steps, and
    on the points between reals and fakes of a gradient penalty.

    Args:
        std: of the noise, of images in [-1, 1]; a number or a schedule.
    """

    def __init__(self, std: Schedule = 0.1) -> None:
        super().__init__()
        check_range("std", std, least=0)
        self.std, self.now = std, at(std, 0)

    def advance(self, batches: int, images_shown: int) -> None:
        self.now = at(self.std, images_shown)

    def forward(self, images: Pyramid) -> Pyramid:
        if self.now == 0:
            return images
        noise = self.now * torch.randn_like(images[-1])
        return [x + F.avg_pool2d(noise, noise.shape[-1] // x.shape[-1]) for x in images]

    def report(self) -> dict[str, float]:
        return {"balance/noise_std": self.now}
