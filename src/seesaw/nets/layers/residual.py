"""Residual blocks of SNGAN (Miyato et al. 2018, appendix B.4), which BigGAN keeps (Brock et al. 2019, appendix B)."""

import itertools
from collections.abc import Callable

import torch.nn.functional as F
from torch import Tensor, nn

from seesaw.functional.resolution import Resolution, size_of
from seesaw.nets.layers.convolution import Conv2d
from seesaw.nets.layers.labels import ConditionalBatchNorm2d, of_model

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


def down_blocks(sizes: list[int], halvings: int, hidden_of_output: bool) -> nn.Sequential:
    """A discriminator's blocks, the image's first.

    Args:
        sizes: channels of the image and of each block's output.
        halvings: how many blocks, from the image on, halve the size.
        hidden_of_output: whether the hidden width is that of a block's output, or of its input; the image's has its output's.
    """
    return nn.Sequential(
        *(
            DownBlock(before, after, after if hidden_of_output or k == 0 else before, k < halvings, k == 0)
            for k, (before, after) in enumerate(itertools.pairwise(sizes))
        )
    )


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
