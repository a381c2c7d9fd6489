"""Layers of StyleGAN2 (Karras et al. 2020, "Analyzing and improving the image quality of StyleGAN")."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from seesaw.functional.convolution import SecondOrderLayer, conv2d, conv_transpose2d
from seesaw.functional.dtype import at_least_float32, without_autocast
from seesaw.nets.layers import check_positive
from seesaw.nets.layers.equalized import GAIN, EqualConv2d, EqualLinear, PixelNorm
from seesaw.nets.layers.labels import of_model, one_hot
from seesaw.nets.layers.resample import blur

SLOPE = 0.2
"""Of the leaky ReLU, whose output is multiplied by `GAIN`. Since lrelu(a x) = a lrelu(x) for a > 0, the factor is taken to the
weights before it, which are smaller than what comes out."""


class LReLUConv2d(EqualConv2d):
    """gain lrelu(conv(x) + b), the weights scaled by 1 / sqrt(fan_in) alone. Arguments as `EqualConv2d`'s."""

    def __init__(
        self, in_channels: int, out_channels: int, kernel: int, padding: int = 0, gain: float = GAIN, stride: int = 1
    ) -> None:
        super().__init__(in_channels, out_channels, kernel, padding, gain, stride=stride)
        self.gain = gain

    def forward(self, x: Tensor) -> Tensor:
        """(B, in_channels, H, W) to (B, out_channels, H', W')."""
        assert self.bias is not None
        weight, bias = self.weight * self.scale, self.bias * self.gain
        return F.leaky_relu(conv2d(x, weight, bias, self.stride, self.padding, self.second_order), SLOPE)


class LReLULinear(EqualLinear):
    """sqrt(2) lrelu(W x + b), the weights scaled by 1 / sqrt(fan_in).

    Args:
        in_features, out_features: of input and output.
        lr_multiplier: weights are kept N(0, 1) / lr_multiplier and multiplied by it, as the biases are: Adam then moves them so
            much slower. 0.01 in the mapping network.
    """

    def __init__(self, in_features: int, out_features: int, lr_multiplier: float = 1.0) -> None:
        super().__init__(in_features, out_features, GAIN * lr_multiplier)
        self.bias_scale = GAIN * lr_multiplier
        with torch.no_grad():
            self.weight.div_(lr_multiplier)

    def forward(self, x: Tensor) -> Tensor:
        """(B, in_features) to (B, out_features)."""
        assert self.bias is not None
        return F.leaky_relu(F.linear(x, self.weight * self.scale, self.bias * self.bias_scale), SLOPE)


class Mapping(nn.Module):
    """Latents z, labels or both to intermediate latents w, in float32 at least, as in the paper's code.

    z is brought to the hypersphere of radius sqrt(z_dim). A label is embedded by a linear layer, brought to the hypersphere in
    the same way, and set beside z. Then follow layers whose learning rate is a hundredth.

    Args:
        z_dim: of the latents; 0: labels alone, in a discriminator.
        classes: number of classes; 0: no labels.
        w_dim: of w and of a label's embedding.
        depth: number of layers.
        pack: labels that come together; each place has an embedding of its own, and they are summed.
    """

    def __init__(self, z_dim: int, classes: int, w_dim: int, depth: int, pack: int = 1) -> None:
        super().__init__()
        check_positive(w_dim=w_dim, mapping=depth, pack=pack)
        if classes < 0:
            raise ValueError(f"classes is {classes}; it must be at least 0")
        self.classes, self.norm = classes, PixelNorm()
        self.embedding = EqualLinear(pack * classes, w_dim, gain=1.0) if classes else None
        first = z_dim + (w_dim if classes else 0)
        self.layers = nn.Sequential(*(LReLULinear(w_dim if k else first, w_dim, 0.01) for k in range(depth)))

    def forward(self, z: Tensor | None, y: Tensor | None) -> Tensor:
        """(B, z_dim), or None where z_dim is 0, and int64 (B,), or (B, pack), to (B, w_dim)."""
        given = [] if z is None else [self.norm(at_least_float32(z))]
        with without_autocast(self.layers[0].weight):  # type: ignore[arg-type]
            if self.embedding is not None:
                labels = of_model(y)
                of_class = one_hot(labels.flatten(), self.classes).view(labels.shape[0], -1)
                given.append(self.norm(self.embedding(of_class.to(self.embedding.weight))))
            w: Tensor = self.layers(torch.cat(given, 1))
        return w


