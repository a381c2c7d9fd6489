"""DCGAN (Radford et al. 2015), with the choices that its users make.

Widths double from the finest scale to the base grid, 4 x 4 for a square of a power of two: `width` channels at half the
image's resolution, twice as many at a quarter, and so on up to `max_width`. At 64 px, width 128 gives the paper's
1024-512-256-128 and 64 the `pytorch/examples` net.
"""

import math
from collections.abc import Sequence
from functools import partial
from typing import Literal

from torch import Tensor, nn

from seesaw.functional.resolution import Resolution, scales_of
from seesaw.functional.spectral import normalise
from seesaw.nets.layers import check_positive, normal_init
from seesaw.nets.layers.convolution import Conv2d
from seesaw.nets.layers.depth import Layer, layers_of
from seesaw.nets.layers.labels import (
    ClassHead,
    ClassLatent,
    Condition,
    ConditionalBatchNorm2d,
    check_condition,
    of_model,
)
from seesaw.types import Fake, Logits, Pyramid

SIDES = (16, 256)
"""Pixels of the images' sides, the least and the most."""


def widths(doublings: int, width: int, max_width: int) -> list[int]:
    """Channels from the base grid, 4 px in a square, to half the resolution."""
    return [min(width * 2**k, max_width) for k in reversed(range(doublings))]


def upsample(in_channels: int, out_channels: int, kind: str, kernel: int) -> nn.Module:
    """Twice the resolution: a transposed convolution of stride 2, or nearest neighbour and a 3x3 convolution."""
    if kind == "nearest":
        return nn.Sequential(nn.Upsample(scale_factor=2), nn.Conv2d(in_channels, out_channels, 3, 1, 1, bias=False))
    return nn.ConvTranspose2d(
        in_channels, out_channels, kernel, 2, (kernel - 1) // 2, output_padding=kernel % 2, bias=False
    )


