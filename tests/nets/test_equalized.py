"""Equalised learning rate, pixel norm and minibatch standard deviation against loops, closed forms and finite differences."""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from seesaw.nets.layers.equalized import (
    GAIN,
    EqualConv2d,
    EqualLinear,
    FromLatent,
    MinibatchStddev,
    PixelNorm,
    conv3,
    widths_of,
)


def test_layers_keep_unit_variance_before_the_activation_that_their_gain_is_for() -> None:
    """Inputs N(0, 1): gain 1 gives variance 1, gain sqrt(2) gives 2, of which leaky ReLU leaves a second moment of 1.04."""
    torch.manual_seed(0)
    x = torch.randn(64, 32, 16, 16)
    plain, he = EqualConv2d(32, 64, 3, padding=0, gain=1.0)(x), EqualConv2d(32, 64, 3, padding=0)(x)
    assert plain.var().item() == pytest.approx(1.0, abs=0.1)
    assert he.var().item() == pytest.approx(2.0, abs=0.2)
    assert F.leaky_relu(he, 0.2).square().mean().item() == pytest.approx(1.04, abs=0.1)
    assert EqualLinear(512, 512)(torch.randn(256, 512)).var().item() == pytest.approx(2.0, abs=0.1)
    first = FromLatent(256, 64, GAIN / 4)(torch.randn(256, 256))
    assert first.var().item() == pytest.approx(2 / 16, abs=0.01)  # ProGAN's constant of the first layer


def test_equalised_layers_are_plain_ones_with_scaled_weights() -> None:
    conv, x = EqualConv2d(5, 7, 3, padding=1), torch.randn(2, 5, 6, 6)
    nn.init.normal_(conv.bias)
    expected = F.conv2d(x, conv.weight * (math.sqrt(2) / math.sqrt(5 * 9)), conv.bias, padding=1)
    torch.testing.assert_close(conv(x), expected)
    latent, z = FromLatent(5, 3, 1.0), torch.randn(4, 5)
    transposed = F.conv_transpose2d(
        z[:, :, None, None], latent.linear.weight.view(3, 4, 4, 5).permute(3, 0, 1, 2) / math.sqrt(5)
    )
    torch.testing.assert_close(latent(z), transposed, atol=1e-6, rtol=1e-5)


def test_pixel_norm_gives_every_pixel_the_same_length() -> None:
    x = torch.randn(3, 8, 5, 5) * 100
    y = PixelNorm()(x)
    torch.testing.assert_close(y.square().mean(1), torch.ones(3, 5, 5))
    torch.testing.assert_close(y / y.norm(dim=1, keepdim=True), x / x.norm(dim=1, keepdim=True))
    z = torch.randn(6, 16)
    torch.testing.assert_close(PixelNorm()(z).norm(dim=1), torch.full((6,), 4.0))
    assert PixelNorm()(x.bfloat16()).dtype == torch.bfloat16


def stddev_loop(x: np.ndarray, group: int) -> np.ndarray:
    """The paper's three sentences, one number a group, in numpy."""
    b = len(x)
    extra = np.zeros((b, 1, *x.shape[2:]))
    for first in range(b // group):
        members = [first + k * (b // group) for k in range(group)]
        spread = np.sqrt(x[members].var(axis=0) + 1e-8).mean()
        extra[members] = spread
    return np.concatenate([x, extra], axis=1)


@pytest.mark.parametrize(
    ("batch", "group", "used"), [(8, 4, 4), (8, None, 8), (6, 4, 3), (7, 4, 1), (3, 4, 3), (1, 4, 1)]
)
def test_minibatch_stddev_agrees_with_a_loop(batch: int, group: int | None, used: int) -> None:
    """6 does not divide by 4: the group is 3. 7 leaves groups of one, whose deviation is 0 (1e-4 for the root's sake)."""
    x = torch.randn(batch, 3, 4, 4, dtype=torch.float64)
    found = MinibatchStddev(group)(x)
    torch.testing.assert_close(found, torch.from_numpy(stddev_loop(x.numpy(), used)), atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize(
    "layer",
    [PixelNorm(), MinibatchStddev(2), nn.Sequential(conv3(3, 3), PixelNorm())],
    ids=["pixel norm", "stddev", "conv"],
)
def test_layers_differentiate_twice(layer: nn.Module) -> None:
    """As a penalty on gradients needs. float32 inside pixel norm and stddev limits the differences' accuracy."""
    layer = layer.double()
    x = torch.randn(4, 3, 2, 2, dtype=torch.float64, requires_grad=True)
    torch.set_default_dtype(torch.float64)
    try:
        assert torch.autograd.gradcheck(layer, (x,), eps=1e-3, atol=1e-2, rtol=1e-2)
        assert torch.autograd.gradgradcheck(layer, (x,), eps=1e-3, atol=3e-2, rtol=3e-2)
    finally:
        torch.set_default_dtype(torch.float32)


def test_widths_are_the_papers() -> None:
    assert widths_of(1024, 8192, 512) == [512, 512, 512, 512, 256, 128, 64, 32, 16]
    assert widths_of(32, 8192, 128) == [128] * 4


def test_an_impossible_group_is_refused() -> None:
    with pytest.raises(ValueError, match="group is 0; it must be null or at least 1"):
        MinibatchStddev(0)
