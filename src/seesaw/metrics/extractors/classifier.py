"""The small classifier whose features stand in for Inception's on the small grey sets."""

from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

RESOLUTION = 32
RESIZE = "channel mean, bilinear antialiased to 32 px, [-1, 1]"


def to_input(images: Tensor) -> Tensor:
    """uint8 (B, C, H, W) of any size and channels to the classifier's input: float32 (B, 1, 32, 32) in [-1, 1].

    Channels are averaged, other sizes come by bilinear resampling (align_corners=False, antialiased where it shrinks).
    """
    x = images.to(torch.float32).mean(dim=1, keepdim=True) / 127.5 - 1
    if x.shape[-2:] != (RESOLUTION, RESOLUTION):
        size = (RESOLUTION, RESOLUTION)
        x = F.interpolate(x, size=size, mode="bilinear", align_corners=False, antialias=True)
    return x


class _Half(nn.MaxPool2d):
    """Half the height and the width by the largest of 2x2. Without training as two maxima of views: the same numbers, in a
    seventh of the time on a CPU. In training ties are resolved as torch does."""

    def __init__(self) -> None:
        super().__init__(2)

    def forward(self, x: Tensor) -> Tensor:
        if self.training:
            return super().forward(x)
        rows = torch.maximum(x[..., ::2, :], x[..., 1::2, :])
        return torch.maximum(rows[..., ::2], rows[..., 1::2])


def _block(inputs: int, outputs: int) -> nn.Sequential:
    """Convolution, batch norm, ReLU, and half the size."""
    conv = nn.Conv2d(inputs, outputs, 3, padding=1, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(outputs), nn.ReLU(inplace=True), _Half())


def _summary(x: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation of each channel over the image, (B, C) each; torch's own take ten times as long on a CPU."""
    mean = x.mean((2, 3), keepdim=True)
    deviation = torch.linalg.vector_norm(x - mean, dim=(2, 3)) / (x[0, 0].numel() - 1) ** 0.5
    return mean.flatten(1), deviation


class SmallClassifier(nn.Module):
    """Classes from float (B, 1, 32, 32) in [-1, 1]; about 70,000 weights.

    The features keep the place of what they see (no global pooling), and their batch norm gives each the same weight
    in a distance: measured on the digits, a missing class then lies 5.6 times farther than one half of the reals from
    the other, 3.3 times without.

    Args:
        classes: number of classes.
    """

    dim = 64
    look_dim = 2 * (16 + 32)
    maps_dim = 48 * 4 * 4 + look_dim + 32 * 4 * 4

    def __init__(self, classes: int = 10) -> None:
        super().__init__()
        self.body = nn.Sequential(_block(1, 16), _block(16, 32), _block(32, 48), nn.Flatten())
        self.hidden = nn.Sequential(nn.Linear(48 * 4 * 4, self.dim, bias=False), nn.BatchNorm1d(self.dim))
        self.head = nn.Linear(self.dim, classes)

    def features(self, x: Tensor) -> Tensor:
        """(B, 1, 32, 32) in [-1, 1] to (B, 64), not negative: the layer before the logits, after its ReLU."""
        return self._deep(self._layers(x)[-1])

    def look(self, x: Tensor) -> Tensor:
        """(B, 1, 32, 32) in [-1, 1] to (B, 96): over the image, the means of the channels of the first two layers after
        their ReLU, then their standard deviations."""
        return self._look(self._layers(x))

    def features_and_look(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Both, in little more than the time of one: they share the first two layers."""
        layers = self._layers(x)
        return self._deep(layers[-1]), self._look(layers)

    def features_look_and_maps(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Both, and what a detector of outliers asks, (B, 1376): the third layer at 4x4, the look, and the second layer's
        means over 4x4 px."""
        layers = self._layers(x)
        look = self._look(layers)
        maps = torch.cat([layers[-1].flatten(1), look, F.avg_pool2d(layers[1], 4).flatten(1)], 1)
        return self._deep(layers[-1]), look, maps

    def _layers(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The first two layers after their ReLU, and the third at half its size."""
        one, two, three = (cast(nn.Sequential, block) for block in list(self.body)[:3])
        first = one[:-1](x)
        second = two[:-1](one[-1](first))
        return first, second, three(two[-1](second))

    def _deep(self, third: Tensor) -> Tensor:
        return self.hidden(third.flatten(1)).relu()

    @staticmethod
    def _look(layers: tuple[Tensor, Tensor, Tensor]) -> Tensor:
        means, deviations = zip(*map(_summary, layers[:2]), strict=True)
        return torch.cat([*means, *deviations], 1)

    def forward(self, x: Tensor) -> Tensor:
        """(B, 1, 32, 32) in [-1, 1] to logits (B, classes)."""
        return self.head(self.features(x))
