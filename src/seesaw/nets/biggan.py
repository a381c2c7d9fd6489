"""BigGAN in its CIFAR-10 form (Brock et al. 2019, appendix C.2): SNGAN's blocks, spectral normalisation in both players.

Of the large form it has neither self-attention nor hierarchical latents nor a shared class embedding, as the authors' PyTorch
code trains it on CIFAR-10: 256 channels in every block of both players.
"""

from functools import partial

import torch
from torch import Tensor, nn

from seesaw.functional.resolution import Resolution, scales_of
from seesaw.functional.spectral import normalise
from seesaw.nets.layers import check_positive, normal_init
from seesaw.nets.layers.depth import Layer, joined, layers_of
from seesaw.nets.layers.labels import ClassHead, Condition, ConditionalBatchNorm2d
from seesaw.nets.layers.residual import UpBlock, check_halvings, down_blocks, normed
from seesaw.types import Fake, Logits, Pyramid

SIDES = (8, 256)
"""Pixels of the images' sides, the least and the most."""


def biggan_init(net: nn.Module) -> None:
    """Weights N(0, 0.02), also of class embeddings, a conditional BatchNorm's gain being 1 + its embedding; biases 0, and scales
    of plain BatchNorms 1."""
    normal_init(net)
    for module in net.modules():
        if isinstance(module, ConditionalBatchNorm2d):
            nn.init.normal_(module.gain.weight, 1.0, 0.02)
            nn.init.normal_(module.bias.weight, 0.0, 0.02)
        elif isinstance(module, nn.BatchNorm2d) and module.affine:
            nn.init.ones_(module.weight)


class Generator(nn.Module):
    """z -> base grid (4x4) -> ... -> resolution: a residual block a doubling, then BatchNorm, ReLU, conv 3x3, tanh.

    Spectral normalisation divides every convolution and the linear layer; class embeddings stay free.

    Args:
        resolution: from 8 to 256, see `seesaw.functional.resolution`. channels: of the images.
        z_dim: of the latents.
        width: channels of every block; 4 x 64 in the authors' code.
        classes: number of classes; above 0 each block's BatchNorms are conditional, see `ConditionalBatchNorm2d`.
    """

    def __init__(
        self, resolution: Resolution, channels: int, z_dim: int = 128, width: int = 256, classes: int = 0
    ) -> None:
        super().__init__()
        scales = scales_of(resolution, *SIDES)
        check_positive(channels=channels, z_dim=z_dim, width=width)
        self.z_dim, self.classes, self.shape = z_dim, classes, (width, *scales.base)
        norm = partial(ConditionalBatchNorm2d, classes) if classes else nn.BatchNorm2d
        self.linear = nn.Linear(z_dim, width * scales.base.height * scales.base.width)
        self.blocks = nn.ModuleList(UpBlock(width, width, norm) for _ in range(scales.doublings))
        self.norm, self.to_rgb = nn.BatchNorm2d(width), nn.Conv2d(width, channels, 3, padding=1)
        biggan_init(self)
        normalise(self)

    def forward(self, z: Tensor, y: Tensor | None = None) -> Fake:
        """Latents (B, z_dim) and labels (B,) to images (B, C, H, W) in (-1, 1)."""
        x = self.linear(z).unflatten(1, self.shape)
        for block in self.blocks:
            x = block(x, y)
        return Fake([torch.tanh(self.to_rgb(normed(self.norm, x, y).relu()))])


class Discriminator(nn.Module):
    """Residual blocks whose hidden width is that of their output, ReLU, the sum over pixels, a linear layer; every weight divided
    by its largest singular value.

    Args:
        resolution: from 8 to 256, see `seesaw.functional.resolution`. channels: of the images.
        width: channels of every block; 4 x 64 in the authors' code.
        halvings: blocks, from the image on, that halve the size. flat: blocks after them that keep it.
        pack: images judged together, stacked along the channels (balance=pac).
        classes, condition: how it takes labels; see `ClassHead`.
    """

    def __init__(
        self,
        resolution: Resolution,
        channels: int,
        width: int = 256,
        halvings: int = 2,
        flat: int = 2,
        pack: int = 1,
        classes: int = 0,
        condition: Condition = "projection",
    ) -> None:
        super().__init__()
        scales_of(resolution, *SIDES)
        check_positive(channels=channels, width=width, pack=pack)
        check_halvings(resolution, halvings)
        if flat < 0:
            raise ValueError(f"flat is {flat}; it must be at least 0")
        self.blocks = down_blocks([channels * pack, *[width] * (halvings + flat)], halvings, hidden_of_output=True)
        self.linear = nn.Linear(width, 1)
        self.classes, self.head = classes, ClassHead(partial(nn.Linear, width), classes, condition, pack)
        biggan_init(self)
        normalise(self)

    def forward(self, images: Pyramid, y: Tensor | None = None) -> Tensor | Logits:
        """The finest images (B, C, H, W) and labels (B,) to logits (B,)."""
        phi = self.blocks(images[-1]).relu().sum((2, 3))
        return self.head(self.linear(phi).squeeze(1), phi, y)

    def layers_from_image(self) -> list[Layer]:
        """For `model.freeze_d`: each residual block, then the linear layer."""
        return [*(joined(layers_of(block))[0] for block in self.blocks), *layers_of(self.linear)]
