"""R3GAN (Huang et al. 2024, "The GAN is dead; long live the GAN!"): residual networks without normalisation.

Widths are ProGAN's rule: min(base / 2^(r-1), max_width) channels at 2^r px, so 768 up to 32 px and then half as many at each
doubling. Two blocks a stage. The two biases in each block are the only ones of a net.
"""

import itertools
import math
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from seesaw.functional.resolution import Resolution, scales_of
from seesaw.nets.layers import check_positive
from seesaw.nets.layers.convolution import Conv2d
from seesaw.nets.layers.depth import Layer, joined, layers_of
from seesaw.nets.layers.equalized import widths_of
from seesaw.nets.layers.labels import ClassHead, ClassLatent, Condition
from seesaw.nets.layers.resample import downsample, upsample
from seesaw.types import Fake, Logits, Pyramid

SLOPE = 0.2
"""Of the leaky ReLU below 0."""

BLOCKS = 2
"""Residual blocks of a stage."""

EXPANSION = 2
"""Channels within a block, divided by those outside."""


def scaled_normal_(weight: Tensor, gain: float = 1.0) -> None:
    """N(0, gain / sqrt(fan_in)), the fan-in of the second and all further axes."""
    nn.init.normal_(weight, 0.0, gain / math.sqrt(math.prod(weight.shape[1:])))


