"""Fully connected nets: parameter counts of the published widths, shapes, ranges."""

import pytest
import torch

from seesaw.nets.mlp import Discriminator, Generator


def count(net: torch.nn.Module) -> int:
    return sum(p.numel() for p in net.parameters())


def test_parameter_counts_of_the_common_recipe_and_of_lightning_bolts() -> None:
    assert (count(Generator(28, 1)), count(Discriminator(28, 1))) == (1_510_032, 533_505)
    bolts = Generator(28, 1, z_dim=32, widths=(256, 512, 1024), batch_norm=False)
    assert (count(bolts), count(Discriminator(28, 1, (1024, 512, 256), dropout=0.3))) == (1_468_944, 1_460_225)


@pytest.mark.parametrize(("resolution", "channels"), [(16, 1), (32, 3), (256, 1)])
def test_shapes(resolution: int, channels: int) -> None:
    images = Generator(resolution, channels)(torch.randn(3, 100)).images
    assert [tuple(x.shape) for x in images] == [(3, channels, resolution, resolution)]
    assert images[0].abs().max() <= 1
    assert Discriminator(resolution, channels)(images).shape == (3,)


@pytest.mark.parametrize("bounded", [None, False])
def test_points_of_the_plane_are_not_bounded(bounded: bool | None) -> None:
    z = 1e4 * torch.randn(64, 100)
    points = Generator(1, 2, batch_norm=False, bounded=bounded)(z).images[0]
    assert points.shape == (64, 2, 1, 1)
    assert points.abs().max() > 1
    assert Generator(1, 2, batch_norm=False, bounded=True)(z).images[0].abs().max() <= 1


def test_dropout_acts_in_training_alone() -> None:
    D, x = Discriminator(16, 1, dropout=0.5), [torch.randn(8, 1, 16, 16)]
    assert not torch.equal(D(x), D(x))
    assert torch.equal(D.eval()(x), D(x))
    with pytest.raises(ValueError, match=r"dropout is 1\.0; it must be at least 0 and under 1"):
        Discriminator(16, 1, dropout=1.0)


def test_spectral_normalisation_bounds_the_slope() -> None:
    """Leaky ReLU has a slope of at most 1, so D(x) - D(y) is at most the distance of x and y."""
    torch.manual_seed(0)
    D = Discriminator(8, 1, widths=(16, 8), spectral_norm=True)
    for _ in range(200):
        D([torch.zeros(1, 1, 8, 8)])
    x = torch.randn(2, 64, 1, 8, 8)
    ratio = (D.eval()([x[0]]) - D([x[1]])).abs() / (x[0] - x[1]).flatten(1).norm(dim=1)
    assert 0 < ratio.max() <= 1.001
    with torch.no_grad():
        for p in D.parameters():
            p.mul_(100)
    D.train()
    for _ in range(50):
        D([torch.zeros(1, 1, 8, 8)])
    again = (D.eval()([x[0]]) - D([x[1]])).abs() / (x[0] - x[1]).flatten(1).norm(dim=1)
    assert again.max() <= 1.001
