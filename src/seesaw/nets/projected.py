"""The projected discriminator (Sauer et al. 2021, "Projected GANs Converge Faster", arXiv 2111.01007): a frozen network's
features, mixed at random across channels and scales, and a small discriminator at each of four scales.

    image, resized to `size` -> features at strides 4, 8, 16, 32
        -> cross-channel mixing: a random 1x1 convolution each, to 64, 128, 256, 512 channels (width 64)
        -> cross-scale mixing, coarse to fine: add, bilinear x2, a random 1x1 convolution
        -> features at strides 16, 8, 4, 2 -> a discriminator each -> all their logits side by side

With classes each discriminator has a `ClassHead` on the features of each patch that its last convolution sees: the class is
projected on each (Miyato and Koyama 2018, eq. 4), or the class logits of an image are the mean over patches and discriminators.
The paper has no labels; its authors' code projects too, otherwise.

Neither the frozen network nor the random convolutions are trained (section 3.2 of the paper).
"""

from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from seesaw.functional.resolution import Resolution, size_of
from seesaw.functional.spectral import normalise
from seesaw.nets.layers import check_positive
from seesaw.nets.layers.backbone import Backbone
from seesaw.nets.layers.frozen import frozen
from seesaw.nets.layers.labels import ClassHead, Condition
from seesaw.types import Logits, Pyramid

TAPS = ("block2", "block4", "block10", "block15")
"""Of EfficientNet-Lite0: its last layers at strides 4, 8, 16 and 32, where the authors' code taps it too."""

STRIDES = (4, 8, 16, 32)
MIXED = (1, 2, 4, 8)
"""Channels after cross-channel mixing, as multiples of the width."""

CHANNELS = {8: 8.0, 16: 4.0, 32: 2.0, 64: 1.0, 128: 1.0, 256: 0.5, 512: 0.25}
"""Those of a discriminator's features, by their side in pixels, rounded up to a power of two."""

LAST = 8
"""A discriminator halves its features until their sides are at most this."""


