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
