"""MSG-GAN: published parameter counts, every scale, the three combine functions."""

import math
from typing import Any

import pytest
import torch
from torch import nn

from seesaw.functional.convolution import SecondOrderLayer
from seesaw.nets.layers.equalized import EqualConv2d
from seesaw.nets.msggan import Combine, Discriminator, Generator

G_COUNTS = {32: 20_719_628, 128: 22_933_394, 256: 23_044_309, 1024: 23_079_115}
D_COUNTS = {32: 17_184_001, 128: 18_659_329, 256: 18_733_185, 1024: 18_756_321}
COMBINES = ("simple", "lin_cat", "cat_lin")


def parameters(net: nn.Module) -> int:
    return sum(p.numel() for p in net.parameters())


@pytest.mark.parametrize("resolution", D_COUNTS)
def test_parameters_are_those_of_the_authors_code(resolution: int) -> None:
    with torch.device("meta"):
        assert parameters(Generator(resolution, 3)) == G_COUNTS[resolution]
        assert parameters(Discriminator(resolution, 3, combine="lin_cat", stddev="last")) == D_COUNTS[resolution]
        every = parameters(Discriminator(resolution, 3, combine="lin_cat", stddev="every"))
    widths = {32: [512] * 3, 128: [512] * 3 + [256, 128], 256: [512] * 3 + [256, 128, 64]}
    if resolution in widths:  # one channel more before the first 3x3 convolution of each block
        assert every - D_COUNTS[resolution] == sum(9 * w for w in widths[resolution])


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("combine", COMBINES)
def test_every_scale_up_to_1024_px_has_its_shape(channels: int, combine: Any) -> None:
    with torch.device("meta"):
        images = Generator(1024, channels)(torch.randn(4, 512)).images
        assert [tuple(x.shape) for x in images] == [(4, channels, 4 * 2**k, 4 * 2**k) for k in range(9)]
        assert Discriminator(1024, channels, combine=combine)(images).shape == (4,)


@pytest.mark.parametrize(("resolution", "count"), [(256, 24_198_273), (1024, 24_238_625)])
def test_cat_lin_in_every_block_has_the_parameters_of_the_msg_stylegan_discriminator(
    resolution: int, count: int
) -> None:
    """The authors' other discriminator has the same layers."""
    with torch.device("meta"):
        assert parameters(Discriminator(resolution, 3, combine="cat_lin", stddev="every", group=4)) == count


def small(channels: int = 3, **options: Any) -> tuple[Generator, Discriminator]:
    torch.manual_seed(0)
    G = Generator(32, channels, z_dim=8, base=64, max_width=8)
    return G, Discriminator(32, channels, base=64, max_width=8, **options)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("combine", COMBINES)
@pytest.mark.parametrize("stddev", ["every", "last"])
def test_gradients_of_the_logit_reach_g_at_every_scale_directly(channels: int, combine: str, stddev: str) -> None:
    G, D = small(channels, combine=combine, stddev=stddev)
    images = G(torch.randn(4, 8)).images
    assert [tuple(x.shape[1:]) for x in images] == [(channels, h, h) for h in (4, 8, 16, 32)]
    gradients = torch.autograd.grad(D(images).sum(), [*images, *D.parameters()])
    assert all(g.abs().sum() > 0 for g in gradients)
    assert D(images).shape == (4,)


def test_the_combine_functions_are_the_papers() -> None:
    o, a = torch.randn(2, 3, 4, 4), torch.randn(2, 8, 4, 4)
    assert torch.equal(Combine("simple", 3, 8)(o, a), torch.cat([o, a], 1))
    lin_cat = Combine("lin_cat", 3, 8)
    assert (lin_cat.trunk, lin_cat.out) == (4, 8)
    torch.testing.assert_close(lin_cat(o, a[:, :4]), torch.cat([lin_cat.linear(o), a[:, :4]], 1))
    cat_lin = Combine("cat_lin", 3, 8)
    mixed = torch.einsum(
        "oc,bchw->bohw", cat_lin.linear.weight[:, :, 0, 0] * cat_lin.linear.scale, torch.cat([o, a], 1)
    )
    torch.testing.assert_close(cat_lin(o, a), mixed, atol=1e-5, rtol=1e-5)
    with pytest.raises(ValueError, match="combine is 'add'; it must be one of simple, lin_cat, cat_lin"):
        Combine("add", 3, 8)  # type: ignore[arg-type]


