"""A convolution whose second derivatives cost what its first ones do: gradient penalties differentiate D twice.

T(x, w, g) = <g, conv(x, w)> is linear in each argument, so its three derivatives, conv(x, w) itself, the gradient for x and the
one for w, have each other as derivatives, to any order. torch differentiates the gradient for x by w as a convolution whose
kernel is as large as the image, with copies of both; here it is the gradient for w that every backward pass computes. The same
numbers but for rounding; measured, ProGAN's step with a penalty is 1.1 times as fast in float32 (docs/speed.md).
"""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn import grad as gradients

Steps = int | tuple[int, ...]
"""Pixels in both directions, or in each."""

_runs = getattr(torch._C, "_will_engine_execute_node", None)
"""Whether the backward pass that is running goes on to a node; private in torch, so it may be absent."""


class SecondOrderLayer(nn.Module):
    """A layer around `conv2d` whose output may be differentiated twice; whether it is, is set from outside.

    Attributes:
        second_order: passed to `conv2d` in each forward. The training step sets it on the instances for each phase: true
            where one of the phase's terms differentiates a gradient. It is no part of the state dict.
    """

    second_order: bool = False


def conv2d(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Steps = 1,
    padding: Steps = 0,
    second_order: bool = False,
    groups: int = 1,
) -> Tensor:
    """`torch.nn.functional.conv2d` with zeros at the edges and no dilation.

    Args:
        x: (B, C, H, W).
        weight: (C', C / groups, k, k).
        bias: (C',), or None.
        stride, padding: in pixels.
        groups: parts of the channels that are convolved apart.
        second_order: prepare for second derivatives. If false, or where no gradients are recorded, it is torch's own
            convolution, the faster one for a single backward pass.

    Returns:
        (B, C', H', W'), the same numbers in both cases; under autocast in its dtype.
    """
    if not (second_order and torch.is_grad_enabled()):
        return F.conv2d(x, weight, bias, stride, padding, 1, groups)
    dtype = _autocast_dtype(x)
    return _convolve(x.to(dtype), weight.to(dtype), None if bias is None else bias.to(dtype), stride, padding, groups)


def conv_transpose2d(x: Tensor, weight: Tensor, stride: Steps = 1, second_order: bool = False) -> Tensor:
    """`torch.nn.functional.conv_transpose2d` without padding and bias, with one group and no dilation.

    Args:
        x: (B, C, H, W).
        weight: (C, C', k, k).
        stride, second_order: see `conv2d`.

    Returns:
        (B, C', (H - 1) stride + k, (W - 1) stride + k).
    """
    if not (second_order and torch.is_grad_enabled()):
        return F.conv_transpose2d(x, weight, None, stride)
    dtype = _autocast_dtype(x)
    x, weight = x.to(dtype), weight.to(dtype)
    out: Tensor = _TransposedConvolution.apply(x, weight, _probe(weight), stride)
    return out


def _autocast_dtype(x: Tensor) -> torch.dtype:
    """The dtype in which torch's own convolution of x runs here."""
    kind = x.device.type
    known = kind != "meta"  # where shapes alone are tried, there is no autocast
    if known and torch.is_autocast_enabled(kind) and x.dtype != torch.float64:
        return torch.get_autocast_dtype(kind)
    return x.dtype


def _convolve(x: Tensor, w: Tensor, bias: Tensor | None, stride: Steps, padding: Steps, groups: int) -> Tensor:
    out: Tensor = _Convolution.apply(x, w, _probe(w), bias, _probe(bias), stride, padding, groups)
    return out


def _probe(weight: Tensor | None) -> Tensor | None:
    """An input with a node for which the engine answers, as it does not for a leaf's. No gradient flows through it, so the
    weight's gradients are summed in the order in which they come.
    """
    return weight[...] if weight is not None and weight.is_leaf and weight.requires_grad else weight


def _used(ctx: Any, index: int) -> bool:
    """Whether the running backward pass uses the gradient of this input: not the weight's under `torch.autograd.grad(y, x)`.

    torch's own functions ask the same of the engine. Where it cannot be asked, or the code is compiled, each gradient that
    the input requires is computed; an unused one costs time alone.
    """
    if not ctx.needs_input_grad[index]:
        return False
    if _runs is None or torch.compiler.is_compiling():
        return True
    return bool(_runs(ctx.next_functions[index][0]))  # holds the tensors alone, so they stand first


class _Convolution(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        w: Tensor,
        w_probe: Tensor,
        bias: Tensor | None,
        bias_probe: Tensor | None,
        stride: Steps,
        padding: Steps,
        groups: int,
    ) -> Tensor:
        ctx.save_for_backward(x, w)
        ctx.how = stride, padding, groups
        return F.conv2d(x, w, bias, stride, padding, 1, groups)

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Any:
        x, w = ctx.saved_tensors
        for_x = _ForInput.apply(g, w, x.shape, *ctx.how) if ctx.needs_input_grad[0] else None
        for_w = _ForWeight.apply(g, x, w.shape, *ctx.how) if _used(ctx, 2) else None
        for_bias = g.sum((0, 2, 3)) if _used(ctx, 4) else None
        return for_x, for_w, None, for_bias, None, None, None, None


class _TransposedConvolution(torch.autograd.Function):
    """Forward it is `_ForInput` with a shape of its own; backward it computes no weight's gradient that nobody uses."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, w: Tensor, w_probe: Tensor, stride: Steps) -> Tensor:
        ctx.save_for_backward(x, w)
        ctx.stride = stride
        return F.conv_transpose2d(x, w, None, stride)

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Any:
        x, w = ctx.saved_tensors
        for_x = _convolve(g, w, None, ctx.stride, 0, 1) if ctx.needs_input_grad[0] else None
        for_w = _ForWeight.apply(x, g, w.shape, ctx.stride, 0, 1) if _used(ctx, 2) else None
        return for_x, for_w, None, None


class _ForInput(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, g: Tensor, w: Tensor, shape: torch.Size, stride: Steps, padding: Steps, groups: int) -> Tensor:
        ctx.save_for_backward(g, w)
        ctx.how = stride, padding, groups
        return gradients.conv2d_input(shape, w, g, stride, padding, 1, groups)

    @staticmethod
    def backward(ctx: Any, x: Tensor) -> Any:
        g, w = ctx.saved_tensors
        wanted = ctx.needs_input_grad
        for_g = _convolve(x, w, None, *ctx.how) if wanted[0] else None
        for_w = _ForWeight.apply(g, x, w.shape, *ctx.how) if wanted[1] else None
        return for_g, for_w, None, None, None, None


class _ForWeight(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, g: Tensor, x: Tensor, shape: torch.Size, stride: Steps, padding: Steps, groups: int) -> Tensor:
        ctx.save_for_backward(g, x)
        ctx.how = stride, padding, groups
        return gradients.conv2d_weight(x, shape, g, stride, padding, 1, groups)

    @staticmethod
    def backward(ctx: Any, w: Tensor) -> Any:
        g, x = ctx.saved_tensors
        wanted = ctx.needs_input_grad
        for_g = _convolve(x, w, None, *ctx.how) if wanted[0] else None
        for_x = _ForInput.apply(g, w, x.shape, *ctx.how) if wanted[1] else None
        return for_g, for_x, None, None, None, None
