"""ProGAN (Karras et al. 2018, "Progressive Growing of GANs"): both players grow from 4x4, scale by scale; of other
shapes from their base grid (`seesaw.functional.resolution`).

Widths follow the paper's code: 512 channels at 4 to 32 px, then half as many at each doubling (`base` 8192). With `base` 4096
it is the CIFAR-10 net of that code as first published, with `max_width` and `z_dim` 128 beside it the one of its later version.
A net stands at full depth until a growth sets its stage.
"""

import itertools
import math
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from seesaw.functional.resolution import Resolution, scales_of
from seesaw.functional.staged import Staged
from seesaw.nets.layers import check_positive
from seesaw.nets.layers.depth import Layer, joined, layers_of
from seesaw.nets.layers.equalized import (
    GAIN,
    EqualConv2d,
    EqualLinear,
    FromLatent,
    MinibatchStddev,
    PixelNorm,
    conv3,
    normalise_equalized,
    widths_of,
)
from seesaw.nets.layers.labels import ClassHead, ClassLatent, Condition, LatentCondition
from seesaw.types import Fake, Logits, Pyramid


class Generator(Staged):
    """z -> 4x4 -> ... -> the stage's resolution; pixel norm after every layer, a linear 1x1 convolution to colour.

    Args:
        resolution: of the last scale, from 8 to 1024, see `seesaw.functional.resolution`. channels: of the images.
        z_dim: of the latents, which are brought to the hypersphere of radius sqrt(z_dim).
        base, max_width: channels, see `widths_of`.
        classes, condition, embedding: how it takes labels; see `ClassLatent`. The class goes to the hypersphere with the latent,
            as in ProGAN's code, which sets a one-hot class beside it.
    """

    def __init__(
        self,
        resolution: Resolution,
        channels: int,
        z_dim: int = 512,
        base: int = 8192,
        max_width: int = 512,
        classes: int = 0,
        condition: LatentCondition = "concat",
        embedding: int = 0,
    ) -> None:
        super().__init__()
        scales = scales_of(resolution)
        check_positive(channels=channels, z_dim=z_dim, base=base, max_width=max_width)
        self.z_dim, self.classes = z_dim, classes
        self.latent = ClassLatent(z_dim, classes, condition, embedding)
        sizes = widths_of(scales, base, max_width)
        lrelu = nn.LeakyReLU(0.2)
        first = [
            PixelNorm(),
            FromLatent(self.latent.out, sizes[0], GAIN / math.sqrt(math.prod(scales.base)), scales.base),
            lrelu,
            PixelNorm(),
            conv3(sizes[0], sizes[0]),
            PixelNorm(),
        ]
        self.first = nn.Sequential(*first)
        self.blocks = nn.ModuleList(
            nn.Sequential(
                nn.Upsample(scale_factor=2), conv3(before, after), PixelNorm(), conv3(after, after), PixelNorm()
            )
            for before, after in itertools.pairwise(sizes)
        )
        self.to_rgb = nn.ModuleList(EqualConv2d(width, channels, 1, gain=1.0) for width in sizes)
        self.depth = len(self.blocks)

    def forward(self, z: Tensor, y: Tensor | None = None) -> Fake:
        """Latents (B, z_dim) and labels (B,) to one image (B, C, h * 2^depth, w * 2^depth) of the base grid h x w, in a fade
        blended with the coarser scale's."""
        x = coarser = self.first(self.latent(z, y))
        for block in self.blocks[: self.depth]:
            coarser, x = x, block(x)
        images = self.to_rgb[self.depth](x)
        if self.fading:
            low = F.interpolate(self.to_rgb[self.depth - 1](coarser), scale_factor=2)
            images = torch.lerp(low, images, self.alpha.to(images.dtype))
        return Fake([images])


class Discriminator(Staged):
    """The stage's resolution -> ... -> 4x4 -> a logit; no normalisation, minibatch standard deviation at 4x4.

    The 2x2 average stands after the bias and the activation of the convolution before it, as in the paper's table 2 and in the
    Theano code that made its results. The later TensorFlow code averages before them by default (`fused_scale=True`): with the
    same weights its D gives other values.

    Args:
        resolution, channels: of the images at the last scale.
        base, max_width: channels, see `widths_of`.
        group: samples over which the minibatch standard deviation is taken; null: the whole batch.
        pack: images judged together, stacked along the channels (balance=pac).
        spectral_norm: every weight divided by its largest singular value, see `normalise_equalized`.
        classes, condition: how it takes labels; see `ClassHead`.
    """

    def __init__(
        self,
        resolution: Resolution,
        channels: int,
        base: int = 8192,
        max_width: int = 512,
        group: int | None = 4,
        pack: int = 1,
        spectral_norm: bool = False,
        classes: int = 0,
        condition: Condition = "projection",
    ) -> None:
        super().__init__()
        scales = scales_of(resolution)
        check_positive(channels=channels, base=base, max_width=max_width, pack=pack)
        sizes = widths_of(scales, base, max_width)
        self.from_rgb = nn.ModuleList(
            nn.Sequential(EqualConv2d(channels * pack, width, 1), nn.LeakyReLU(0.2)) for width in sizes
        )
        self.blocks = nn.ModuleList(  # block k goes from scale k + 1 to k
            nn.Sequential(conv3(fine, fine), conv3(fine, coarse), nn.AvgPool2d(2))
            for coarse, fine in itertools.pairwise(sizes)
        )
        self.last = nn.Sequential(
            MinibatchStddev(group),
            conv3(sizes[0] + 1, sizes[0]),
            nn.Flatten(),
            EqualLinear(math.prod(scales.base) * sizes[0], sizes[0]),
            nn.LeakyReLU(0.2),
            EqualLinear(sizes[0], 1, gain=1.0),
        )
        self.depth = len(self.blocks)
        layer = partial(EqualLinear, sizes[0], gain=1.0)
        self.classes, self.head = classes, ClassHead(layer, classes, condition, pack)
        if spectral_norm:
            normalise_equalized(self)

    def forward(self, images: Pyramid, y: Tensor | None = None) -> Tensor | Logits:
        """The image at the stage's resolution and labels (B,) to logits (B,)."""
        x = self.from_rgb[self.depth](images[-1])
        for k in reversed(range(self.depth)):
            x = self.blocks[k](x)
            if self.fading and k == self.depth - 1:
                low = self.from_rgb[k](F.avg_pool2d(images[-1], 2))
                x = torch.lerp(low, x, self.alpha.to(x.dtype))
        *hidden, last = self.last
        for layer in hidden:
            x = layer(x)
        return self.head(last(x).squeeze(1), x, y)

    def layers_from_image(self) -> list[Layer]:
        """For `model.freeze_d`: what takes the image, at every scale, is the first layer; then each 3x3 convolution from the
        finest scale on, and the last ones."""
        first = joined(layers_of(*self.from_rgb))
        return [*first, *layers_of(*reversed(self.blocks), self.last)]
