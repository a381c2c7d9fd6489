"""StyleGAN2 (Karras et al. 2020, "Analyzing and improving the image quality of StyleGAN"): configuration F, and what its authors'
later code (Karras et al. 2020, "Training GANs with limited data", called ADA below) trains on small images and few.

G maps z to w, which modulates every convolution, and adds up the colours of all scales; D is residual. Both begin and end at the
base grid of an image (`seesaw.functional.resolution`), 4x4 for a square of a power of two. Channels at 2^r px are
min(base / 2^(r-1), max_width), so `base` 16384 is the paper's, and 8192 has half as many above 32 px.
"""

import itertools
import math
from functools import partial
from typing import get_args

import torch
from torch import Tensor, nn

from seesaw.functional.resolution import Resolution, scales_of
from seesaw.functional.truncation import Truncated
from seesaw.nets.layers import check_positive
from seesaw.nets.layers.depth import Layer, layers_of
from seesaw.nets.layers.equalized import EqualConv2d, EqualLinear, MinibatchStddev, widths_of
from seesaw.nets.layers.labels import ClassHead, Condition, check_condition
from seesaw.nets.layers.resample import blur, downsample, upsample
from seesaw.nets.layers.style import LReLUConv2d, LReLULinear, Mapping, StyledConv, ToRGB
from seesaw.types import Fake, Logits, Pyramid


