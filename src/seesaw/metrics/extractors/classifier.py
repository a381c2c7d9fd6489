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


def _block(inputs: int, outputs: int) -> nn.Sequential:
    """Convolution, batch norm, ReLU, and half the size."""
    conv = nn.Conv2d(inputs, outputs, 3, padding=1, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(outputs), nn.ReLU(), nn.MaxPool2d(2))


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

    def __init__(self, classes: int = 10) -> None:
        super().__init__()
        self.body = nn.Sequential(_block(1, 16), _block(16, 32), _block(32, 48), nn.Flatten())
        self.hidden = nn.Sequential(nn.Linear(48 * 4 * 4, self.dim, bias=False), nn.BatchNorm1d(self.dim))
        self.head = nn.Linear(self.dim, classes)

    def features(self, x: Tensor) -> Tensor:
        """(B, 1, 32, 32) in [-1, 1] to (B, 64), not negative: the layer before the logits, after its ReLU."""
        return self.hidden(self.body(x)).relu()

    def look(self, x: Tensor) -> Tensor:
        """(B, 1, 32, 32) in [-1, 1] to (B, 96): over the image, the means of the channels of the first two layers after
        their ReLU, then their standard deviations."""
        one, two = cast(nn.Sequential, self.body[0]), cast(nn.Sequential, self.body[1])
        shallow = one[:-1](x)
        seen = (shallow, two[:-1](one[-1](shallow)))
        return torch.cat([t.mean((2, 3)) for t in seen] + [t.std((2, 3)) for t in seen], 1)

    def forward(self, x: Tensor) -> Tensor:
        """(B, 1, 32, 32) in [-1, 1] to logits (B, classes)."""
        return self.head(self.features(x))
