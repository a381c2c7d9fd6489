"""Residual networks of SNGAN (Miyato et al. 2018, appendix B.4), which BigGAN keeps (Brock et al. 2019, appendix B)."""

import itertools
from collections.abc import Callable, Sequence
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from seesaw.functional.resolution import Resolution, scales_of, size_of
from seesaw.nets.layers import check_positive
from seesaw.nets.layers.convolution import Conv2d
from seesaw.nets.layers.depth import Layer, joined, layers_of
from seesaw.nets.layers.labels import ClassHead, Condition, ConditionalBatchNorm2d, of_model
from seesaw.types import Fake, Logits, Pyramid

SIDES = (8, 256)
"""Pixels of the images' sides, the least and the most."""

Norm = Callable[[int], nn.Module]
"""Channels to a BatchNorm, conditional or not."""


class UpBlock(nn.Module):
    """BatchNorm, ReLU, nearest x2, conv 3x3, BatchNorm, ReLU, conv 3x3; beside it nearest x2, conv 1x1.

    Args:
        in_channels, out_channels: the hidden width is that of the output.
        norm: makes both BatchNorms.
    """

    def __init__(self, in_channels: int, out_channels: int, norm: Norm) -> None:
        super().__init__()
        self.norm1, self.norm2 = norm(in_channels), norm(out_channels)
        self.conv1 = nn.Conv2d(in_channels, out_channels, 3, padding=1)
        self.conv2 = nn.Conv2d(out_channels, out_channels, 3, padding=1)
        self.shortcut = nn.Conv2d(in_channels, out_channels, 1)

    def forward(self, x: Tensor, y: Tensor | None) -> Tensor:
        """(B, in_channels, H, W) and labels (B,) to (B, out_channels, 2H, 2W)."""
        h = F.interpolate(F.relu(normed(self.norm1, x, y)), scale_factor=2)
        h = self.conv2(F.relu(normed(self.norm2, self.conv1(h), y)))
        skipped: Tensor = F.interpolate(self.shortcut(x), scale_factor=2)  # a 1x1 convolution commutes with it
        return h + skipped


