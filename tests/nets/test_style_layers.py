"""StyleGAN2's layers against explicit weights a sample, loops and finite differences."""

import math
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd import gradcheck, gradgradcheck
from torch.func import functional_call

from seesaw.nets.layers.equalized import EqualLinear
from seesaw.nets.layers.resample import blur
from seesaw.nets.layers.style import LReLUConv2d, LReLULinear, Mapping, ModulatedConv2d, StyledConv, ToRGB


def drawn(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def modulated(up: bool, channels: tuple[int, int] = (3, 4), w_dim: int = 5) -> ModulatedConv2d:
    torch.manual_seed(0)
    layer = ModulatedConv2d(*channels, w_dim, up).double()
    layer.second_order = True
    return layer


@pytest.mark.parametrize("up", [False, True])
def test_modulation_equals_a_convolution_with_weights_of_each_sample(up: bool) -> None:
    """Eqs. 1 and 3 written out, as one group a sample."""
    layer, x, w = modulated(up), drawn(2, 3, 6, 5), drawn(2, 5, seed=1)
    s = w @ layer.style.weight.T / math.sqrt(5) + 1
    own = layer.weight[None] * s[:, None, :, None, None]
    own = own / (own.square().sum((2, 3, 4), keepdim=True) + 1e-8).sqrt()  # (B, out, in, 3, 3)
    together = x.reshape(1, 6, 6, 5)
    if up:
        made = F.conv_transpose2d(together, own.transpose(1, 2).reshape(6, 4, 3, 3), stride=2, groups=2)
        expected = blur(made.reshape(2, 4, 13, 11), 1, 4.0)
    else:
        expected = F.conv2d(together, own.reshape(8, 3, 3, 3), padding=1, groups=2).reshape(2, 4, 6, 5)
    found, factor = layer(x, w)
    torch.testing.assert_close(found * factor[:, :, None, None], expected)
    layer.second_order = False
    torch.testing.assert_close(layer(x, w)[0], found)


@pytest.mark.parametrize("up", [False, True])
def test_finite_differences_of_modulation_in_both_orders(up: bool) -> None:
    layer = modulated(up, (2, 1), 2)
    inputs = [drawn(1, 2, 2, 3), drawn(1, 2, seed=1), layer.weight.detach()]

    def run(x: Tensor, w: Tensor, weight: Tensor) -> Tensor:
        found, factor = functional_call(layer, {"weight": weight}, (x, w))
        return F.softplus(found * factor[:, :, None, None])

    assert gradcheck(run, [t.requires_grad_() for t in inputs], fast_mode=True)
    assert gradgradcheck(run, inputs, fast_mode=True)


def test_what_comes_out_has_unit_variance_whatever_the_style() -> None:
    layer = modulated(False, (64, 64), 8)
    x, w = drawn(4, 64, 32, 32), 20 * drawn(4, 8, seed=1)
    found, factor = layer(x, w)
    inside = (found * factor[:, :, None, None])[:, :, 1:-1, 1:-1]
    assert inside.var(dim=(2, 3)).mean(1).tolist() == pytest.approx([1.0] * 4, abs=0.05)


def styled(**options: Any) -> StyledConv:
    torch.manual_seed(0)
    return StyledConv(3, 4, 5, (6, 6), **options).double()


def test_the_activation_keeps_the_papers_order_of_noise_bias_and_gain() -> None:
    layer, x, w = styled().eval(), drawn(2, 3, 6, 6), drawn(2, 5, seed=1)
    with torch.no_grad():
        layer.strength.fill_(0.7)
        layer.bias.copy_(drawn(4, seed=2))
    made, factor = layer.conv(x, w)
    before = made * factor[:, :, None, None] + 0.7 * layer.noise + layer.bias[:, None, None]
    torch.testing.assert_close(layer(x, w), F.leaky_relu(before, 0.2) * math.sqrt(2))


def test_noise_is_drawn_in_training_for_each_sample_alike_in_all_channels() -> None:
    layer, x, w = styled(), drawn(1, 3, 6, 6).expand(2, -1, -1, -1), drawn(1, 5, seed=1).expand(2, -1)
    assert torch.equal(layer(x, w)[0], layer(x, w)[1])  # its strength is 0 at first
    with torch.no_grad():
        layer.strength.fill_(1.0)
    found = layer(x, w)
    assert not torch.equal(found, layer(x, w))
    straight = torch.where(found > 0, found, 5 * found)
    difference = straight[0] - straight[1]
    torch.testing.assert_close(difference, difference[:1].expand(4, -1, -1))
    assert difference.abs().min() > 0
    layer.eval()
    assert torch.equal(layer(x, w)[0], layer(x, w)[1])


def test_colours_are_modulated_and_not_demodulated() -> None:
    torch.manual_seed(0)
    layer, x, w = ToRGB(3, 2, 5).double(), drawn(2, 3, 6, 6), drawn(2, 5, seed=1)
    s = (w @ layer.style.weight.T / math.sqrt(5) + 1) / math.sqrt(3)
    torch.testing.assert_close(layer(x, w), torch.einsum("bchw,bc,oc->bohw", x, s, layer.weight[:, :, 0, 0]))


def test_scaled_layers_are_those_of_the_equalised_learning_rate() -> None:
    torch.manual_seed(0)
    conv, linear = LReLUConv2d(3, 4, 3, padding=1).double(), LReLULinear(6, 4, 0.01).double()
    assert linear.weight.std().item() == pytest.approx(100, rel=0.3)
    with torch.no_grad():
        conv.bias.copy_(drawn(4))  # type: ignore[union-attr]
        linear.bias.copy_(drawn(4))  # type: ignore[union-attr]
    x, z = drawn(2, 3, 5, 5), drawn(2, 6)
    expected = F.leaky_relu(F.conv2d(x, conv.weight / math.sqrt(27), conv.bias, padding=1), 0.2) * math.sqrt(2)
    torch.testing.assert_close(conv(x), expected)
    expected = F.leaky_relu(z @ (linear.weight * 0.01 / math.sqrt(6)).T + 0.01 * linear.bias, 0.2) * math.sqrt(2)  # type: ignore[operator]
    torch.testing.assert_close(linear(z), expected)


def on_sphere(x: Tensor) -> Tensor:
    return x / x.norm(dim=1, keepdim=True) * math.sqrt(x.shape[1])


def test_the_mapping_sets_a_normalised_label_beside_the_normalised_latent() -> None:
    torch.manual_seed(0)
    mapping, z, y = Mapping(6, 3, 4, 2).double(), drawn(5, 6), torch.tensor([0, 2, 1, 1, 0])
    embedding = mapping.embedding
    assert isinstance(embedding, EqualLinear)
    label = (embedding.weight / math.sqrt(3)).T[y]
    given = torch.cat([on_sphere(z), on_sphere(label)], 1)
    torch.testing.assert_close(mapping(z, y), mapping.layers(given), rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(mapping(3 * z, y), mapping(z, y), rtol=1e-6, atol=1e-6)
    with torch.autocast("cpu", torch.bfloat16):
        assert mapping.float()(z.float(), y).dtype == torch.float32


def test_labels_of_a_pack_have_an_embedding_for_each_place() -> None:
    torch.manual_seed(0)
    mapping = Mapping(0, 3, 4, 1, pack=2).double()
    y = torch.tensor([[0, 2], [2, 0]])
    weight = mapping.embedding.weight / math.sqrt(6)  # type: ignore[union-attr]
    given = on_sphere(torch.stack([weight[:, 0] + weight[:, 5], weight[:, 2] + weight[:, 3]]))
    torch.testing.assert_close(mapping(None, y), mapping.layers(given), rtol=1e-6, atol=1e-6)
