"""Layers of the progressive family (Karras et al. 2018): equalised learning rate, pixel norm, minibatch standard deviation."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from seesaw.functional.convolution import SecondOrderLayer, conv2d
from seesaw.functional.dtype import at_least_float32
from seesaw.functional.resolution import Scales
from seesaw.functional.spectral import normalise

GAIN = math.sqrt(2)
"""He's gain for a (leaky) ReLU that follows."""


class EqualConv2d(SecondOrderLayer):
    """A convolution whose weights are kept N(0, 1) and scaled by He's constant gain / sqrt(fan_in) in each forward.

    Karras et al. 2018, section 4.1: Adam then moves every layer at the same relative speed. The weight is scaled, not the
    input: it is the smaller of the two at all but the coarsest scales.

    Args:
        in_channels: of the input.
        out_channels: of the output.
        kernel: pixels a side, or its height and width.
        padding: zeros at each edge.
        gain: see `GAIN`; 1 where nothing follows.
        bias: whether there is one, initially 0 and not scaled.
        stride: pixels from one output to the next.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel: int | tuple[int, int],
        padding: int = 0,
        gain: float = GAIN,
        bias: bool = True,
        stride: int = 1,
    ) -> None:
        super().__init__()
        size = (kernel, kernel) if isinstance(kernel, int) else kernel
        self.weight = nn.Parameter(torch.randn(out_channels, in_channels, *size))
        self.bias = nn.Parameter(torch.zeros(out_channels)) if bias else None
        self.scale, self.padding, self.stride = gain / math.sqrt(in_channels * math.prod(size)), padding, stride

    def forward(self, x: Tensor) -> Tensor:
        """(B, in_channels, H, W) to (B, out_channels, H', W')."""
        return conv2d(x, self.weight * self.scale, self.bias, self.stride, self.padding, self.second_order)


class EqualLinear(nn.Module):
    """A fully connected layer with the same scaling.

    Args:
        in_features: of the input.
        out_features: of the output.
        gain: see `GAIN`.
        bias: see `EqualConv2d`.
    """

    def __init__(self, in_features: int, out_features: int, gain: float = GAIN, bias: bool = True) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(out_features, in_features))
        self.bias = nn.Parameter(torch.zeros(out_features)) if bias else None
        self.scale = gain / math.sqrt(in_features)

    def forward(self, x: Tensor) -> Tensor:
        """(B, in_features) to (B, out_features)."""
        return F.linear(x, self.weight * self.scale, self.bias)


def normalise_equalized(net: nn.Module) -> None:
    """Spectral normalisation (Miyato et al. 2018) of every equalised layer of a discriminator, in He's constant's place: before
    the division it would cancel, and after it each layer's slope would be the constant, far below 1.

    A weight of N(0, 1) then moves by Adam at the same relative speed in all layers, as with the constant. No paper trains so.
    """
    for layer in net.modules():
        if isinstance(layer, EqualConv2d | EqualLinear):
            layer.scale = 1.0
    normalise(net, (EqualConv2d, EqualLinear))


class FromLatent(nn.Module):
    """Latents (B, z_dim) to features (B, width, h, w) with one bias a channel: an h x w transposed convolution of one pixel.

    Args:
        z_dim, width: channels before and after.
        gain: ProGAN's code takes sqrt(2) / 4, as for a full 4x4 convolution.
        base: h and w.
    """

    def __init__(self, z_dim: int, width: int, gain: float, base: tuple[int, int] = (4, 4)) -> None:
        super().__init__()
        self.linear = EqualLinear(z_dim, math.prod(base) * width, gain, bias=False)
        self.bias = nn.Parameter(torch.zeros(width))
        self.shape = width, *base

    def forward(self, z: Tensor) -> Tensor:
        return self.linear(z).unflatten(1, self.shape) + self.bias[:, None, None]


class PixelNorm(nn.Module):
    """Each pixel's feature vector (or latent) to root mean square 1: Karras et al. 2018, section 4.2. In float32 at least."""

    def forward(self, x: Tensor) -> Tensor:
        """(B, C) or (B, C, H, W), the same shape."""
        wide = at_least_float32(x.movedim(1, -1))  # channels last, as they lie in memory: 1.5 times as fast on a CPU
        return (wide * torch.rsqrt(wide.square().mean(-1, keepdim=True) + 1e-8)).to(x.dtype).movedim(-1, 1)


class MinibatchStddev(nn.Module):
    """One more channel: how much the samples of a group differ, so that D sees a lack of variety (Karras et al. 2018, section 3).

    The standard deviation over the group at each feature and pixel, averaged into one number a group. Sample i belongs to the
    group i mod (B / group_size), as in the paper's code. It couples samples, so micro-batches do not give the same values. In
    float32 at least.

    Args:
        group_size: samples of a group, 4 in ProGAN's code; if the batch does not divide by it, the largest smaller number that
            divides it. None: the whole batch, as the paper's text has it.
    """

    def __init__(self, group_size: int | None = 4) -> None:
        super().__init__()
        if group_size is not None and group_size < 1:
            raise ValueError(f"group is {group_size}; it must be null or at least 1")
        self.group_size = group_size

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) to (B, C + 1, H, W)."""
        b, _, h, w = x.shape
        group = b if self.group_size is None else max(g for g in range(1, min(self.group_size, b) + 1) if b % g == 0)
        samples = at_least_float32(x.movedim(1, -1)).reshape(group, b // group, -1)
        centred = samples - samples.mean(0)  # torch.var takes four times as long on a CPU
        spread = (centred.square().mean(0) + 1e-8).sqrt().mean(1)
        return torch.cat([x, spread.repeat(group).to(x.dtype).view(b, 1, 1, 1).expand(-1, -1, h, w)], dim=1)


def conv3(in_channels: int, out_channels: int) -> nn.Sequential:
    """A 3x3 convolution with leaky ReLU of slope 0.2; same size."""
    return nn.Sequential(EqualConv2d(in_channels, out_channels, 3, padding=1), nn.LeakyReLU(0.2))


def widths_of(scales: Scales, base: int, max_width: int, least: int = 1) -> list[int]:
    """Channels from the base grid to the finest scale: min(base / 2^(r-1), max_width) at 2^r px, as ProGAN's code counts
    them; r is 2 at the base grid, whatever its sides.

    Raises ValueError if the finest scale has fewer than `least`.
    """
    widths = [min(base // 2 ** (r - 1), max_width) for r in range(2, scales.doublings + 3)]
    if widths[-1] < least:
        px = scales.at(scales.doublings).label
        raise ValueError(
            f"base {base} and max_width {max_width} give {widths[-1]} channels at {px} px; at least {least} are needed"
        )
    return widths