class DownBlock(nn.Module):
    """ReLU, conv 3x3, ReLU, conv 3x3, then the 2x2 average; beside it conv 1x1, then the average. No normalisation.

    No ReLU works in place, as in the SNGAN authors' code: where one does, the shortcut receives ReLU(x) in the place of x.

    Args:
        in_channels, out_channels: of the block; with equal widths and without halving the shortcut is the identity.
        hidden: channels between the two convolutions.
        halve: whether the size is halved.
        first: whether the block takes images: no ReLU before the first convolution, and the average before the 1x1 one.
    """

    def __init__(
        self, in_channels: int, out_channels: int, hidden: int, halve: bool = True, first: bool = False
    ) -> None:
        super().__init__()
        self.halve, self.first = halve, first
        self.conv1 = Conv2d(in_channels, hidden, 3, padding=1)
        self.conv2 = Conv2d(hidden, out_channels, 3, padding=1)
        same = in_channels == out_channels and not halve
        self.shortcut: nn.Module = nn.Identity() if same else Conv2d(in_channels, out_channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(B, in_channels, H, W) to (B, out_channels, H, W), halved or not."""
        h = self.conv2(F.relu(self.conv1(x if self.first else F.relu(x))))
        if not self.halve:
            return h + self.shortcut(x)
        # The average and a 1x1 convolution commute; the average first is the cheaper order of the two.
        return F.avg_pool2d(h, 2) + self.shortcut(F.avg_pool2d(x, 2))


class ResidualGenerator(nn.Module):
    """z -> base grid (4x4) -> ... -> resolution: a residual block a doubling, then BatchNorm, ReLU, conv 3x3, tanh.

    Args:
        resolution: from 8 to 256, see `seesaw.functional.resolution`. channels: of the images.
        z_dim: of the latents.
        width: channels at the image's resolution; twice as many a halving, up to `max_width`.
        max_width: see `width`; with the same number all blocks have one width.
        classes: number of classes; above 0 each block's BatchNorms are conditional, see `ConditionalBatchNorm2d`.
    """

    def __init__(
        self, resolution: Resolution, channels: int, z_dim: int, width: int, max_width: int, classes: int
    ) -> None:
        super().__init__()
        scales = scales_of(resolution, *SIDES)
        check_positive(channels=channels, z_dim=z_dim, width=width, max_width=max_width)
        self.z_dim, self.classes = z_dim, classes
        sizes = [min(width << k, max_width) for k in reversed(range(scales.doublings + 1))]
        norm = partial(ConditionalBatchNorm2d, classes) if classes else nn.BatchNorm2d
        self.shape = sizes[0], *scales.base
        self.linear = nn.Linear(z_dim, sizes[0] * scales.base.height * scales.base.width)
        self.blocks = nn.ModuleList(UpBlock(*pair, norm) for pair in itertools.pairwise(sizes))
        self.norm, self.to_rgb = nn.BatchNorm2d(sizes[-1]), nn.Conv2d(sizes[-1], channels, 3, padding=1)

    def forward(self, z: Tensor, y: Tensor | None = None) -> Fake:
        """Latents (B, z_dim) and labels (B,) to images (B, C, H, W) in (-1, 1)."""
        x = self.linear(z).unflatten(1, self.shape)
        for block in self.blocks:
            x = block(x, y)
        return Fake([torch.tanh(self.to_rgb(self.norm(x).relu()))])


class ResidualDiscriminator(nn.Module):
    """Residual blocks, ReLU, the sum over pixels, a linear layer.

    Args:
        resolution: from 8 to 256, see `seesaw.functional.resolution`. channels: of the images.
        width: channels of the first block; twice as many each further block, up to `max_width`.
        max_width: see `width`; with the same number all blocks have one width.
        halvings: blocks, from the image on, that halve the size.
        flat: blocks after them that keep it.
        hidden_of_output: whether the hidden width is that of a block's output, or of its input; the image's has its output's.
        pack: images judged together, stacked along the channels (balance=pac).
        classes, condition: how it takes labels; see `ClassHead`.
    """

    def __init__(
        self,
        resolution: Resolution,
        channels: int,
        width: int,
        max_width: int,
        halvings: int,
        flat: int,
        hidden_of_output: bool,
        pack: int,
        classes: int,
        condition: Condition,
    ) -> None:
        super().__init__()
        scales_of(resolution, *SIDES)
        check_positive(channels=channels, width=width, max_width=max_width, pack=pack)
        check_halvings(resolution, halvings)
        if flat < 0:
            raise ValueError(f"flat is {flat}; it must be at least 0")
        sizes = [channels * pack, *(min(width << k, max_width) for k in range(halvings + flat))]
        self.blocks = nn.Sequential(*down_blocks(sizes, halvings, hidden_of_output))
        self.linear = nn.Linear(sizes[-1], 1)
        self.classes, self.head = classes, ClassHead(partial(nn.Linear, sizes[-1]), classes, condition, pack)

    def forward(self, images: Pyramid, y: Tensor | None = None) -> Tensor | Logits:
        """The finest images (B, C, H, W) and labels (B,) to logits (B,)."""
        phi = self.blocks(images[-1]).relu().sum((2, 3))
        return self.head(self.linear(phi).squeeze(1), phi, y)

    def layers_from_image(self) -> list[Layer]:
        """For `model.freeze_d`: each residual block, then the linear layer."""
        return [*(joined(layers_of(block))[0] for block in self.blocks), *layers_of(self.linear)]


def down_blocks(sizes: Sequence[int], halvings: int, hidden_of_output: bool) -> list[DownBlock]:
    """A discriminator's blocks, the image's first; `sizes`: channels of the image and of each block's output."""
    return [
        DownBlock(before, after, after if hidden_of_output or k == 0 else before, k < halvings, k == 0)
        for k, (before, after) in enumerate(itertools.pairwise(sizes))
    ]


def normed(norm: nn.Module, x: Tensor, y: Tensor | None) -> Tensor:
    """What a BatchNorm gives; a conditional one also takes labels (B,)."""
    out: Tensor = norm(x, of_model(y)) if isinstance(norm, ConditionalBatchNorm2d) else norm(x)
    return out


def check_halvings(resolution: Resolution, halvings: int) -> None:
    """Raise ValueError unless both sides of the images can be halved so often."""
    size = size_of(resolution)
    most = min((side & -side).bit_length() - 1 for side in size)
    if not 1 <= halvings <= most:
        raise ValueError(f"halvings is {halvings}; images of {size.label} px take from 1 to {most}")