class Discriminator(nn.Module):
    """Images to the logits of four discriminators, (B, K), patch by patch.

    A loss is taken of each logit, and the mean over samples and logits is minimised, as in the authors' code. Images are given to
    the network in the range that it was trained with, as stylegan-xl does (Sauer et al. 2022); the code of projected GANs gave
    it [-1, 1]. Each discriminator is convolutions 4x4 of stride 2 with spectral normalisation, BatchNorm and leaky ReLU of slope
    0.2, and a last one without padding.

    Args:
        resolution: of the images. channels: 1 (shown three times) or 3.
        backbone: the frozen network, with the layers `TAPS`; its weights are in no checkpoint.
        size: the shorter side in pixels to which smaller images are enlarged, a multiple of 32; larger images stay as they are.
            224 in the paper; the time of a step grows with its square.
        width: channels of the finest scale, 64 in the paper: the discriminators take as long as the frozen network.
        classes, condition: how it takes labels; see the module and `ClassHead`.

    Raises:
        ValueError: the size, the number of channels or the condition is none that it takes.
    """

    def __init__(
        self,
        resolution: Resolution,
        channels: int,
        backbone: Backbone,
        size: int = 224,
        width: int = 64,
        classes: int = 0,
        condition: Condition = "projection",
    ) -> None:
        super().__init__()
        if size < 64 or size % 32:
            raise ValueError(f"size is {size}; it must be a multiple of 32 from 64 on")
        check_positive(width=width)
        if channels not in (1, 3):
            raise ValueError(f"channels is {channels}; a projected discriminator takes 1 or 3")
        backbone.check(TAPS)
        self.channels, self.classes = channels, classes
        shape = size_of(resolution)
        factor = max(size / min(shape), 1.0)
        self.seen = (round(shape.height * factor), round(shape.width * factor))
        self.network = frozen(backbone, saved=False)
        with torch.no_grad():
            widths = [x.shape[1] for x in self.tapped(torch.zeros(1, 3, 64, 64))]
        sizes = [multiple * width for multiple in MIXED]
        mixed = [nn.Conv2d(before, after, 1) for before, after in zip(widths, sizes, strict=True)]
        fused = [nn.Conv2d(before, after, 1) for before, after in zip(sizes, [sizes[0], *sizes], strict=False)]
        self.cross_channel = frozen(nn.ModuleList(mixed), saved=True)
        self.cross_scale = frozen(nn.ModuleList(fused), saved=True)
        sides = [-(-min(self.seen) // stride) * 2 for stride in STRIDES]
        heads = [head(layer.out_channels, side, width) for layer, side in zip(fused, sides, strict=True)]
        self.heads = nn.ModuleList(heads)
        normalise(self.heads)
        ends = [end for judge in heads for end in (judge[-1],) if isinstance(end, nn.Conv2d)]
        self.sides = [end.kernel_size[0] for end in ends]
        features = [end.in_channels * side**2 for end, side in zip(ends, self.sides, strict=True)]
        self.of_classes = nn.ModuleList(ClassHead(partial(nn.Linear, n), classes, condition) for n in features)
        normalise(self.of_classes)

    def train(self, mode: bool = True) -> "Discriminator":
        """The frozen parts stay in evaluation mode."""
        super().train(mode)
        for part in (self.network, self.cross_channel, self.cross_scale):
            part.eval()
        return self

    def tapped(self, images: Tensor) -> list[Tensor]:
        """The frozen network's features of images (B, 3, H, W), fine to coarse."""
        found = self.network(images, TAPS)
        return [found[name] for name in TAPS]

    def features(self, images: Tensor) -> list[Tensor]:
        """What the four discriminators see of images (B, C, H, W) in [-1, 1], fine to coarse."""
        if images.shape[1] != self.channels:
            raise ValueError(f"images have {images.shape[1]} channels, and {self.channels} were expected")
        if images.shape[-2:] != self.seen:
            images = F.interpolate(images, size=self.seen, mode="bilinear", align_corners=False)
        mixed = [
            layer(x) for layer, x in zip(self.cross_channel, self.tapped(images.expand(-1, 3, -1, -1)), strict=True)
        ]
        found: list[Tensor] = []
        x: Tensor | None = None
        for layer, own in zip(reversed(self.cross_scale), reversed(mixed), strict=True):
            x = own if x is None else own + x[..., : own.shape[-2], : own.shape[-1]]  # odd sides double to one too many
            x = layer(F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=True))
            found.append(x)
        return found[::-1]

    def forward(self, images: Pyramid, y: Tensor | None = None) -> Tensor | Logits:
        """The finest images (B, C, H, W), and with classes labels (B,), to logits (B, K), or to `Logits`."""
        features = self.features(images[-1])
        if not self.classes:
            return torch.cat([judge(x).flatten(1) for judge, x in zip(self.heads, features, strict=True)], 1)
        found, by_class = [], []
        for judge, classify, x, side in zip(self.heads, self.of_classes, features, self.sides, strict=True):
            *layers, last = judge.children()
            for layer in layers:
                x = layer(x)
            patches = F.unfold(x, side).movedim(1, 2)  # (B, patches, features)
            labels = None if y is None else y.repeat_interleave(patches.shape[1])
            judged = classify(last(x).flatten(), patches.flatten(0, 1), labels)
            if isinstance(judged, Logits) and judged.classes is not None:
                by_class.append(judged.classes.unflatten(0, patches.shape[:2]))
            logits = judged.adversarial if isinstance(judged, Logits) else judged
            found.append(logits.unflatten(0, patches.shape[:2]))
        whole = torch.cat(found, 1)
        return Logits(whole, torch.cat(by_class, 1).mean(1)) if by_class else whole


def head(channels: int, side: int, width: int) -> nn.Sequential:
    """A discriminator of features (B, channels, side, side); `width` as of the whole."""
    layers: list[nn.Module] = []
    while side > LAST:
        side //= 2
        after = max(int(width * CHANNELS[max(LAST, 1 << (side - 1).bit_length())]), 1)
        layers += [
            nn.Conv2d(channels, after, 4, 2, 1, bias=False),
            nn.BatchNorm2d(after),
            nn.LeakyReLU(0.2, inplace=True),
        ]
        channels = after
    return nn.Sequential(*layers, nn.Conv2d(channels, 1, min(4, side), bias=False))
