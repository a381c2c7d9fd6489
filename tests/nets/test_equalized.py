"""Equalised learning rate, pixel norm and minibatch standard deviation against loops, closed forms and finite differences."""

import math
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from seesaw.functional.resolution import scales_of
from seesaw.functional.spectral import is_bounded
from seesaw.functional.staged import Staged
from seesaw.nets import msggan, progan
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
from seesaw.types import Stage


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
    torch.testing.assert_close(found, torch.from_numpy(stddev_loop(x.numpy(), used)))


LAYERS = {
    "conv": lambda: EqualConv2d(3, 2, 3, padding=1),
    "linear": lambda: nn.Sequential(nn.Flatten(), EqualLinear(27, 5)),
    "from latent": lambda: nn.Sequential(nn.Flatten(), FromLatent(27, 1, 1.0)),
    "pixel norm": PixelNorm,
    "stddev": lambda: MinibatchStddev(2),
    "stddev of the batch": lambda: MinibatchStddev(None),
    "all": lambda: nn.Sequential(MinibatchStddev(2), conv3(4, 3), PixelNorm(), EqualConv2d(3, 1, 3)),
}


@pytest.mark.parametrize("name", LAYERS)
def test_layers_differentiate_twice_in_float64(name: str) -> None:
    """As a penalty on gradients needs, with respect to the input and the weights, at gradcheck's own tolerances."""
    torch.manual_seed(0)
    layer = LAYERS[name]().double()
    names, weights = [n for n, _ in layer.named_parameters()], [p.detach().requires_grad_() for p in layer.parameters()]
    x = torch.randn(4, 3, 3, 3, dtype=torch.float64, requires_grad=True)

    def run(x: torch.Tensor, *weights: torch.Tensor) -> torch.Tensor:
        return torch.func.functional_call(layer, dict(zip(names, weights, strict=True)), (x,))

    assert run(x, *weights).dtype == torch.float64
    assert torch.autograd.gradcheck(run, (x, *weights))
    assert torch.autograd.gradgradcheck(run, (x, *weights))


def test_a_collapsed_batch_has_finite_second_derivatives() -> None:
    """Equal samples: the root of the variance 0 would have an infinite slope."""
    x = torch.ones(4, 3, 2, 2, requires_grad=True)
    (g,) = torch.autograd.grad(MinibatchStddev(4)(x).square().sum(), x, create_graph=True)
    (gg,) = torch.autograd.grad(g.square().sum(), x)
    assert torch.isfinite(g).all()
    assert torch.isfinite(gg).all()


@pytest.mark.parametrize("layer", [PixelNorm(), MinibatchStddev(4)], ids=["pixel norm", "stddev"])
def test_norms_are_taken_in_float32_under_low_precision(layer: nn.Module) -> None:
    """float16 squares overflow at 256, bfloat16 sums keep 8 bits: the results are the float64 ones, rounded once."""
    torch.manual_seed(0)
    big = torch.randn(8, 16, 4, 4, dtype=torch.float16) * 5000
    torch.testing.assert_close(layer(big).double(), layer(big.double()), atol=0, rtol=2**-11)
    near = (10 + torch.randn(8, 16, 4, 4)).bfloat16()
    with torch.autocast("cpu", torch.bfloat16):
        found = layer(near)
    assert found.dtype == torch.bfloat16
    torch.testing.assert_close(found.double(), layer(near.double()), atol=0, rtol=2**-8)


def test_widths_are_the_papers() -> None:
    assert widths_of(scales_of(1024), 8192, 512) == [512, 512, 512, 512, 256, 128, 64, 32, 16]
    assert widths_of(scales_of(32), 8192, 128) == [128] * 4
    with pytest.raises(ValueError, match="base 8 and max_width 512 give 0 channels at 32 px; at least 1 are needed"):
        widths_of(scales_of(32), 8, 512)


def test_an_impossible_group_is_refused() -> None:
    with pytest.raises(ValueError, match="group is 0; it must be null or at least 1"):
        MinibatchStddev(0)


@pytest.mark.parametrize("family", [progan, msggan])
def test_spectral_normalisation_stands_in_the_place_of_hes_constant(family: Any) -> None:
    """The largest singular value of what each layer applies is 1, whatever the scale of the weights; one of 3x3 is the matrix
    of its kernel, as in the paper."""
    torch.manual_seed(0)
    D = family.Discriminator(16, 1, base=64, max_width=16, spectral_norm=True)
    if isinstance(D, Staged):
        D.set_stage(Stage(2, 1.0))
    images = [torch.zeros(2, 1, size, size) for size in (4, 8, 16)]
    layers = {n: m for n, m in D.named_modules() if isinstance(m, EqualConv2d | EqualLinear)}
    assert is_bounded(D)
    assert len(layers) >= 9
    for factor in (1.0, 100.0):
        with torch.no_grad():
            for layer in layers.values():
                layer.parametrizations.weight.original.mul_(factor)
        for _ in range(150):
            D(images)
        D.eval()
        for name, layer in layers.items():
            if name.startswith("from_rgb.") and not name.startswith("from_rgb.2") and family is progan:
                continue  # of scales that do not play: no forward, no iteration
            applied = (layer.weight * layer.scale).detach().flatten(1)
            assert torch.linalg.svdvals(applied)[0].item() == pytest.approx(1, abs=2e-3), name
        D.train()
