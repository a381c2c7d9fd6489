"""SNGAN's residual networks (Miyato et al. 2018, appendix B.4): BatchNorm in G, spectral normalisation in D.

At 32 px G is 256 channels wide and D 128 (tables 4a and 4b), at 64 px G has 1024 channels at 4 px and 64 at 64 px, D 64 in its
first block and 1024 in its last (the ImageNet net's rule, one scale less). Labels are those of Miyato and Koyama 2018.
"""

from torch import nn

from seesaw.functional.resolution import Resolution
from seesaw.functional.spectral import normalise
from seesaw.nets.layers.labels import Condition
from seesaw.nets.layers.residual import ResidualDiscriminator, ResidualGenerator


def glorot_init(net: nn.Module) -> None:
    """Uniform after Glorot and Bengio 2010, times sqrt(2) in the two 3x3 convolutions of each block; biases 0.

    Facts of the authors' code: shortcuts, linear layers, the class projection and G's last convolution have gain 1.
    """
    for name, module in net.named_modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            nn.init.xavier_uniform_(module.weight, 2**0.5 if name.endswith(("conv1", "conv2")) else 1.0)
            if module.bias is not None:
                nn.init.zeros_(module.bias)


class Generator(ResidualGenerator):
    """See `ResidualGenerator`; 256 channels in all blocks at 32 px."""

    def __init__(
        self,
        resolution: Resolution,
        channels: int,
        z_dim: int = 128,
        width: int = 256,
        max_width: int = 256,
        classes: int = 0,
    ) -> None:
        super().__init__(resolution, channels, z_dim, width, max_width, classes)
        glorot_init(self)


class Discriminator(ResidualDiscriminator):
    """See `ResidualDiscriminator`; every weight is divided by its largest singular value. The hidden width of a block is that of
    its input, but of the first one, which takes the image. At 32 px two blocks halve the size and two keep it; at 64 five
    halve it."""

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
        super().__init__(resolution, channels, width, max_width, halvings, flat, False, pack, classes, condition)
        glorot_init(self)
        normalise(self)
