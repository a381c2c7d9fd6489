"""Resampling by two with the filter of StyleGAN2 (Karras et al. 2020): outer([1, 3, 3, 1]) / 64, zeros beyond the edges.

Inside, `upsample` is bilinear interpolation between pixels' centres (`align_corners=False`); at the edges the zeros pull it
towards 0. Each function is linear in the image and has the other as its transpose, up to a factor, so derivatives of any order
are these two again. No kernel is compiled. On a CPU bfloat16 and float16 are filtered in float32: its depthwise
convolution of bfloat16 is far slower (torch 2.14).
"""

import functools
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from seesaw.functional.dtype import at_least_float32, without_autocast

TAPS = (1.0, 3.0, 3.0, 1.0)
"""The filter along one axis, not normalised."""


def upsample(x: Tensor) -> Tensor:
    """(B, C, H, W) to (B, C, 2H, 2W)."""
    up: Tensor = _Transposed.apply(x, (2 * x.shape[2], 2 * x.shape[3]), 2, 1, 4.0)
    return up


def downsample(x: Tensor) -> Tensor:
    """(B, C, H, W), both sides even, to (B, C, H/2, W/2)."""
    down: Tensor = _Filtered.apply(x, 2, 1, 1.0)
    return down


def blur(x: Tensor, padding: int, gain: float = 1.0) -> Tensor:
    """The filter alone, times a gain: beside a strided convolution it keeps frequencies out that the coarser grid cannot hold.

    Args:
        x: (B, C, H, W).
        padding: zeros at each edge, 0 to 3. StyleGAN2 takes 2 before a 3x3 convolution of stride 2 without padding, and 1, with
            a gain of 4, after a transposed one.
        gain: of the sum of the filter, 1.

    Returns:
        (B, C, H + 2 padding - 3, W + 2 padding - 3).
    """
    blurred: Tensor = _Filtered.apply(x, 1, padding, gain)
    return blurred


class _Filtered(torch.autograd.Function):
    """The filter at every `stride`-th pixel."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, stride: int, padding: int, gain: float) -> Tensor:
        ctx.size, ctx.how = tuple(x.shape[2:]), (stride, padding, gain)
        wide = _wide(x)
        with without_autocast(x):
            made = F.conv2d(wide, _taps(wide, gain), None, stride, padding, groups=x.shape[1])
        return made.to(x.dtype)

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Any:
        return _Transposed.apply(g, ctx.size, *ctx.how), None, None, None


class _Transposed(torch.autograd.Function):
    """The transpose of `_Filtered`: to images of this size."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, size: tuple[int, int], stride: int, padding: int, gain: float) -> Tensor:
        ctx.how = stride, padding, gain
        wide = _wide(x)
        taps, n = _taps(wide, gain), len(TAPS)
        with without_autocast(x):
            if stride == 1:  # the filter is symmetric, so this is it again, and no slow transposed convolution
                made = F.conv2d(wide, taps, None, 1, n - 1 - padding, groups=x.shape[1])
            else:
                least = ((a - 1) * stride - 2 * padding + n for a in x.shape[2:])
                rest = tuple(a - b for a, b in zip(size, least, strict=True))
                made = F.conv_transpose2d(wide, taps, None, stride, padding, rest, groups=x.shape[1])
        return made.to(x.dtype)

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Any:
        return _Filtered.apply(g, *ctx.how), None, None, None, None


def _wide(x: Tensor) -> Tensor:
    """The image in the dtype in which it is filtered."""
    return at_least_float32(x) if x.device.type == "cpu" else x


def _taps(x: Tensor, gain: float) -> Tensor:
    """The kernel for as many channels as x has."""
    return _kernel(x.shape[1], gain, x.device, x.dtype)


@functools.cache
def _kernel(channels: int, gain: float, device: torch.device, dtype: torch.dtype) -> Tensor:
    """(C, 1, 4, 4)."""
    with torch.inference_mode(False), torch.no_grad():
        along = torch.tensor(TAPS, device=device, dtype=dtype) / sum(TAPS)
        return (gain * torch.outer(along, along)).repeat(channels, 1, 1, 1)
