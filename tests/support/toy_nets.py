"""Toy networks of every shape: plain, growing, multi-scale, style-based, with labels."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from seesaw.gan.growth import Staged
from seesaw.types import Fake, Pyramid

C = 6


def conv(before: int, after: int) -> nn.Conv2d:
    return nn.Conv2d(before, after, 3, padding=1)


class PlainG(nn.Module):
    z_dim = 5

    def __init__(self, norm: bool = False) -> None:
        super().__init__()
        self.start = nn.Linear(5, C * 16)
        self.norm = nn.BatchNorm2d(C) if norm else nn.Identity()
        self.conv = conv(C, 1)

    def forward(self, z: Tensor, y: Tensor | None = None) -> Fake:
        h = self.norm(self.start(z).unflatten(1, (C, 4, 4)))
        return Fake([self.conv(F.leaky_relu(F.interpolate(h, scale_factor=2)))])


class PlainD(nn.Module):
    def __init__(self, dropout: float = 0.0) -> None:
        super().__init__()
        self.conv, self.end, self.dropout = conv(1, C), nn.Linear(C * 64, 1), nn.Dropout(dropout)

    def forward(self, images: Pyramid, y: Tensor | None = None) -> Tensor:
        return self.end(self.dropout(F.leaky_relu(self.conv(images[-1])).flatten(1))).squeeze(1)


class GrowingG(Staged):
    """4 px at depth 0, 8 px at depth 1."""

    z_dim = 5

    def __init__(self) -> None:
        super().__init__()
        self.start, self.block = nn.Linear(5, C * 16), conv(C, C)
        self.rgb = nn.ModuleList([conv(C, 1), conv(C, 1)])

    def forward(self, z: Tensor, y: Tensor | None = None) -> Fake:
        h = F.leaky_relu(self.start(z).unflatten(1, (C, 4, 4)))
        if self.depth == 0:
            return Fake([self.rgb[0](h)])
        low = F.interpolate(self.rgb[0](h), scale_factor=2)
        high = self.rgb[1](F.leaky_relu(self.block(F.interpolate(h, scale_factor=2))))
        return Fake([torch.lerp(low, high, self.alpha)])


class GrowingD(Staged):
    def __init__(self) -> None:
        super().__init__()
        self.rgb, self.block, self.end = nn.ModuleList([conv(1, C), conv(1, C)]), conv(C, C), nn.Linear(C * 16, 1)

    def forward(self, images: Pyramid, y: Tensor | None = None) -> Tensor:
        x = images[-1]
        if self.depth == 0:
            h = self.rgb[0](x)
        else:
            high = F.avg_pool2d(self.block(F.leaky_relu(self.rgb[1](x))), 2)
            h = torch.lerp(self.rgb[0](F.avg_pool2d(x, 2)), high, self.alpha)
        return self.end(F.leaky_relu(h).flatten(1)).squeeze(1)


class ScalesG(nn.Module):
    z_dim = 5

    def __init__(self) -> None:
        super().__init__()
        self.start, self.block, self.rgb = nn.Linear(5, C * 16), conv(C, C), nn.ModuleList([conv(C, 1), conv(C, 1)])

    def forward(self, z: Tensor, y: Tensor | None = None) -> Fake:
        h = F.leaky_relu(self.start(z).unflatten(1, (C, 4, 4)))
        return Fake([self.rgb[0](h), self.rgb[1](F.leaky_relu(self.block(F.interpolate(h, scale_factor=2))))])


class ScalesD(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.rgb, self.end = nn.ModuleList([conv(1, C), conv(1, C)]), nn.Linear(2 * C * 16, 1)

    def forward(self, images: Pyramid, y: Tensor | None = None) -> Tensor:
        coarse, fine = (F.leaky_relu(layer(x)) for layer, x in zip(self.rgb, images, strict=True))
        return self.end(torch.cat([coarse, F.avg_pool2d(fine, 2)], 1).flatten(1)).squeeze(1)


class StyleG(nn.Module):
    z_dim = 5

    def __init__(self) -> None:
        super().__init__()
        self.mapping, self.const, self.affine = nn.Linear(5, 7), nn.Parameter(torch.randn(1, C, 8, 8)), nn.Linear(7, C)
        self.rgb = conv(C, 1)

    def forward(self, z: Tensor, y: Tensor | None = None) -> Fake:
        w = F.leaky_relu(self.mapping(z))
        return Fake([self.rgb(torch.tanh(self.const * (1 + self.affine(w))[:, :, None, None]))], w)


class LabelledG(nn.Module):
    """A class embedding beside z, and BatchNorm, whose statistics depend on the labels."""

    z_dim, classes = 5, 3

    def __init__(self) -> None:
        super().__init__()
        self.embedding, self.start = nn.Embedding(3, 4), nn.Linear(5 + 4, C * 16)
        self.norm, self.conv = nn.BatchNorm2d(C), conv(C, 1)

    def forward(self, z: Tensor, y: Tensor | None = None) -> Fake:
        assert y is not None
        h = self.norm(self.start(torch.cat([z, self.embedding(y)], 1)).unflatten(1, (C, 4, 4)))
        return Fake([self.conv(F.leaky_relu(F.interpolate(h, scale_factor=2)))])


class LabelledD(nn.Module):
    """A projection discriminator (Miyato and Koyama 2018): psi(h) + <embedding(y), h>, summed over the labels of a pack."""

    def __init__(self, pack: int = 1) -> None:
        super().__init__()
        self.conv, self.end, self.embedding = conv(pack, C), nn.Linear(C, 1), nn.Embedding(3, C)

    def forward(self, images: Pyramid, y: Tensor | None = None) -> Tensor:
        assert y is not None
        h = F.leaky_relu(self.conv(images[-1])).mean((2, 3))
        of_class = self.embedding(y.reshape(len(h), -1)).sum(1)
        return self.end(h).squeeze(1) + (of_class * h).sum(1)