class ModulatedConv2d(SecondOrderLayer):
    """A 3x3 convolution whose input channels are scaled by the style of the sample, and whose outputs are brought back to unit
    variance (eqs. 1 and 3): w'_ijk = s_i w_ijk, then w'' = w' / sqrt(sum_ik w'^2 + 1e-8).

    Since s is of a sample and the weights are not, it is computed as one plain convolution of s x, times a factor a sample and
    channel: the same numbers as a convolution a sample with w'', which takes longer. Weights are N(0, 1): the factor stands in
    for the constant of the equalised learning rate.

    Args:
        in_channels, out_channels: of input and output.
        w_dim: of w, from which a linear layer with initial biases of 1 makes s.
        up: double the resolution: a transposed convolution of stride 2, then the filter of `seesaw.nets.layers.resample`.
    """

    def __init__(self, in_channels: int, out_channels: int, w_dim: int, up: bool = False) -> None:
        super().__init__()
        self.style = affine(w_dim, in_channels)
        self.weight = nn.Parameter(torch.randn(out_channels, in_channels, 3, 3))
        self.up = up

    def forward(self, x: Tensor, w: Tensor) -> tuple[Tensor, Tensor]:
        """(B, in_channels, H, W) and (B, w_dim) to the convolution of s x, (B, out_channels, H', W'), and its factors
        (B, out_channels)."""
        s = self.style(w)
        x = x * s.to(x.dtype)[:, :, None, None]
        if self.up:
            x = blur(conv_transpose2d(x, self.weight.transpose(0, 1), 2, self.second_order), 1, 4.0)
        else:
            x = conv2d(x, self.weight, None, 1, 1, self.second_order)
        squares = F.linear(at_least_float32(s).square(), self.weight.square().sum((2, 3)))
        return x, (at_least_float32(squares) + 1e-8).rsqrt()


class StyledConv(nn.Module):
    """sqrt(2) lrelu(modulated convolution + strength noise + b), the noise one N(0, 1) a pixel, the same in all channels.

    In training the noise is drawn anew; else it is a constant that is drawn with the weights, so that an image depends on z
    alone. The paper's code draws it anew for its metrics too.

    Args:
        in_channels, out_channels, w_dim, up: see `ModulatedConv2d`.
        size: height and width of the output.
    """

    def __init__(
        self, in_channels: int, out_channels: int, w_dim: int, size: tuple[int, int], up: bool = False
    ) -> None:
        super().__init__()
        self.conv = ModulatedConv2d(in_channels, out_channels, w_dim, up)
        self.strength = nn.Parameter(torch.zeros(()))
        self.bias = nn.Parameter(torch.zeros(out_channels))
        self.noise: Tensor
        self.register_buffer("noise", torch.randn(*size))

    def forward(self, x: Tensor, w: Tensor) -> Tensor:
        """(B, in_channels, H, W) and (B, w_dim) to (B, out_channels, H', W')."""
        x, factor = self.conv(x, w)
        noise = x.new_empty(len(x), 1, *x.shape[2:]).normal_() if self.training else self.noise.to(x.dtype)
        x = torch.addcmul(noise * (GAIN * self.strength).to(x.dtype), x, (GAIN * factor).to(x.dtype)[:, :, None, None])
        return F.leaky_relu(x + (GAIN * self.bias).to(x.dtype)[:, None, None], SLOPE)


class ToRGB(SecondOrderLayer):
    """A modulated 1x1 convolution to colours, not demodulated: its style is divided by sqrt(in_channels)."""

    def __init__(self, in_channels: int, channels: int, w_dim: int) -> None:
        super().__init__()
        self.style = affine(w_dim, in_channels)
        self.weight, self.bias = nn.Parameter(torch.randn(channels, in_channels, 1, 1)), nn.Parameter(torch.zeros(channels))
        self.scale = 1 / math.sqrt(in_channels)

    def forward(self, x: Tensor, w: Tensor) -> Tensor:
        """(B, in_channels, H, W) and (B, w_dim) to (B, channels, H, W), float32 at least."""
        s = self.style(w) * self.scale
        x = x * s.to(x.dtype)[:, :, None, None]
        return at_least_float32(conv2d(x, self.weight, self.bias, 1, 0, self.second_order))


def affine(w_dim: int, channels: int) -> EqualLinear:
    """w to a style of 1 a channel at first."""
    made = EqualLinear(w_dim, channels, gain=1.0)
    assert made.bias is not None
    nn.init.ones_(made.bias)
    return made