def test_minibatch_stddev_sees_a_collapse_in_every_block_or_only_in_the_last() -> None:
    for stddev, blocks in (("every", 3), ("last", 0)):
        _, D = small(stddev=stddev)
        counted = [m for b in D.blocks for m in b if type(m).__name__ == "MinibatchStddev"]
        assert len(counted) == blocks
        one = [torch.randn(1, 3, h, h).expand(4, -1, -1, -1) for h in (4, 8, 16, 32)]
        alone = torch.cat([D([x[:1] for x in one]) for _ in range(4)])
        torch.testing.assert_close(D(one), alone, atol=1e-4, rtol=1e-4)
        varied = [torch.cat([x[:1], torch.randn(3, *x.shape[1:])]) for x in one]
        assert not torch.allclose(D(varied)[0], D(one)[0])


def test_features_have_unit_size_at_the_start() -> None:
    torch.manual_seed(0)
    G = Generator(64, 3, z_dim=64, base=2048, max_width=64)
    seen: list[float] = []
    for block in G.blocks:
        block.register_forward_hook(lambda _, __, out: seen.append(out.square().mean().item()))
    images = G(torch.randn(16, 64)).images
    assert seen == pytest.approx([1.0] * 5, abs=0.01)
    sizes = [x.square().mean().item() for x in images]
    assert sum(sizes) / 5 == pytest.approx(2, abs=1)  # the authors' gain of sqrt(2) on the colours


@pytest.mark.parametrize("combine", COMBINES)
def test_the_first_layers_of_d_keep_the_size_of_their_inputs(combine: str) -> None:
    """Each convolution with its leaky ReLU keeps the second moment within a factor of 2.5, all together within 1.5 a layer."""
    torch.manual_seed(0)
    D = Discriminator(64, 3, base=2048, max_width=64, combine=combine)  # type: ignore[arg-type]
    ratios: list[float] = []
    for layer in D.modules():
        if isinstance(layer, nn.Sequential) and isinstance(layer[0], EqualConv2d):
            layer.register_forward_hook(
                lambda _, i, o: ratios.append((o.square().mean() / i[0].square().mean()).item())
            )
    D([torch.randn(16, 3, h, h) for h in (4, 8, 16, 32, 64)])
    assert len(ratios) == 9
    assert all(0.4 < ratio < 2.5 for ratio in ratios), ratios
    assert 1 / 1.5 < math.prod(ratios) ** (1 / 9) < 1.5


@pytest.mark.parametrize("combine", COMBINES)
def test_a_penalty_over_the_scales_survives_bfloat16(combine: str) -> None:
    """Double backward under autocast, every scale, by the convolution that the step takes for it: finite, and within 10 % of
    float32's. (torch's own, on a processor with AMX, gives other gradients of the weights in bfloat16.)"""
    _, D = small(combine=combine)
    for layer in D.modules():
        if isinstance(layer, SecondOrderLayer):
            layer.second_order = True
    x = [torch.randn(8, 3, h, h) for h in (4, 8, 16, 32)]

    def gradients(enabled: bool) -> torch.Tensor:
        leaves = [image.clone().requires_grad_() for image in x]
        with torch.autocast("cpu", torch.bfloat16, enabled=enabled):
            slopes = torch.autograd.grad(D(leaves).float().sum(), leaves, create_graph=True)
            size = torch.stack([slope.square().sum() for slope in slopes]).sum()
            found = torch.autograd.grad(size, [p for p in D.parameters() if p.ndim > 1])
        return torch.cat([g.flatten() for g in found])

    low, full = gradients(enabled=True), gradients(enabled=False)
    assert 0 < (low - full).norm() < 0.1 * full.norm()


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"resolution": 4}, "from 8 to 1024"),
        ({"stddev": "none"}, "stddev is 'none'; it must be every or last"),
        ({"base": 16}, "base 16 and max_width 512 give 1 channels at 32 px; at least 2 are needed"),
        ({"group": 0}, "group is 0"),
    ],
)
def test_impossible_nets_are_refused(wrong: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        Discriminator(**({"resolution": 32, "channels": 3} | wrong))
