"""The convolution for second derivatives against torch's own and finite differences."""

from functools import partial
from typing import Any
from unittest.mock import patch

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd import gradcheck, gradgradcheck
from torch.nn import grad as gradients

from seesaw.functional import convolution
from seesaw.functional.convolution import SecondOrderLayer, conv2d, conv_transpose2d
from seesaw.nets.layers.convolution import Conv2d
from seesaw.nets.layers.equalized import EqualConv2d

twice = partial(conv2d, second_order=True)

SHAPES = [(3, 1, 1), (4, 2, 1), (5, 2, 2), (1, 1, 0), (4, 1, 0)]
"""Kernel, stride, padding of the nets' layers."""


def drawn(
    kernel: int, dtype: torch.dtype = torch.float64, size: int = 6, channels: tuple[int, int] = (3, 4)
) -> tuple[Tensor, Tensor, Tensor]:
    """An input, a weight and a bias of a layer between so many channels."""
    draw = torch.Generator().manual_seed(0)
    before, after = channels
    shapes = ((2, before, size, size), (after, before, kernel, kernel), (after,))
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
    inputs = drawn(kernel, size=5, channels=(2, 3))

    def run(*inputs: Tensor) -> Tensor:
        return F.softplus(twice(*inputs, stride, padding))

    assert gradcheck(run, inputs)
    assert gradgradcheck(run, inputs)


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize(("kernel", "stride", "padding"), SHAPES)
def test_the_same_numbers_as_torch(kernel: int, stride: int, padding: int, layout: torch.memory_format) -> None:
    x, weight, bias = (t.detach().to(memory_format=layout) if t.ndim == 4 else t.detach() for t in drawn(kernel))
    given = [t.requires_grad_() for t in (x, weight, bias)]
    expected = penalised(F.conv2d, *given, stride=stride, padding=padding)
    assert torch.equal(twice(*given, stride, padding), F.conv2d(*given, stride, padding))
    found = penalised(twice, *given, stride=stride, padding=padding)
    for a, b in zip(found, expected, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("groups", [2, 4])
def test_groups_are_torch_s_and_their_derivatives_those_of_finite_differences(groups: int) -> None:
    """The gradients of a loss with a penalty are torch's too."""
    torch.manual_seed(0)
    shapes = ((1, 4, 3, 3), (4, 4 // groups, 3, 3), (4,))
    x, weight, bias = (torch.randn(shape, dtype=torch.float64).requires_grad_() for shape in shapes)

    def run(*inputs: Tensor) -> Tensor:
        return F.softplus(twice(*inputs, 2, 1, groups=groups))

    assert gradgradcheck(run, (x, weight, bias))
    layer, torchs = (kind(4, 4, 3, 1, 1, groups=groups).double() for kind in (Conv2d, nn.Conv2d))
    torchs.load_state_dict(layer.state_dict())
    layer.second_order = True
    found = []
    for net in (layer, torchs):
        (slope,) = torch.autograd.grad(net(x).exp().sum(), x, create_graph=True)
        found.append(torch.autograd.grad(slope.square().sum(), list(net.parameters())))
    for a, b in zip(*found, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-10, atol=1e-10)


def test_the_transposed_convolution_has_the_same_numbers_as_torch() -> None:
    x, weight, _ = drawn(3)
    weight = weight.detach().transpose(0, 1)[:3].requires_grad_()  # (3, 4, 3, 3)

    def once(x: Tensor, weight: Tensor, *how: int) -> Tensor:
        return conv_transpose2d(x, weight, 2, second_order=True)

    def torchs(x: Tensor, weight: Tensor, *how: int) -> Tensor:
        return F.conv_transpose2d(x, weight, stride=2)

    assert torch.equal(once(x, weight), torchs(x, weight))
    assert torch.equal(conv_transpose2d(x, weight, 2), torchs(x, weight))
    found = penalised(once, x, weight, stride=2, padding=0)
    for a, b in zip(found, penalised(torchs, x, weight, stride=2, padding=0), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-10, atol=1e-10)
    with torch.autocast("cpu", torch.bfloat16):
        assert once(x.float(), weight.float()).dtype == torch.bfloat16


def test_the_third_order_too() -> None:
    def thrice(convolution: Any) -> Tensor:
        x, weight, _ = drawn(3)
        out = convolution(x, weight, None, 1, 1).square().sum()
        for _ in range(2):
            (slope,) = torch.autograd.grad(out, weight, create_graph=True)
            out = slope.square().sum()
        return torch.autograd.grad(out, x)[0]

    torch.testing.assert_close(thrice(twice), thrice(F.conv2d), rtol=1e-10, atol=1e-10)


def test_under_autocast_it_is_what_autocast_does() -> None:
    x, weight, bias = drawn(3, torch.float32)
    with torch.autocast("cpu", torch.bfloat16):
        expected = penalised(F.conv2d, x, weight, bias, stride=1, padding=1)
        out = twice(x, weight, bias, 1, 1)
        found = penalised(twice, x, weight, bias, stride=1, padding=1)
        assert out.dtype == torch.bfloat16
    for a, b in zip(found, expected, strict=True):
        assert a.dtype == b.dtype == torch.float32
        assert ((a - b).norm() / b.norm()).item() < 0.02  # roundings to 8 bits in another order


@pytest.fixture
def weighed(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """One entry for each gradient of a weight that is computed."""
    counted: list[int] = []
    weigh = gradients.conv2d_weight

    def counting(*args: Any) -> Tensor:
        counted.append(1)
        return weigh(*args)

    monkeypatch.setattr(gradients, "conv2d_weight", counting)
    return counted


def test_no_weight_s_gradient_is_computed_on_the_way_to_the_images(weighed: list[int]) -> None:
    x, weight, bias = drawn(3)
    value = twice(twice(x, weight, bias, 1, 1)[:, :3], weight[:, :3] * 2, bias, 1, 1).square().sum()
    (slope,) = torch.autograd.grad(value, x, create_graph=True)
    assert weighed == []
    slope.square().sum().backward()
    assert weighed  # afterwards they are wanted
    assert weight.grad is not None
    weighed.clear()
    up = conv_transpose2d(x, weight.transpose(0, 1)[:, :1].expand(3, -1, -1, -1), 2, second_order=True)
    torch.autograd.grad(up.square().sum(), x, create_graph=True)
    assert weighed == []


@pytest.mark.parametrize("wanted", [(0,), (1,), (2,), (0, 2), (1, 2), (0, 1, 2)])
def test_whatever_gradients_are_asked_for_come_and_no_weight_s_beside_them(
    wanted: tuple[int, ...], weighed: list[int]
) -> None:
    inputs = drawn(4)
    asked = [inputs[i] for i in wanted]
    value, expected = (c(*inputs, 2, 1).exp().sum() for c in (twice, F.conv2d))
    found = torch.autograd.grad(value, asked, create_graph=True)
    for a, b in zip(found, torch.autograd.grad(expected, asked), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-10, atol=1e-10)
    assert len(weighed) == (1 in wanted)


def test_frozen_weights_get_no_gradient_and_a_bias_alone_does(weighed: list[int]) -> None:
    x, weight, bias = drawn(3)
    twice(x, weight.detach(), bias, 1, 1).square().sum().backward()
    assert weighed == []
    expected = torch.autograd.grad(F.conv2d(x, weight, bias, 1, 1).square().sum(), (x, bias))
    for a, b in zip((x.grad, bias.grad), expected, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-10, atol=1e-10)


def test_every_gradient_is_computed_where_the_engine_cannot_be_asked(weighed: list[int]) -> None:
    inputs = drawn(3)
    with patch.object(convolution, "_runs", None):
        found = penalised(twice, *inputs, stride=1, padding=1)
        assert len(weighed) == 3  # on the way to the images, and by both terms of the loss
    for a, b in zip(found, penalised(F.conv2d, *inputs, stride=1, padding=1), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-10, atol=1e-10)


def test_a_weight_reaches_torch_unchanged_and_its_gradient_reaches_it_directly() -> None:
    """The strides of a side of 1 decide which kernels torch takes; the way of gradients, the order in which they are summed."""
    weight = torch.randn(8, 1, 4, 4).to(memory_format=torch.channels_last).requires_grad_()
    seen: list[tuple[int, ...]] = []

    def looking(x: Tensor, w: Tensor, *rest: Any) -> Tensor:
        seen.append(w.stride())
        return plain(x, w, *rest)

    plain = F.conv2d
    with patch.object(F, "conv2d", looking):
        out = twice(torch.randn(2, 1, 8, 8), weight, None, 2, 1)
    assert seen == [weight.stride()]
    assert any(getattr(node, "variable", None) is weight for node, _ in out.grad_fn.next_functions)


@pytest.mark.parametrize("layer", [Conv2d(3, 4, 3, padding=1), EqualConv2d(3, 4, 3, padding=1)])
def test_a_layer_prepares_for_second_derivatives_where_its_attribute_is_set(layer: SecondOrderLayer) -> None:
    def prepares() -> bool:
        return type(layer(torch.randn(2, 3, 6, 6)).grad_fn).__name__ == "_ConvolutionBackward"

    assert isinstance(layer, SecondOrderLayer)
    assert not prepares()
    layer.second_order = True
    assert prepares()
    assert not SecondOrderLayer.second_order  # the other layers'
    assert not any("second_order" in key for key in layer.state_dict())
    with torch.no_grad():
        assert layer(torch.randn(2, 3, 6, 6)).grad_fn is None
    layer.second_order = False
    assert not prepares()


def test_a_layer_remains_torch_s_own_but_for_the_backward_pass() -> None:
    torch.manual_seed(0)
    ours, torchs = Conv2d(3, 4, 5, 2, 2), nn.Conv2d(3, 4, 5, 2, 2)
    ours.load_state_dict(torchs.state_dict())
    x = torch.randn(2, 3, 8, 8)
    for ours.second_order in (False, True):
        assert torch.equal(ours(x), torchs(x))


def test_it_can_be_compiled_in_one_graph() -> None:
    """Where D's phase has a penalty G may be compiled all the same: nothing differentiates it twice."""
    x, weight, bias = drawn(3)
    compiled = torch.compile(lambda *given: twice(*given, 1, 1), backend="aot_eager", fullgraph=True)
    out = compiled(x, weight, bias)
    torch.testing.assert_close(out, twice(x, weight, bias, 1, 1))
    found = torch.autograd.grad(out.square().sum(), (x, weight, bias))
    expected = torch.autograd.grad(F.conv2d(x, weight, bias, 1, 1).square().sum(), (x, weight, bias))
    for a, b in zip(found, expected, strict=True):
        torch.testing.assert_close(a, b)
