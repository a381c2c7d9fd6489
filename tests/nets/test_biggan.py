"""BigGAN's CIFAR-10 form: parameters by hand, spectral normalisation in both players, initialisation, conditional BatchNorm."""

import pytest
import torch
from torch import nn

from seesaw.nets.biggan import Discriminator, Generator
from seesaw.nets.layers.labels import ConditionalBatchNorm2d


def by_hand(width: int, classes: int) -> tuple[int, int]:
    """RECIPES, "BigGAN, CIFAR-10": G from 4 px in three up-blocks, D four blocks of which two halve."""

    def conv(before: int, after: int, side: int = 3) -> int:
        return side * side * before * after + after

    norm = 2 * width * (classes or 1)
    up = 2 * norm + 2 * conv(width, width) + conv(width, width, 1)
    g = 16 * width * (128 + 1) + 3 * up + 2 * width + conv(width, 3)
    first = conv(3, width) + conv(width, width) + conv(3, width, 1)
    d = first + 3 * 2 * conv(width, width) + conv(width, width, 1) + width + 1 + classes * width
    return g, d


@pytest.mark.parametrize("classes", [0, 10])
def test_parameter_counts(classes: int) -> None:
    with torch.device("meta"):
        nets = Generator(32, 3, classes=classes), Discriminator(32, 3, classes=classes)
    assert tuple(sum(p.numel() for p in net.parameters()) for net in nets) == by_hand(256, classes)


def test_both_players_are_normalised_and_class_embeddings_of_g_are_not() -> None:
    torch.manual_seed(0)
    G, D = Generator(8, 3, z_dim=6, width=4, classes=3).double(), Discriminator(8, 3, width=4, classes=3).double()
    z, y = torch.randn(4, 6, dtype=torch.float64), torch.tensor([0, 1, 2, 0])
    with torch.no_grad():
        for _ in range(150):
            images = G(z, y).images
            D(images, y)
    for net in (G.eval(), D.eval()):
        for layer in (m for m in net.modules() if isinstance(m, nn.Conv2d | nn.Linear)):
            assert torch.linalg.svdvals(layer.weight.detach().flatten(1))[0].item() == pytest.approx(1, abs=1e-3)
    free = {name for name, p in G.named_parameters() if p.ndim > 1 and "parametrizations" not in name}
    assert free == {f"blocks.{k}.norm{n}.{what}.weight" for k in (0,) for n in (1, 2) for what in ("gain", "bias")}


def test_initial_weights_are_normal_with_a_deviation_of_0_02() -> None:
    torch.manual_seed(0)
    G, D = Generator(16, 3, width=64, classes=40), Discriminator(16, 3, width=64, classes=40)
    for net in (G, D):
        for name, p in net.named_parameters():
            if p.ndim > 1 and "norm" not in name:
                assert p.std().item() == pytest.approx(0.02, rel=0.1), name
            elif name.endswith("bias"):
                assert not p.any(), name
    norms = [m for m in G.modules() if isinstance(m, ConditionalBatchNorm2d)]
    assert len(norms) == 4
    for norm in norms:  # the gain is 1 + W y
        assert (norm.gain.weight - 1).std().item() == pytest.approx(0.02, rel=0.1)
        assert norm.gain.weight.mean().item() == pytest.approx(1, abs=0.002)
        assert norm.bias.weight.std().item() == pytest.approx(0.02, rel=0.1)
    assert torch.equal(G.norm.weight, torch.ones(64))


@pytest.mark.parametrize(("shape", "channels"), [("8x8", 1), ("24x40", 5), ("48x80", 2)])
def test_shapes(shape: str, channels: int) -> None:
    height, width = map(int, shape.split("x"))
    images = Generator(shape, channels, z_dim=3, width=2)(torch.randn(2, 3)).images
    assert [tuple(x.shape) for x in images] == [(2, channels, height, width)]
    assert Discriminator(shape, channels, width=2)(images).shape == (2,)


def test_halvings_that_an_image_does_not_take_are_refused() -> None:
    with pytest.raises(ValueError, match="halvings is 4; images of 24x40 px take from 1 to 3"):
        Discriminator("24x40", 1, width=2, halvings=4)
    with pytest.raises(ValueError, match="flat is -2; it must be at least 0"):
        Discriminator(16, 1, width=2, flat=-2)
