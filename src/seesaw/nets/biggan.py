"""BigGAN in its CIFAR-10 form (Brock et al. 2019, appendix C.2): SNGAN's blocks, spectral normalisation in both players.

Of the large form it has neither self-attention nor hierarchical latents nor a shared class embedding, as the authors' PyTorch
code trains it on CIFAR-10: 256 channels in every block of both players.
"""

from torch import nn

from seesaw.functional.resolution import Resolution
from seesaw.functional.spectral import normalise
from seesaw.nets.layers import normal_init
from seesaw.nets.layers.labels import Condition, ConditionalBatchNorm2d
from seesaw.nets.layers.residual import ResidualDiscriminator, ResidualGenerator


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


class Generator(ResidualGenerator):
    """See `ResidualGenerator`. `width` is that of every block; 4 x 64 in the authors' code. Spectral normalisation divides every
    convolution and the linear layer; class embeddings stay free."""

    def __init__(
        self, resolution: Resolution, channels: int, z_dim: int = 128, width: int = 256, classes: int = 0
    ) -> None:
        super().__init__(resolution, channels, z_dim, width, width, classes)
        biggan_init(self)
        normalise(self)


class Discriminator(ResidualDiscriminator):
    """See `ResidualDiscriminator`. `width` is that of every block; 4 x 64 in the authors' code. The hidden width of a block is
    that of its output; every weight is divided by its largest singular value."""

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
        super().__init__(resolution, channels, width, width, halvings, flat, True, pack, classes, condition)
        biggan_init(self)
        normalise(self)
