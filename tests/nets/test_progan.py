"""ProGAN: published parameter counts, stages, fades."""

import math

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from seesaw.functional.convolution import SecondOrderLayer
from seesaw.nets.layers.equalized import EqualConv2d
from seesaw.nets.progan import Discriminator, Generator
from seesaw.types import Stage

COUNTS = {
    32: (20_719_628, 20_726_785),
    128: (22_933_394, 22_941_313),
    256: (23_044_309, 23_052_353),
    1024: (23_079_115, 23_087_249),
}


def parameters(net: nn.Module) -> int:
    return sum(p.numel() for p in net.parameters())


@pytest.mark.parametrize("resolution", COUNTS)
def test_parameters_are_the_published_ones(resolution: int) -> None:
    with torch.device("meta"):
        found = parameters(Generator(resolution, 3)), parameters(Discriminator(resolution, 3))
    assert found == COUNTS[resolution]


def test_the_cifar_net_of_128_channels_has_1_3_million() -> None:
    with torch.device("meta"):
        found = parameters(Generator(32, 3, z_dim=128, max_width=128)), parameters(Discriminator(32, 3, max_width=128))
    assert found == (1_296_908, 1_298_689)


@pytest.mark.parametrize("channels", [1, 3])
def test_every_stage_up_to_1024_px_has_its_shape(channels: int) -> None:
    with torch.device("meta"):
        G, D, z = Generator(1024, channels), Discriminator(1024, channels), torch.randn(4, 512)
        for depth in range(9):
            for alpha in (1.0, 0.5)[: depth + 1]:
                for net in (G, D):
                    net.depth, net.fading = depth, alpha < 1
                (images,) = G(z).images
                assert images.shape == (4, channels, 4 * 2**depth, 4 * 2**depth)
                assert D([images]).shape == (4,)


def small(channels: int = 1) -> tuple[Generator, Discriminator]:
    torch.manual_seed(0)
    return Generator(32, channels, z_dim=8, base=64, max_width=8), Discriminator(32, channels, base=64, max_width=8)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("depth", range(4))
def test_each_stage_has_its_resolution_and_runs_only_its_layers(channels: int, depth: int) -> None:
    G, D = small(channels)
    for net in (G, D):
        net.set_stage(Stage(depth, 1.0))
    (images,) = G(torch.randn(5, 8)).images
    assert images.shape == (5, channels, 4 * 2**depth, 4 * 2**depth)
    D([images]).sum().backward()
    used = {name for name, p in (*G.named_parameters(), *D.named_parameters()) if p.grad is not None}
    assert not any(name.startswith(f"blocks.{k}") for name in used for k in range(depth, 3))
    assert {name for name in used if "rgb" in name and name.endswith("weight")} == {
        f"to_rgb.{depth}.weight",
        f"from_rgb.{depth}.0.weight",
    }


def test_a_new_net_stands_at_full_depth() -> None:
    G, D = small()
    assert D([G(torch.randn(2, 8)).images[-1]]).shape == (2,)
    assert G(torch.randn(2, 8)).images[-1].shape[-1] == 32


@pytest.mark.parametrize("depth", [1, 2, 3])
def test_a_fade_begins_with_the_coarser_net_and_ends_with_the_finer(depth: int) -> None:
    G, D = small()
    z, x = torch.randn(4, 8), torch.randn(4, 1, 4 * 2**depth, 4 * 2**depth)

    def at(d: int, alpha: float, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        for net in (G, D):
            net.set_stage(Stage(d, alpha))
        return G(z).images[-1], D([images])

    coarse_g, coarse_d = at(depth - 1, 1.0, F.avg_pool2d(x, 2))
    fine_g, fine_d = at(depth, 1.0, x)
    zero_g, zero_d = at(depth, 0.0, x)
    assert torch.equal(zero_g, F.interpolate(coarse_g, scale_factor=2))
    assert torch.equal(zero_d, coarse_d)
    half_g, half_d = at(depth, 0.25, x)
    torch.testing.assert_close(half_g, zero_g + 0.25 * (fine_g - zero_g))
    near_g, near_d = at(depth, 1 - 1e-7, x)
    torch.testing.assert_close(near_g, fine_g, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(near_d, fine_d, atol=1e-5, rtol=1e-5)
    assert not torch.allclose(half_d, fine_d)


def test_half_of_a_fade_keeps_its_gradients_under_bfloat16() -> None:
    """A penalty's double backward under autocast, by the convolution that the step takes for it: finite, and within 10 % of
    float32's. (torch's own, on a processor with AMX, gives other gradients of the weights in bfloat16.)"""
    _, D = small()
    D.set_stage(Stage(3, 0.5))
    for layer in D.modules():
        if isinstance(layer, SecondOrderLayer):
            layer.second_order = True
    x = torch.randn(8, 1, 32, 32)

    def gradients(enabled: bool) -> torch.Tensor:
        leaf = x.clone().requires_grad_()
        with torch.autocast("cpu", torch.bfloat16, enabled=enabled):
            (slope,) = torch.autograd.grad(D([leaf]).float().sum(), leaf, create_graph=True)
            weights = [p for part in (D.blocks, D.last) for p in part.parameters() if p.ndim > 1]
            found = torch.autograd.grad(slope.square().sum(), weights)
        return torch.cat([g.flatten() for g in found])

    low, full = gradients(enabled=True), gradients(enabled=False)
    assert 0 < (low - full).norm() < 0.1 * full.norm()


def test_activations_have_unit_size_at_the_start() -> None:
    """Pixel norm makes G's features of size 1. In D, without any norm, a layer keeps the second moment within a factor of 2.5
    (64 channels are few), and all of them together within 1.5 a layer."""
    torch.manual_seed(0)
    G, D = Generator(64, 3, z_dim=64, base=2048, max_width=64), Discriminator(64, 3, base=2048, max_width=64)
    sizes: list[float] = []
    for block in G.blocks:
        block.register_forward_hook(lambda _, __, out: sizes.append(out.square().mean().item()))
    G(torch.randn(16, 64))
    assert sizes == pytest.approx([1.0] * 4, abs=0.01)
    ratios: list[float] = []
    for layer in D.modules():
        if isinstance(layer, nn.Sequential) and isinstance(layer[0], EqualConv2d):
            layer.register_forward_hook(
                lambda _, i, o: ratios.append((o.square().mean() / i[0].square().mean()).item())
            )
    D([torch.randn(16, 3, 64, 64)])
    assert len(ratios) == 10
    assert all(0.4 < ratio < 2.5 for ratio in ratios), ratios
    assert 1 / 1.5 < math.prod(ratios) ** 0.1 < 1.5


def test_only_the_direction_of_a_latent_counts() -> None:
    G, _ = small()
    z = torch.randn(3, 8)
    torch.testing.assert_close(G(z).images[-1], G(5 * z).images[-1], atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"resolution": 50}, "resolution is 50; its sides must be from 8 to 1024 .* the nearest is 48"),
        ({"max_width": 0}, "max_width is 0"),
        ({"base": 8}, "base 8 and max_width 512 give 0 channels at 32 px"),
    ],
)
def test_impossible_nets_are_refused(wrong: dict[str, int], sentence: str) -> None:
    for net in (Generator, Discriminator):
        with pytest.raises(ValueError, match=sentence):
            net(**({"resolution": 32, "channels": 3} | wrong))