class Block(nn.Module):
    """conv 1x1 to twice the width, leaky ReLU, grouped conv 3x3, leaky ReLU, conv 1x1 back, added to the input.

    After Fixup (Zhang et al. 2019) the last convolution begins at 0, and the weights of the other two at N(0, g / sqrt(fan_in)),
    g = sqrt(2 / (1 + 0.2^2)) L^(-1/4), so that the sum of all L blocks of a net moves as one layer would.

    Args:
        width: channels of the input and the output.
        group_size: channels of a group; a layer that is narrower is one group.
        blocks: L.
    """

    def __init__(self, width: int, group_size: int, blocks: int) -> None:
        super().__init__()
        inner = EXPANSION * width
        groups = max(inner // group_size, 1)
        if groups > 1 and inner % group_size:
            raise ValueError(
                f"group_size is {group_size}; it must divide the {inner} channels within a block of width {width}"
            )
        self.widen = Conv2d(width, inner, 1)
        self.spatial = Conv2d(inner, inner, 3, padding=1, groups=groups)
        self.narrow = Conv2d(inner, width, 1, bias=False)
        gain = math.sqrt(2 / (1 + SLOPE**2)) * blocks**-0.25
        for conv in (self.widen, self.spatial):
            scaled_normal_(conv.weight, gain)
            assert conv.bias is not None
            nn.init.zeros_(conv.bias)
        nn.init.zeros_(self.narrow.weight)

    def forward(self, x: Tensor) -> Tensor:
        """(B, width, H, W), the same shape."""
        h = F.leaky_relu(self.widen(x), SLOPE)
        out: Tensor = self.narrow(F.leaky_relu(self.spatial(h), SLOPE))
        return x + out


class Resample(nn.Module):
    """Twice or half the size by StyleGAN2's filter, with a 1x1 convolution at the coarser side where the width changes.

    Args:
        in_channels, out_channels: before and after.
        up: whether the size doubles: the convolution, then the filter; else it halves: the filter, then the convolution.
    """

    def __init__(self, in_channels: int, out_channels: int, up: bool) -> None:
        super().__init__()
        self.up = up
        self.conv: nn.Module = nn.Identity()
        if in_channels != out_channels:
            self.conv = _conv1(in_channels, out_channels)

    def forward(self, x: Tensor) -> Tensor:
        """(B, in_channels, H, W) to (B, out_channels, H', W')."""
        out: Tensor = upsample(self.conv(x)) if self.up else self.conv(downsample(x))
        return out


class Generator(nn.Module):
    """z -> a learned base grid (4x4), scaled channel by channel -> ... -> resolution -> colours; no activation at the end.

    Args:
        resolution: from 8 to 1024, see `seesaw.functional.resolution`. channels: of the images.
        z_dim: of the latents.
        base, max_width: channels, see `widths_of`.
        group_size: see `Block`; 16, and 32 in the paper's ImageNet nets.
        classes: number of classes.
        embedding: numbers of a class that stand beside the latent, a learned embedding; 0: one-hot.
    """

    def __init__(
        self,
        resolution: Resolution,
        channels: int,
        z_dim: int = 64,
        base: int = 12288,
        max_width: int = 768,
        group_size: int = 16,
        classes: int = 0,
        embedding: int = 64,
    ) -> None:
        super().__init__()
        scales = scales_of(resolution)
        check_positive(channels=channels, z_dim=z_dim, base=base, max_width=max_width, group_size=group_size)
        self.z_dim, self.classes = z_dim, classes
        self.latent = ClassLatent(z_dim, classes, "concat", embedding if classes else 0)
        if self.latent.embedding is not None:
            nn.init.normal_(self.latent.embedding.weight, 0.0, 1 / math.sqrt(classes))  # fan-in of a one-hot class
        sizes = widths_of(scales, base, max_width)
        self.grid = nn.Parameter(torch.randn(sizes[0], *scales.base))
        self.linear = nn.Linear(self.latent.out, sizes[0], bias=False)
        scaled_normal_(self.linear.weight)
        self.stages = _stages(sizes, group_size, up=True)
        self.to_rgb = _conv1(sizes[-1], channels)

    def forward(self, z: Tensor, y: Tensor | None = None) -> Fake:
        """Latents (B, z_dim) and labels (B,) to images (B, C, H, W), about -1 to 1, not bounded."""
        x = self.grid * self.linear(self.latent(z, y))[:, :, None, None]
        return Fake([self.to_rgb(self.stages(x))])


class Discriminator(nn.Module):
    """resolution -> ... -> base grid (4x4) -> a depthwise convolution as large as the grid -> a logit.

    With labels under `projection` the logit is <A phi, e_y>, phi the last features and A a square matrix: there is no logit
    without a class beside it.

    Args:
        resolution: from 8 to 1024, see `seesaw.functional.resolution`. channels: of the images.
        base, max_width, group_size: see `Generator`.
        pack: images judged together, stacked along the channels (balance=pac).
        classes, condition: how it takes labels; see `ClassHead`.
    """

    def __init__(
        self,
        resolution: Resolution,
        channels: int,
        base: int = 12288,
        max_width: int = 768,
        group_size: int = 16,
        pack: int = 1,
        classes: int = 0,
        condition: Condition = "projection",
    ) -> None:
        super().__init__()
        scales = scales_of(resolution)
        check_positive(channels=channels, base=base, max_width=max_width, group_size=group_size, pack=pack)
        sizes = widths_of(scales, base, max_width)[::-1]
        width = sizes[-1]
        self.from_rgb = _conv1(channels * pack, sizes[0])
        self.stages = _stages(sizes, group_size, up=False)
        self.pool = nn.Parameter(torch.empty(width, *scales.base))
        scaled_normal_(self.pool)
        self.classes, self.head = classes, ClassHead(partial(nn.Linear, width), classes, condition, pack)
        self.by_class = classes > 0 and condition == "projection"
        self.linear = nn.Linear(width, width if self.by_class else 1, bias=False)
        scaled_normal_(self.linear.weight)
        if self.head.embedding is not None:
            nn.init.normal_(self.head.embedding.weight, 0.0, 1 / math.sqrt(width * classes))  # type: ignore[arg-type]

    def forward(self, images: Pyramid, y: Tensor | None = None) -> Tensor | Logits:
        """The finest images (B, C, H, W) and labels (B,) to logits (B,)."""
        x = self.stages(self.from_rgb(images[-1]))
        phi = (x * self.pool).sum((2, 3))  # a depthwise convolution without padding, of one place
        last = self.linear(phi)
        return self.head(*((last.new_zeros(len(last)), last) if self.by_class else (last.squeeze(1), phi)), y)

    def layers_from_image(self) -> list[Layer]:
        """For `model.freeze_d`: what takes the image, each residual block and change of width, then the end."""
        parts = [self.from_rgb, *self.stages]
        return [*(layer for part in parts for layer in joined(layers_of(part))), [self.pool], *layers_of(self.linear)]


def _stages(sizes: list[int], group_size: int, up: bool) -> nn.Sequential:
    """The blocks of each size in their order, with what doubles or halves the resolution between two sizes."""
    blocks = BLOCKS * len(sizes)
    layers: list[nn.Module] = [Block(sizes[0], group_size, blocks) for _ in range(BLOCKS)]
    for before, after in itertools.pairwise(sizes):
        layers.append(Resample(before, after, up))
        layers += [Block(after, group_size, blocks) for _ in range(BLOCKS)]
    return nn.Sequential(*layers)


def _conv1(in_channels: int, out_channels: int) -> Conv2d:
    conv = Conv2d(in_channels, out_channels, 1, bias=False)
    scaled_normal_(conv.weight)
    return conv