class Generator(Truncated):
    """z -> w -> an image. At each scale two modulated convolutions, at the base grid one, and a layer to colours, to which those
    of the coarser scale are added, upsampled.

    A layer to colours has the w of the next scale's first convolution: 2 log2(R) - 2 of them at R px. In training, with
    probability `mixing`, the w from one layer on, drawn evenly, are those of other latents (style mixing: Karras et al. 2019,
    section 3.1); one draw serves the batch, as in the paper's code. The running mean of w moves in each training forward pass,
    whichever player's step and whatever the size of the micro-batch.

    Args:
        resolution: from 8 to 1024, see `seesaw.functional.resolution`. channels: of the images.
        z_dim, w_dim: of the latents and the intermediate latents.
        mapping: layers from z to w, 8 in the paper.
        base, max_width: channels, see the module.
        mixing: probability of style mixing, in [0, 1]: 0.9 in the paper.
        classes: how many it is given; a label's embedding stands beside z, see `Mapping`.

    Raises:
        ValueError: a number is out of range.
    """

    def __init__(
        self,
        resolution: Resolution,
        channels: int,
        z_dim: int = 512,
        w_dim: int = 512,
        mapping: int = 8,
        base: int = 16384,
        max_width: int = 512,
        mixing: float = 0.9,
        classes: int = 0,
    ) -> None:
        scales = scales_of(resolution)
        check_positive(channels=channels, z_dim=z_dim, w_dim=w_dim, base=base, max_width=max_width)
        if not 0 <= mixing <= 1:
            raise ValueError(f"mixing is {mixing}; it must be from 0 to 1")
        super().__init__(w_dim)
        self.z_dim, self.classes, self.mixing = z_dim, classes, mixing
        self.mapping = Mapping(z_dim, classes, w_dim, mapping)
        sizes = widths_of(scales, base, max_width)
        self.const = nn.Parameter(torch.randn(sizes[0], *scales.base))
        self.first = StyledConv(sizes[0], sizes[0], w_dim, scales.base)
        self.blocks = nn.ModuleList(
            SynthesisBlock(before, after, w_dim, scales.at(k + 1))
            for k, (before, after) in enumerate(itertools.pairwise(sizes))
        )
        self.to_rgb = nn.ModuleList(ToRGB(width, channels, w_dim) for width in sizes)
        self.layers = 2 * scales.doublings + 2

    def forward(self, z: Tensor, y: Tensor | None = None) -> Fake:
        """Latents (B, z_dim) and labels (B,) to one image (B, C, H, W) and its w, (B, layers, w_dim)."""
        w = self.w_of(z, y)
        return Fake([self.synthesis(w)], w)

    def w_of(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        """Latents (B, z_dim) and labels (B,) to the w of each layer, (B, layers, w_dim): mixed in training, else truncated."""
        w = self.mapping(z, y)
        if not self.training:
            return self.truncated(w)[:, None].expand(-1, self.layers, -1)
        self.follow(w)
        return self.mixed(w, z, y) if self.mixing else w[:, None].expand(-1, self.layers, -1)

    def mixed(self, w: Tensor, z: Tensor, y: Tensor | None) -> Tensor:
        """w (B, w_dim) up to a layer, from there on that of other latents: (B, layers, w_dim)."""
        other = self.mapping(torch.randn_like(z), y)
        crossover = torch.randint(1, self.layers, (), device=z.device)
        from_layer = torch.where(torch.rand((), device=z.device) < self.mixing, crossover, self.layers)
        own = torch.arange(self.layers, device=z.device) < from_layer
        return torch.where(own[:, None], w[:, None], other[:, None])

    def synthesis(self, w: Tensor) -> Tensor:
        """The w of each layer, (B, layers, w_dim), to images (B, C, H, W)."""
        of_layer = w.unbind(1)
        x = self.first(self.const.expand(w.shape[0], -1, -1, -1), of_layer[0])  # `len` would fix the batch of an export
        rgb: Tensor = self.to_rgb[0](x, of_layer[1])
        for k, block in enumerate(self.blocks):
            x = block(x, of_layer[2 * k + 1], of_layer[2 * k + 2])
            rgb = upsample(rgb) + self.to_rgb[k + 1](x, of_layer[2 * k + 3])
        return rgb


class SynthesisBlock(nn.Module):
    """Twice the resolution: a convolution that doubles it, and one more.

    Args:
        before, after: channels.
        w_dim: of w.
        size: height and width behind it.
    """

    def __init__(self, before: int, after: int, w_dim: int, size: tuple[int, int]) -> None:
        super().__init__()
        self.up, self.conv = StyledConv(before, after, w_dim, size, up=True), StyledConv(after, after, w_dim, size)

    def forward(self, x: Tensor, w_up: Tensor, w_conv: Tensor) -> Tensor:
        """(B, before, H, W) and the w of both convolutions, (B, w_dim), to (B, after, 2H, 2W)."""
        out: Tensor = self.conv(self.up(x, w_up), w_conv)
        return out


class Discriminator(nn.Module):
    """Images to logits: a layer from colours, a block at each scale, and at the base grid the minibatch standard deviation, a
    convolution and two linear layers.

    Args:
        resolution, channels: of the images.
        base, max_width: channels, see the module.
        residual: blocks with a skip; false: plain ones, which ADA has on CIFAR-10 (`orig`).
        group: samples over which the minibatch standard deviation is taken; null: the whole batch.
        pack: images judged together, stacked along the channels (balance=pac).
        classes: how many it is given.
        condition: projection: the last features times a label that 8 layers have mapped, divided by the root of their number,
            as in ADA; auxiliary: see `ClassHead`.

    Raises:
        ValueError: a number is out of range, or the condition has another name.
    """

    def __init__(
        self,
        resolution: Resolution,
        channels: int,
        base: int = 16384,
        max_width: int = 512,
        residual: bool = True,
        group: int | None = 4,
        pack: int = 1,
        classes: int = 0,
        condition: Condition = "projection",
    ) -> None:
        super().__init__()
        scales = scales_of(resolution)
        check_positive(channels=channels, base=base, max_width=max_width, pack=pack)
        sizes = widths_of(scales, base, max_width)
        self.from_rgb = LReLUConv2d(channels * pack, sizes[-1], 1)
        self.blocks = nn.ModuleList(  # block k goes from scale k + 1 to k
            (ResidualBlock if residual else PlainBlock)(fine, coarse) for coarse, fine in itertools.pairwise(sizes)
        )
        self.last = nn.Sequential(
            MinibatchStddev(group),
            LReLUConv2d(sizes[0] + 1, sizes[0], 3, padding=1),
            nn.Flatten(),
            LReLULinear(math.prod(scales.base) * sizes[0], sizes[0]),
        )
        check_condition(condition, get_args(Condition))
        self.classes = classes
        mapped = classes > 0 and condition == "projection"
        self.head = MappedLabelHead(sizes[0], classes, pack) if mapped else LinearHead(sizes[0], classes, condition, pack)

    def forward(self, images: Pyramid, y: Tensor | None = None) -> Tensor | Logits:
        """Images (B, C, H, W) and labels (B,) to logits (B,)."""
        x = self.from_rgb(images[-1])
        for block in reversed(self.blocks):
            x = block(x)
        found: Tensor | Logits = self.head(self.last(x), y)
        return found

    def layers_from_image(self) -> list[Layer]:
        """For `model.freeze_d`: from colours; then of each block the convolutions and the skip; the last ones."""
        return layers_of(self.from_rgb, *reversed(self.blocks), self.last, self.head)


class PlainBlock(nn.Module):
    """Two convolutions; the second halves the resolution behind the filter.

    Args:
        fine, coarse: channels before and after.
        gain: of the second.
    """

    def __init__(self, fine: int, coarse: int, gain: float = math.sqrt(2)) -> None:
        super().__init__()
        self.conv = LReLUConv2d(fine, fine, 3, padding=1)
        self.down = LReLUConv2d(fine, coarse, 3, gain=gain, stride=2)

    def forward(self, x: Tensor) -> Tensor:
        """(B, fine, H, W) to (B, coarse, H/2, W/2)."""
        down: Tensor = self.down(blur(self.conv(x), 2))
        return down


class ResidualBlock(PlainBlock):
    """The same beside a 1x1 convolution; both are divided by sqrt(2), so that their sum keeps its variance (section 4.1)."""

    def __init__(self, fine: int, coarse: int) -> None:
        super().__init__(fine, coarse, gain=1.0)
        self.skip = EqualConv2d(fine, coarse, 1, gain=math.sqrt(0.5), bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x) + self.skip(downsample(x))


class LinearHead(nn.Module):
    """The last features (B, width) to logits, with an auxiliary classifier where there are classes."""

    def __init__(self, width: int, classes: int, condition: Condition, pack: int) -> None:
        super().__init__()
        self.last = EqualLinear(width, 1, gain=1.0)
        self.of_classes = ClassHead(partial(EqualLinear, width, gain=1.0), classes, condition, pack)

    def forward(self, phi: Tensor, y: Tensor | None) -> Tensor | Logits:
        """Features (B, width) and labels to logits (B,)."""
        return self.of_classes(self.last(phi).squeeze(1), phi, y)


class MappedLabelHead(nn.Module):
    """<W phi + b, m(y)> / sqrt(width), m the mapping network of 8 layers. Under packing m has the labels of the pack."""

    def __init__(self, width: int, classes: int, pack: int) -> None:
        super().__init__()
        self.last, self.mapping = EqualLinear(width, width, gain=1.0), Mapping(0, classes, width, 8, pack)

    def forward(self, phi: Tensor, y: Tensor | None) -> Tensor:
        """Features (B, width) and labels (B,), or (B, pack), to logits (B,)."""
        return (self.last(phi) * self.mapping(None, y)).sum(1) / math.sqrt(phi.shape[1])
