"""SNGAN's residual networks (Miyato et al. 2018, appendix B.4): BatchNorm in G, spectral normalisation in D.

At 32 px G is 256 channels wide and D 128 (tables 4a and 4b), at 64 px G has 1024 channels at 4 px and 64 at 64 px, D 64 in its
first block and 1024 in its last (the ImageNet net's rule, one scale less). Labels are those of Miyato and Koyama 2018.
"""

import itertools
from functools import partial

import torch
from torch import Tensor, nn

from seesaw.functional.resolution import Resolution, scales_of
from seesaw.functional.spectral import normalise
from seesaw.nets.layers import check_positive
from seesaw.nets.layers.depth import Layer, joined, layers_of
from seesaw.nets.layers.labels import ClassHead, Condition, ConditionalBatchNorm2d
from seesaw.nets.layers.residual import UpBlock, check_halvings, down_blocks, normed
from seesaw.types import Fake, Logits, Pyramid

SIDES = (8, 256)
"""Pixels of the images' sides, the least and the most."""


def glorot_init(net: nn.Module) -> None:
    """Uniform after Glorot and Bengio 2010, times sqrt(2) in the two 3x3 convolutions of each block; biases 0.

    Facts of the authors' code: shortcuts, linear layers, the class projection and G's last convolution have gain 1.
    """
    for name, module in net.named_modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            nn.init.xavier_uniform_(module.weight, 2**0.5 if name.endswith(("conv1", "conv2")) else 1.0)
            if module.bias is not None:
                nn.init.zeros_(module.bias)


class Generator(nn.Module):
    """z -> base grid (4x4) -> ... -> resolution: a residual block a doubling, then BatchNorm, ReLU, conv 3x3, tanh.

    Args:
        resolution: from 8 to 256, see `seesaw.functional.resolution`. channels: of the images.
        z_dim: of the latents.
        width: channels at the image's resolution; twice as many a halving, up to `max_width`.
        max_width: see `width`; with the same number all blocks have one width, as at 32 px.
        classes: number of classes; above 0 each block's BatchNorms are conditional, see `ConditionalBatchNorm2d`.
    """

    def __init__(
        self,
        resolution: Resolution,
        channels: int,
        z_dim: int = 128,
        width: int = 256,
        max_width: int = 256,
        classes: int = 0,
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
        glorot_init(self)

    def forward(self, z: Tensor, y: Tensor | None = None) -> Fake:
        """Latents (B, z_dim) and labels (B,) to images (B, C, H, W) in (-1, 1)."""
        x = self.linear(z).unflatten(1, self.shape)
        for block in self.blocks:
            x = block(x, y)
        return Fake([torch.tanh(self.to_rgb(normed(self.norm, x, y).relu()))])


class Discriminator(nn.Module):
    """Residual blocks, ReLU, the sum over pixels, a linear layer; every weight divided by its largest singular value.

    The hidden width of a block is that of its input, but of the first one, which takes the image.

    Args:
        resolution: from 8 to 256, see `seesaw.functional.resolution`. channels: of the images.
        width: channels of the first block; twice as many each further block, up to `max_width`.
        max_width: see `width`; with the same number all blocks have one width, as at 32 px.
        halvings: blocks, from the image on, that halve the size: 2 at 32 px, 5 at 64.
        flat: blocks after them that keep it: 2 at 32 px, 0 at 64.
        pack: images judged together, stacked along the channels (balance=pac).
        classes, condition: how it takes labels; see `ClassHead`.
    """

    def __init__(
        self,
        resolution: Resolution,
        channels: int,
        width: int = 128,
        max_width: int = 128,
        halvings: int = 2,
        flat: int = 2,
        pack: int = 1,
        classes: int = 0,
        condition: Condition = "projection",
    ) -> None:
        super().__init__()
        scales_of(resolution, *SIDES)
        check_positive(channels=channels, width=width, max_width=max_width, pack=pack)
        check_halvings(resolution, halvings)
        if flat < 0:
            raise ValueError(f"flat is {flat}; it must be at least 0")
        sizes = [min(width << k, max_width) for k in range(halvings + flat)]
        self.blocks = down_blocks([channels * pack, *sizes], halvings, hidden_of_output=False)
        self.linear = nn.Linear(sizes[-1], 1)
        self.classes, self.head = classes, ClassHead(partial(nn.Linear, sizes[-1]), classes, condition, pack)
        glorot_init(self)
        normalise(self)

    def forward(self, images: Pyramid, y: Tensor | None = None) -> Tensor | Logits:
        """The finest images (B, C, H, W) and labels (B,) to logits (B,)."""
        phi = self.blocks(images[-1]).relu().sum((2, 3))
        return self.head(self.linear(phi).squeeze(1), phi, y)

    def layers_from_image(self) -> list[Layer]:
        """For `model.freeze_d`: each residual block, then the linear layer."""
        return [*(joined(layers_of(block))[0] for block in self.blocks), *layers_of(self.linear)]