def downsample(before: int, after: int, kind: str, kernel: int) -> nn.Module:
    """Half the resolution: a convolution of stride 2, or a 3x3 convolution and the 2x2 average."""
    if kind == "pool":
        return nn.Sequential(Conv2d(before, after, 3, 1, 1, bias=False), nn.AvgPool2d(2))
    return Conv2d(before, after, kernel, 2, (kernel - 1) // 2, bias=False)


class Generator(nn.Module):
    """z -> base grid (4x4) -> ... -> resolution; BatchNorm and ReLU everywhere but at the end, which is tanh.

    Args:
        resolution: from 16 to 256, see `seesaw.functional.resolution`. channels: of the images.
        z_dim: of the latents, standard normal as in pytorch/examples (the paper draws them uniform in [-1, 1]).
        width, max_width: see the module.
        up: how the resolution doubles.
        kernel: of the transposed convolutions, 4 (pytorch/examples) or 5 (the paper).
        classes, condition, embedding: how it takes labels: `concat` or `multiply`, see `ClassLatent`; or `batch_norm`, see
            `ConditionalBatchNorm2d`, with a first layer that sees the latent alone.
    """

    def __init__(
        self,
        resolution: Resolution,
        channels: int,
        z_dim: int = 100,
        width: int = 64,
        max_width: int = 1024,
        up: Literal["transposed", "nearest"] = "transposed",
        kernel: Literal[4, 5] = 4,
        classes: int = 0,
        condition: Literal["concat", "multiply", "batch_norm"] = "concat",
        embedding: int = 0,
    ) -> None:
        super().__init__()
        scales = scales_of(resolution, *SIDES)
        check_positive(channels=channels, z_dim=z_dim, width=width, max_width=max_width)
        check_condition(condition, ("concat", "multiply", "batch_norm"))
        self.z_dim, self.classes = z_dim, classes
        by_norm = condition == "batch_norm" and classes > 0
        if by_norm and embedding:
            raise ValueError(
                f"embedding is {embedding}; condition=batch_norm sets nothing beside z, leave embedding out"
            )
        self.latent = ClassLatent(
            z_dim, 0 if by_norm else classes, "multiply" if condition == "multiply" else "concat", embedding
        )
        norm = partial(ConditionalBatchNorm2d, classes) if by_norm else nn.BatchNorm2d
        sizes = widths(scales.doublings, width, max_width)
        layers: list[nn.Module] = [nn.ConvTranspose2d(self.latent.out, sizes[0], scales.base, bias=False)]
        for before, after in zip(sizes, [*sizes[1:], channels], strict=True):
            layers += [norm(before), nn.ReLU(inplace=True), upsample(before, after, up, kernel)]
        self.layers = nn.Sequential(*layers, nn.Tanh())
        normal_init(self)

    def forward(self, z: Tensor, y: Tensor | None = None) -> Fake:
        """Latents (B, z_dim) and labels (B,) to images (B, C, H, W) in (-1, 1)."""
        x = self.latent(z, y)[:, :, None, None]
        for layer in self.layers:
            x = layer(x, of_model(y)) if isinstance(layer, ConditionalBatchNorm2d) else layer(x)
        return Fake([x])


class Discriminator(nn.Module):
    """resolution -> ... -> base grid (4x4) -> a logit; BatchNorm everywhere but on the first layer, leaky ReLU of slope 0.2.

    Args:
        resolution: from 16 to 256, see `seesaw.functional.resolution`. channels: of the images.
        width, max_width: see the module.
        down: how the resolution halves.
        kernel: of the strided convolutions, 4 (pytorch/examples) or 5 (the paper).
        norm: "none" leaves BatchNorm out, as R1 wants it: it couples the samples whose gradients R1 takes.
        fc: widths of hidden fully connected layers at the end; empty: one layer from the base grid to the logit.
        pack: images judged together, stacked along the channels (balance=pac).
        spectral_norm: every weight divided by its largest singular value (Miyato et al. 2018). It takes norm "none": BatchNorm
            undoes any scale of the weight before it.
        classes, condition: how it takes labels; see `ClassHead`.
    """

    def __init__(
        self,
        resolution: Resolution,
        channels: int,
        width: int = 64,
        max_width: int = 1024,
        down: Literal["stride", "pool"] = "stride",
        kernel: Literal[4, 5] = 4,
        norm: Literal["batch", "none"] = "batch",
        fc: Sequence[int] = (),
        pack: int = 1,
        spectral_norm: bool = False,
        classes: int = 0,
        condition: Condition = "projection",
    ) -> None:
        super().__init__()
        if spectral_norm and norm == "batch":
            raise ValueError("spectral_norm takes norm=none: BatchNorm undoes any scale of the weight before it")
        scales = scales_of(resolution, *SIDES)
        check_positive(channels=channels, width=width, max_width=max_width, pack=pack)
        check_positive(**{f"fc.{k}": w for k, w in enumerate(fc)})
        sizes = widths(scales.doublings, width, max_width)[::-1]
        layers: list[nn.Module] = []
        for k, (before, after) in enumerate(zip([channels * pack, *sizes], sizes, strict=False)):
            layers.append(downsample(before, after, down, kernel))
            if k > 0 and norm == "batch":
                layers.append(nn.BatchNorm2d(after))
            layers.append(nn.LeakyReLU(0.2, inplace=True))
        layers.append(nn.Flatten())
        flat = sizes[-1] * math.prod(scales.base)
        for before, after in zip([flat, *fc], fc, strict=False):
            layers += [nn.Linear(before, after), nn.LeakyReLU(0.2, inplace=True)]
        features = [flat, *fc][-1]
        self.layers = nn.Sequential(*layers, nn.Linear(features, 1, bias=False))
        normal_init(self)
        self.classes, self.head = classes, ClassHead(partial(nn.Linear, features), classes, condition, pack)
        normal_init(self.head)
        if spectral_norm:
            normalise(self)

    def forward(self, images: Pyramid, y: Tensor | None = None) -> Tensor | Logits:
        """The finest images (B, C, H, W) and labels (B,) to logits (B,)."""
        *hidden, last = self.layers
        phi = images[-1]
        for layer in hidden:
            phi = layer(phi)
        return self.head(last(phi).squeeze(1), phi, y)

    def layers_from_image(self) -> list[Layer]:
        """For `model.freeze_d`: each matrix or kernel, with the BatchNorm that follows it."""
        return layers_of(self.layers)
