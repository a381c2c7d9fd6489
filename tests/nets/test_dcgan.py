"""DCGAN: published parameter counts, every option's shapes, initialisation."""

import itertools

import pytest
import torch
from torch import nn

from seesaw.functional.spectral import is_bounded
from seesaw.nets.dcgan import Discriminator, Generator, widths


def count(net: nn.Module) -> int:
    return sum(p.numel() for p in net.parameters())


def test_parameter_counts_of_pytorch_examples() -> None:
    """RECIPES, counted on the repository's own modules: the 64 px net."""
    assert (count(Generator(64, 3)), count(Discriminator(64, 3))) == (3_576_704, 2_765_568)


def test_radford_s_widths() -> None:
    assert widths(4, 128, 1024) == [1024, 512, 256, 128]
    assert widths(6, 64, 1024) == [1024, 1024, 512, 256, 128, 64]


@pytest.mark.parametrize("resolution", [16, 32, 64, 128, 256])
@pytest.mark.parametrize("channels", [1, 3])
def test_every_resolution(resolution: int, channels: int) -> None:
    images = Generator(resolution, channels, width=2)(torch.randn(2, 100)).images
    assert [tuple(x.shape) for x in images] == [(2, channels, resolution, resolution)]
    assert images[0].abs().max() < 1
    assert Discriminator(resolution, channels, width=2)(images).shape == (2,)


@pytest.mark.parametrize(("up", "kernel"), itertools.product(["transposed", "nearest"], [4, 5]))
def test_every_way_up(up: str, kernel: int) -> None:
    generator = Generator(32, 1, width=2, up=up, kernel=kernel)
    assert generator(torch.randn(2, 100)).images[0].shape == (2, 1, 32, 32)
    strided = [m for m in generator.modules() if isinstance(m, nn.ConvTranspose2d) and m.stride == (2, 2)]
    assert [m.kernel_size for m in strided] == ([] if up == "nearest" else [(kernel, kernel)] * 3)


@pytest.mark.parametrize(
    ("down", "kernel", "norm", "fc"), itertools.product(["stride", "pool"], [4, 5], ["batch", "none"], [(), (7, 5)])
)
def test_every_way_down(down: str, kernel: int, norm: str, fc: tuple[int, ...]) -> None:
    D = Discriminator(32, 1, width=2, down=down, kernel=kernel, norm=norm, fc=fc)
    assert D([torch.randn(3, 1, 32, 32)]).shape == (3,)
    assert sum(isinstance(m, nn.BatchNorm2d) for m in D.modules()) == (2 if norm == "batch" else 0)
    assert sum(isinstance(m, nn.AvgPool2d) for m in D.modules()) == (3 if down == "pool" else 0)
    assert [m.out_features for m in D.modules() if isinstance(m, nn.Linear)] == [*fc, 1]


@pytest.mark.parametrize("wrong", [8, 50, 512, "16x272"])
def test_impossible_resolutions_are_refused(wrong: int | str) -> None:
    for net in (Generator, Discriminator):
        with pytest.raises(
            ValueError, match=f"resolution is {wrong}; its sides must be from 16 to 256 pixels, and a base"
        ):
            net(wrong, 1)


@pytest.mark.parametrize("wrong", ["width", "max_width", "z_dim"])
def test_sizes_below_one_are_refused(wrong: str) -> None:
    with pytest.raises(ValueError, match=f"{wrong} is 0; it must be at least 1"):
        Generator(32, 1, **{wrong: 0})


@pytest.mark.parametrize(("down", "fc"), itertools.product(["stride", "pool"], [(), (7,)]))
def test_spectral_normalisation_bounds_every_layer(down: str, fc: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    D = Discriminator(32, 1, width=2, down=down, norm="none", fc=fc, spectral_norm=True)
    assert is_bounded(D)
    layers = [m for m in D.modules() if isinstance(m, nn.Conv2d | nn.Linear)]
    assert len(layers) == 4 + len(fc)
    for _ in range(100):
        assert D([torch.randn(3, 1, 32, 32)]).shape == (3,)
    for layer in layers:
        assert torch.linalg.svdvals(layer.weight.detach().flatten(1))[0].item() == pytest.approx(1, abs=0.02)
    with pytest.raises(ValueError, match="spectral_norm takes norm=none: BatchNorm undoes any scale"):
        Discriminator(32, 1, spectral_norm=True)


def test_initialisation() -> None:
    """N(0, 0.02) for convolutions, N(1, 0.02) for BatchNorm: 1 % of 0.02 on 3.5 million draws is far beyond chance."""
    torch.manual_seed(0)
    G = Generator(64, 3)
    weights = torch.cat([m.weight.flatten() for m in G.modules() if isinstance(m, nn.ConvTranspose2d)])
    assert weights.std().item() == pytest.approx(0.02, rel=0.01)
    assert weights.mean().item() == pytest.approx(0, abs=1e-4)
    scales = torch.cat([m.weight for m in G.modules() if isinstance(m, nn.BatchNorm2d)])
    assert scales.mean().item() == pytest.approx(1, abs=0.005)
    assert scales.std().item() == pytest.approx(0.02, rel=0.15)
