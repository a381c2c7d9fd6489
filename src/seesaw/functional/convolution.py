"""A convolution whose second derivatives cost what its first ones do: gradient penalties differentiate D twice.

T(x, w, g) = <g, conv(x, w)> is linear in each argument, so its three derivatives, conv(x, w) itself, the gradient for x and the
one for w, have each other as derivatives, to any order. torch differentiates the gradient for x by w as a convolution whose
kernel is as large as the image, with copies of both; here it is the gradient for w that every backward pass computes. The same
numbers but for rounding; measured, ProGAN's step with a penalty is 1.1 times as fast in float32 (docs/speed.md).
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.nn import grad as gradients

Steps = int | tuple[int, ...]
"""Pixels in both directions, or in each."""

_state = {"twice": False, "inputs only": False}


@contextmanager
def _set(name: str, value: bool) -> Iterator[None]:
    before, _state[name] = _state[name], value
    try:
        yield
    finally:
        _state[name] = before


def differentiated_twice(wanted: bool = True) -> Any:
    """A context: `conv2d` in it prepares for second derivatives; elsewhere it is torch's own, the best for one backward pass."""
    return _set("twice", wanted)


def for_inputs_only() -> Any:
    """A context for a differentiated backward pass that asks for no weight's gradient: none is computed on its way."""
    return _set("inputs only", True)


def conv2d(x: Tensor, weight: Tensor, bias: Tensor | None = None, stride: Steps = 1, padding: Steps = 0) -> Tensor:
    """`torch.nn.functional.conv2d`: (B, C, H, W) with (C', C, k, k) to (B, C', H', W')."""
    if not (_state["twice"] and torch.is_grad_enabled()):
        return F.conv2d(x, weight, bias, stride, padding)
    kind = x.device.type
    known = torch.amp.is_autocast_available(kind)  # not on the meta device, on which shapes alone are tried
    if known and torch.is_autocast_enabled(kind) and x.dtype != torch.float64:  # as autocast does around torch's own
        dtype = torch.get_autocast_dtype(kind)
        x, weight, bias = x.to(dtype), weight.to(dtype), None if bias is None else bias.to(dtype)
    out: Tensor = _Convolution.apply(x, weight, bias, stride, padding)
    return out


class _Convolution(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, w: Tensor, bias: Tensor | None, stride: Steps, padding: Steps) -> Tensor:
        ctx.save_for_backward(x, w)
        ctx.how = stride, padding
        return F.conv2d(x, w, bias, stride, padding)

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Any:
        x, w = ctx.saved_tensors
        wanted, weights = ctx.needs_input_grad, not _state["inputs only"]
        for_x = _ForInput.apply(g, w, x.shape, *ctx.how) if wanted[0] else None
        for_w = _ForWeight.apply(g, x, w.shape, *ctx.how) if wanted[1] and weights else None
        for_bias = g.sum((0, 2, 3)) if wanted[2] and weights else None
        return for_x, for_w, for_bias, None, None


class _ForInput(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, g: Tensor, w: Tensor, shape: torch.Size, stride: Steps, padding: Steps) -> Tensor:
        ctx.save_for_backward(g, w)
        ctx.how = stride, padding
        return gradients.conv2d_input(shape, w, g, stride, padding)

    @staticmethod
    def backward(ctx: Any, x: Tensor) -> Any:
        g, w = ctx.saved_tensors
        wanted = ctx.needs_input_grad
        for_g = _Convolution.apply(x, w, None, *ctx.how) if wanted[0] else None
        for_w = _ForWeight.apply(g, x, w.shape, *ctx.how) if wanted[1] else None
        return for_g, for_w, None, None, None


class _ForWeight(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, g: Tensor, x: Tensor, shape: torch.Size, stride: Steps, padding: Steps) -> Tensor:
        ctx.save_for_backward(g, x)
        ctx.how = stride, padding
        return gradients.conv2d_weight(x, shape, g, stride, padding)

    @staticmethod
    def backward(ctx: Any, w: Tensor) -> Any:
        g, x = ctx.saved_tensors
        wanted = ctx.needs_input_grad
        for_g = _Convolution.apply(x, w, None, *ctx.how) if wanted[0] else None
        for_x = _ForInput.apply(g, w, x.shape, *ctx.how) if wanted[1] else None
        return for_g, for_x, None, None, None
