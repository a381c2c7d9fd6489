"""MSG-GAN (Karnewar and Wang 2020, "Multi-Scale Gradients for GANs"), in its ProGAN form: every scale at once, no growing.

G gives an image at every scale through a linear 1x1 convolution of its own; D takes them all, each where its trunk has that
size, joined by one of the paper's three combine functions. So gradients reach every scale of G directly. Widths are ProGAN's.
"""

import itertools
from functools import partial
from typing import Literal

import torch
from torch import Tensor, nn

from seesaw.functional.resolution import Resolution, scales_of
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


class Generator(nn.Module):
    """z -> 4x4 -> ... -> resolution, with an image at each scale, coarse to fine; linear colours, no tanh.

    As in the authors' code the first block has one pixel norm, at its end, and every layer, colours included, the gain sqrt(2).

    Args:
        resolution: of the finest scale, from 8 to 1024, see `seesaw.functional.resolution`. channels: of the images.
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
        first = [
            PixelNorm(),
            FromLatent(self.latent.out, sizes[0], GAIN, scales.base),
            nn.LeakyReLU(0.2),
            conv3(sizes[0], sizes[0]),
            PixelNorm(),
        ]
        later = [
            nn.Sequential(
                nn.Upsample(scale_factor=2), conv3(before, after), PixelNorm(), conv3(after, after), PixelNorm()
            )
            for before, after in itertools.pairwise(sizes)
        ]
        self.blocks = nn.ModuleList([nn.Sequential(*first), *later])
        self.to_rgb = nn.ModuleList(EqualConv2d(width, channels, 1) for width in sizes)

    def forward(self, z: Tensor, y: Tensor | None = None) -> Fake:
        """Latents (B, z_dim) and labels (B,) to images (B, C, 4, 4), (B, C, 8, 8), ..., (B, C, H, W); of other shapes from their
        base grid on."""
        x, images = self.latent(z, y), []
        for block, to_rgb in zip(self.blocks, self.to_rgb, strict=True):
            x = block(x)
            images.append(to_rgb(x))
        return Fake(images)


class Combine(nn.Module):
    """Joins a scale's image o with the trunk's features a: the functions phi of Karnewar and Wang 2020.

    Args:
        kind: simple [o; a], lin_cat [r(o); a], cat_lin r([o; a]), with r a 1x1 convolution without activation.
        channels: of o. width: of the result, but for `simple`, which adds the colours to it.
    """

    def __init__(self, kind: Literal["simple", "lin_cat", "cat_lin"], channels: int, width: int) -> None:
        super().__init__()
        if kind not in ("simple", "lin_cat", "cat_lin"):
            raise ValueError(f"combine is {kind!r}; it must be one of simple, lin_cat, cat_lin")
        self.kind = kind
        self.trunk = width // 2 if kind == "lin_cat" else width
        """Channels of a."""
        self.out = width + channels if kind == "simple" else width
        """Channels of the result."""
        if kind == "lin_cat":
            self.linear: nn.Module = EqualConv2d(channels, width - width // 2, 1)
        elif kind == "cat_lin":
            self.linear = EqualConv2d(channels + width, width, 1, bias=False)

    def forward(self, o: Tensor, a: Tensor) -> Tensor:
        """(B, channels, H, W) and (B, trunk, H, W) to (B, out, H, W)."""
        if self.kind == "lin_cat":
            return torch.cat([self.linear(o), a], dim=1)
        joined = torch.cat([o.to(a.dtype), a], dim=1)
        return self.linear(joined) if self.kind == "cat_lin" else joined


def blocks_of(sizes: list[int], combines: list[Combine], stddev: bool, group: int | None) -> nn.ModuleList:
    """D's blocks; block k goes from scale k + 1 to k, of `sizes` channels coarse to fine. `stddev`: each starts with a minibatch
    standard deviation over `group` samples."""
    blocks: list[nn.Module] = []
    for k, width in enumerate(sizes[1:], start=1):
        before = sizes[-1] if k == len(sizes) - 1 else combines[k].out
        layers = [MinibatchStddev(group)] if stddev else []
        after = combines[k - 1].trunk
        blocks.append(nn.Sequential(*layers, conv3(before + int(stddev), width), conv3(width, after), nn.AvgPool2d(2)))
    return nn.ModuleList(blocks)


class Discriminator(nn.Module):
    """All scales -> a logit. The finest image enters by a 1x1 convolution, the others by `combine` before their block.

    Args:
        resolution, channels: of the finest images.
        base, max_width: channels, see `widths_of`.
        combine: see `Combine`. The authors' MSG-ProGAN takes lin_cat, their MSG-StyleGAN cat_lin.
        stddev: minibatch standard deviation at the start of `every` block (the paper), or of the `last` (the authors' code).
        group: samples over which it is taken; null: the whole batch, as the authors' code for MSG-ProGAN does.
        pack: images judged together, stacked along the channels at each scale (balance=pac).
        spectral_norm: every weight divided by its largest singular value, see `normalise_equalized`.
        classes, condition: how it takes labels; see `ClassHead`.
    """

    def __init__(
        self,
        resolution: Resolution,
        channels: int,
        base: int = 8192,
        max_width: int = 512,
        combine: Literal["simple", "lin_cat", "cat_lin"] = "lin_cat",
        stddev: Literal["every", "last"] = "every",
        group: int | None = None,
        pack: int = 1,
        spectral_norm: bool = False,
        classes: int = 0,
        condition: Condition = "projection",
    ) -> None:
        super().__init__()
        scales = scales_of(resolution)
        check_positive(channels=channels, base=base, max_width=max_width, pack=pack)
        if stddev not in ("every", "last"):
            raise ValueError(f"stddev is {stddev!r}; it must be every or last")
        sizes = widths_of(scales, base, max_width, least=2)  # lin_cat halves them
        self.from_rgb = EqualConv2d(channels * pack, sizes[-1], 1)
        combines = [Combine(combine, channels * pack, width) for width in sizes[:-1]]  # coarse to fine
        self.combines = nn.ModuleList(combines)
        self.blocks = blocks_of(sizes, combines, stddev == "every", group)
        first = sizes[0]
        last = [MinibatchStddev(group), conv3(combines[0].out + 1, first), EqualConv2d(first, first, scales.base)]
        self.last = nn.Sequential(*last, nn.LeakyReLU(0.2), EqualConv2d(first, 1, 1), nn.Flatten(0))
        layer = partial(EqualLinear, first, gain=1.0)
        self.classes, self.head = classes, ClassHead(layer, classes, condition, pack)
        if spectral_norm:
            normalise_equalized(self)

    def forward(self, images: Pyramid, y: Tensor | None = None) -> Tensor | Logits:
        """Images at 4, 8, ..., resolution px and labels (B,) to logits (B,)."""
        x = self.from_rgb(images[-1])
        for k in reversed(range(len(self.blocks))):
            x = self.combines[k](images[k], self.blocks[k](x))
        *hidden, last, flat = self.last
        for layer in hidden:
            x = layer(x)
        return self.head(flat(last(x)), x.flatten(1), y)

    def layers_from_image(self) -> list[Layer]:
        """For `model.freeze_d`: what takes the finest image is the first layer; then each convolution in the order of a pass.
        What joins a coarser image belongs to the layer behind it."""
        layers = layers_of(self.from_rgb)
        for k in reversed(range(len(self.blocks))):
            first, *others = layers_of(self.blocks[k])
            before = layers_of(self.combines[k + 1]) if k < len(self.combines) - 1 else []
            layers += [*joined([*before, first]), *others]
        first, *others = layers_of(self.last)
        return [*layers, *joined([*layers_of(self.combines[0]), first]), *others]
