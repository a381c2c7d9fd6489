"""Fully connected GAN: the first of them (Goodfellow et al. 2014), with the widths of today's common recipe."""

import math
from collections.abc import Sequence
from functools import partial

from torch import Tensor, nn

from seesaw.functional.resolution import Resolution, size_of
from seesaw.functional.spectral import normalise
from seesaw.nets.layers import check_positive
from seesaw.nets.layers.depth import Layer, layers_of
from seesaw.nets.layers.labels import ClassHead, ClassLatent, Condition, LatentCondition
from seesaw.types import Fake, Logits, Pyramid


class Generator(nn.Module):
    """z -> 128 -> 256 -> 512 -> 1024 -> C x H x W; leaky ReLU of slope 0.2, BatchNorm from the second hidden layer on; tanh.

    Args:
        resolution: H = W of the images, or `HxW`. channels: C.
        z_dim: of the standard normal latents.
        widths: of the hidden layers.
        batch_norm: whether the hidden layers from the second on are normalised.
        bounded: whether tanh ends it; None: for images, which are in [-1, 1], and not for points of the plane (resolution 1).
        classes, condition, embedding: how it takes labels; see `ClassLatent`.
    """

    def __init__(
        self,
        resolution: Resolution,
        channels: int,
        z_dim: int = 100,
        widths: Sequence[int] = (128, 256, 512, 1024),
        batch_norm: bool = True,
        bounded: bool | None = None,
        classes: int = 0,
        condition: LatentCondition = "concat",
        embedding: int = 0,
    ) -> None:
        super().__init__()
        check_positive(channels=channels, z_dim=z_dim, **{f"widths.{k}": w for k, w in enumerate(widths)})
        self.z_dim, self.shape, self.classes = z_dim, (channels, *size_of(resolution)), classes
        self.latent = ClassLatent(z_dim, classes, condition, embedding)
        layers: list[nn.Module] = []
        for k, (before, after) in enumerate(zip([self.latent.out, *widths], widths, strict=False)):
            layers.append(nn.Linear(before, after))
            if batch_norm and k > 0:
                layers.append(nn.BatchNorm1d(after))
            layers.append(nn.LeakyReLU(0.2))
        layers.append(nn.Linear(widths[-1], math.prod(self.shape)))
        if self.shape[1:] != (1, 1) if bounded is None else bounded:
            layers.append(nn.Tanh())
        self.layers = nn.Sequential(*layers)

    def forward(self, z: Tensor, y: Tensor | None = None) -> Fake:
        """Latents (B, z_dim) and labels (B,) to images (B, C, H, W)."""
        return Fake([self.layers(self.latent(z, y)).unflatten(1, self.shape)])


class Discriminator(nn.Module):
    """C x H x W -> 512 -> 256 -> 1, leaky ReLU of slope 0.2, no normalisation, a logit at the end.

    Args:
        resolution, channels: of the images.
        widths: of the hidden layers.
        dropout: after each hidden layer, in [0, 1).
        pack: images judged together, stacked along the channels (balance=pac).
        spectral_norm: every weight divided by its largest singular value (Miyato et al. 2018).
        classes, condition: how it takes labels; see `ClassHead`.
    """

    def __init__(
        self,
        resolution: Resolution,
        channels: int,
        widths: Sequence[int] = (512, 256),
        dropout: float = 0.0,
        pack: int = 1,
        spectral_norm: bool = False,
        classes: int = 0,
        condition: Condition = "projection",
    ) -> None:
        super().__init__()
        if not 0 <= dropout < 1:
            raise ValueError(f"dropout is {dropout}; it must be at least 0 and under 1")
        check_positive(channels=channels, pack=pack, **{f"widths.{k}": w for k, w in enumerate(widths)})
        layers: list[nn.Module] = []
        for before, after in zip([channels * pack * math.prod(size_of(resolution)), *widths], widths, strict=False):
            layers += [nn.Linear(before, after), nn.LeakyReLU(0.2)]
            if dropout:
                layers.append(nn.Dropout(dropout))
        self.layers = nn.Sequential(*layers, nn.Linear(widths[-1], 1))
        self.classes, self.head = classes, ClassHead(partial(nn.Linear, widths[-1]), classes, condition, pack)
        if spectral_norm:
            normalise(self)

    def forward(self, images: Pyramid, y: Tensor | None = None) -> Tensor | Logits:
        """The finest images (B, C, H, W) and labels (B,) to logits (B,)."""
        *hidden, last = self.layers
        phi = images[-1].flatten(1)
        for layer in hidden:
            phi = layer(phi)
        return self.head(last(phi).squeeze(1), phi, y)

    def layers_from_image(self) -> list[Layer]:
        """For `model.freeze_d`: each matrix."""
        return layers_of(self.layers)
