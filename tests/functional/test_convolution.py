"""The convolution for second derivatives against torch's own and finite differences."""

from typing import Any
from unittest.mock import patch

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd import gradcheck, gradgradcheck
from torch.nn import grad as gradients

from seesaw.functional.convolution import conv2d, differentiated_twice, for_inputs_only
from seesaw.gan.phases import Phase
from seesaw.gan.terms import R1, CrossEntropyD

SHAPES = [(3, 1, 1), (4, 2, 1), (5, 2, 2), (1, 1, 0), (4, 1, 0)]
"""Kernel, stride, padding of the nets' layers."""


def drawn(kernel: int, dtype: torch.dtype = torch.float64, size: int = 6) -> tuple[Tensor, Tensor, Tensor]:
    draw = torch.Generator().manual_seed(0)
    shapes = ((2, 3, size, size), (4, 3, kernel, kernel), (4,))
    x, weight, bias = (torch.randn(shape, generator=draw, dtype=dtype).requires_grad_() for shape in shapes)
    return x, weight, bias


def penalised(convolution: Any, x: Tensor, *weights: Tensor, stride: int, padding: int) -> list[Tensor]:
    """The gradients of a loss with a gradient penalty, for all weights."""
    out = convolution(x, *weights, stride, padding)
    value = F.softplus(out).float().square().sum()
    (slope,) = torch.autograd.grad(value, x, create_graph=True)
    loss = value + (slope.flatten(1).norm(dim=1) - 1).square().sum()
    return list(torch.autograd.grad(loss, weights))


@pytest.mark.parametrize(("kernel", "stride", "padding"), SHAPES)
def test_finite_differences_of_the_first_two_orders(kernel: int, stride: int, padding: int) -> None:
    inputs = drawn(kernel)

    def run(*inputs: Tensor) -> Tensor:
        with differentiated_twice():
            return F.softplus(conv2d(*inputs, stride, padding))

    assert gradcheck(run, inputs)
    assert gradgradcheck(run, inputs)


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize(("kernel", "stride", "padding"), SHAPES)
def test_the_same_numbers_as_torch(kernel: int, stride: int, padding: int, layout: torch.memory_format) -> None:
    x, weight, bias = (t.detach().to(memory_format=layout) if t.ndim == 4 else t.detach() for t in drawn(kernel))
    given = [t.requires_grad_() for t in (x, weight, bias)]
    expected = penalised(F.conv2d, *given, stride=stride, padding=padding)
    with differentiated_twice():
        assert torch.equal(conv2d(*given, stride, padding), F.conv2d(*given, stride, padding))
        found = penalised(conv2d, *given, stride=stride, padding=padding)
    for a, b in zip(found, expected, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-10, atol=1e-10)


def test_the_third_order_too() -> None:
    def thrice(convolution: Any) -> Tensor:
        x, weight, _ = drawn(3)
        out = convolution(x, weight, None, 1, 1).square().sum()
        for _ in range(2):
            (slope,) = torch.autograd.grad(out, weight, create_graph=True)
            out = slope.square().sum()
        return torch.autograd.grad(out, x)[0]

    with differentiated_twice():
        found = thrice(conv2d)
    torch.testing.assert_close(found, thrice(F.conv2d), rtol=1e-10, atol=1e-10)


def test_under_autocast_it_is_what_autocast_does() -> None:
    x, weight, bias = drawn(3, torch.float32)
    with torch.autocast("cpu", torch.bfloat16):
        expected = penalised(F.conv2d, x, weight, bias, stride=1, padding=1)
        with differentiated_twice():
            out = conv2d(x, weight, bias, 1, 1)
            found = penalised(conv2d, x, weight, bias, stride=1, padding=1)
        assert out.dtype == torch.bfloat16
    for a, b in zip(found, expected, strict=True):
        assert a.dtype == b.dtype == torch.float32
        assert ((a - b).norm() / b.norm()).item() < 0.02  # roundings to 8 bits in another order


def test_no_weight_s_gradient_on_the_way_to_the_images() -> None:
    x, weight, bias = drawn(3)
    counted: list[int] = []
    weigh = gradients.conv2d_weight

    def counting(*args: Any) -> Tensor:
        counted.append(1)
        return weigh(*args)

    with differentiated_twice(), patch.object(gradients, "conv2d_weight", counting):
        value = conv2d(conv2d(x, weight, bias, 1, 1)[:, :3], weight, bias, 1, 1).square().sum()
        with for_inputs_only():
            (slope,) = torch.autograd.grad(value, x, create_graph=True)
        assert counted == []
        slope.square().sum().backward()
    assert counted  # afterwards they are wanted
    assert weight.grad is not None


def test_only_phases_that_differentiate_twice_ask_for_it() -> None:
    seen: list[bool] = []

    class Looking(CrossEntropyD):
        def forward(self, batch: Any) -> Tensor:
            x, weight, _ = drawn(3)
            seen.append(type(conv2d(x, weight).grad_fn).__name__ == "_ConvolutionBackward")
            return torch.zeros(1)

    class Nothing(R1):
        def forward(self, batch: Any) -> Tensor:
            return torch.zeros(1)

    for terms in ({"loss": Looking()}, {"loss": Looking(), "r1": Nothing(1.0)}):
        Phase("D", terms)(None)
    assert seen == [False, True]
    x, weight, _ = drawn(3)
    with torch.no_grad(), differentiated_twice():
        assert conv2d(x, weight).grad_fn is None
    assert type(conv2d(x, weight).grad_fn).__name__ == "ConvolutionBackward0"


def test_it_can_be_compiled_in_one_graph() -> None:
    """Where D's phase has a penalty G may be compiled all the same: nothing differentiates it twice."""
    x, weight, bias = drawn(3)
    compiled = torch.compile(lambda *given: conv2d(*given, 1, 1), backend="aot_eager", fullgraph=True)
    with differentiated_twice():
        out = compiled(x, weight, bias)
        torch.testing.assert_close(out, conv2d(x, weight, bias, 1, 1))
        found = torch.autograd.grad(out.square().sum(), (x, weight, bias))
    expected = torch.autograd.grad(F.conv2d(x, weight, bias, 1, 1).square().sum(), (x, weight, bias))
    for a, b in zip(found, expected, strict=True):
        torch.testing.assert_close(a, b)
