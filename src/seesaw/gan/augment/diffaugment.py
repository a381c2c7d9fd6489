"""DiffAugment: a fixed policy, always applied."""

from collections.abc import Sequence
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from seesaw.functional.warp import shifted
from seesaw.gan.augment.images import check_images, in_full, per_sample, without_autocast
from seesaw.gan.parts import Augmentation
from seesaw.types import Pyramid

Policy = Literal["color", "translation", "cutout"]


class DiffAugment(Augmentation):
    """Zhao et al. 2020, "Differentiable augmentation for data-efficient GAN training", in the strengths of the authors' code.

    color: brightness + U(-1/2, 1/2), then saturation times U(0, 2) about the mean of the channels, then contrast times
    U(1/2, 3/2) about the image's mean. translation: by whole pixels, uniform up to 1/8 of each side, zeros from beyond the
    edges. cutout: a rectangle of half the sides, its centre uniform over the image, becomes 0. One draw a sample; on a pyramid
    one for all scales, with the shift and the rectangle in pixels of the finest (at coarser scales mixed between pixels). The
    mean of the channels is taken of any number of them, so grey images keep their saturation.

    Args:
        policy: kinds in the order in which they are applied. The paper takes all three, and translation and cutout in its
            CIFAR-10 experiments with BigGAN.
    """

    def __init__(self, policy: Sequence[Policy] = ("color", "translation", "cutout")) -> None:
        super().__init__()
        kinds = {"color": self._color, "translation": self._translation, "cutout": self._cutout}
        if not policy or len(set(policy)) < len(policy) or not set(policy) <= set(kinds):
            raise ValueError(f"policy is {list(policy)}; it must be a list of {', '.join(kinds)}, each at most once")
        self.policy = list(policy)
        self._steps = [kinds[kind] for kind in policy]

    def forward(self, images: Pyramid) -> Pyramid:
        check_images(images, "diffaugment")
        found = in_full(images)
        with without_autocast(images[0].device):
            for step in self._steps:
                found = step(found)
        return [y.to(x.dtype) for x, y in zip(images, found, strict=True)]

    @staticmethod
    def _color(images: Pyramid) -> Pyramid:
        u = torch.rand(3, len(images[0]), device=images[0].device, dtype=images[0].dtype)
        brightness, saturation, contrast = per_sample(u[0] - 0.5), per_sample(2 * u[1]), per_sample(u[2] + 0.5)
        return [_colored(x, brightness, saturation, contrast) for x in images]

    @staticmethod
    def _translation(images: Pyramid) -> Pyramid:
        finest = images[-1]
        u = torch.rand(2, len(finest), device=finest.device, dtype=finest.dtype)
        most = [int(n / 8 + 0.5) for n in reversed(finest.shape[-2:])]  # across, down
        shift = torch.stack([(k * (2 * m + 1)).floor() - m for k, m in zip(u, most, strict=True)], 1)
        return [shifted(x, shift * (x.shape[-1] / finest.shape[-1])) for x in images]

    @staticmethod
    def _cutout(images: Pyramid) -> Pyramid:
        finest = images[-1]
        u = torch.rand(2, len(finest), 1, device=finest.device, dtype=finest.dtype)
        inside = []
        for place, n in zip(u, finest.shape[-2:], strict=True):
            side = int(n / 2 + 0.5)
            first = (place * (n + 1 - side % 2)).floor() - side // 2
            at = torch.arange(n, device=finest.device)
            inside.append((at >= first) & (at < first + side))
        kept = (~(inside[0][:, None, :, None] & inside[1][:, None, None, :])).to(finest.dtype)
        return [x * F.avg_pool2d(kept, finest.shape[-1] // x.shape[-1]) for x in images]


def _colored(x: Tensor, brightness: Tensor, saturation: Tensor, contrast: Tensor) -> Tensor:
    x = x + brightness
    if x.shape[1] > 1:
        grey = x.mean(1, keepdim=True)
        x = grey + saturation * (x - grey)
    mean = x.mean((1, 2, 3), keepdim=True)
    return mean + contrast * (x - mean)
