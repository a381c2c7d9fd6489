"""SNGAN: published parameter counts, its blocks layer by layer, spectral normalisation, initialisation, labels."""

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from seesaw.functional.spectral import is_bounded
from seesaw.nets.layers.labels import ConditionalBatchNorm2d
from seesaw.nets.layers.residual import DownBlock, UpBlock
from seesaw.nets.sngan import Discriminator, Generator, glorot_init

NETS: dict[int, tuple[dict[str, Any], dict[str, Any]]] = {
    32: ({}, {}),
    64: ({"width": 64, "max_width": 1024}, {"width": 64, "max_width": 1024, "halvings": 5, "flat": 0}),
}


def count(net: nn.Module) -> int:
    return sum(p.numel() for p in net.parameters())


@pytest.mark.parametrize(("resolution", "of_g", "of_d"), [(32, 4_276_739, 1_053_825), (64, 12_220_675, 10_141_441)])
def test_parameter_counts_of_mimicry(resolution: int, of_g: int, of_d: int) -> None:
    """RECIPES, counted on mimicry's own modules."""
    G, D = NETS[resolution]
    with torch.device("meta"):
        assert (count(Generator(resolution, 3, **G)), count(Discriminator(resolution, 3, **D))) == (of_g, of_d)


@pytest.mark.parametrize(("shape", "halvings"), [("8x8", 2), ("16x16", 4), ("24x40", 3), ("48x80", 2), ("256x256", 2)])
@pytest.mark.parametrize("channels", [1, 5])
def test_shapes(shape: str, halvings: int, channels: int) -> None:
    height, width = map(int, shape.split("x"))
    images = Generator(shape, channels, z_dim=3, width=2, max_width=4)(torch.randn(2, 3)).images
    assert [tuple(x.shape) for x in images] == [(2, channels, height, width)]
    assert images[0].abs().max() <= 1
    D = Discriminator(shape, channels, width=2, max_width=4, halvings=halvings, flat=1)
    assert D(images).shape == (2,)
    sizes: list[tuple[int, ...]] = []
    for block in D.blocks:
        block.register_forward_hook(lambda net, given, made: sizes.append(tuple(made.shape[2:])))
    D(images)
    halved = [(height >> k, width >> k) for k in range(1, halvings + 1)]
    assert sizes == [*halved, halved[-1]]


def published(block: DownBlock, x: Tensor, first: bool) -> Tensor:
    """RECIPES, "SNGAN": the last step of both ways is the average, but for the image's block, which averages before conv1."""
    h = block.conv2(torch.relu(block.conv1(x if first else torch.relu(x))))
    if first:
        return F.avg_pool2d(h, 2) + block.shortcut(F.avg_pool2d(x, 2))
    if not block.halve:
        return h + block.shortcut(x)
    return F.avg_pool2d(h, 2) + F.avg_pool2d(block.shortcut(x), 2)


@pytest.mark.parametrize(
    ("widths", "halve", "first"),
    [((3, 4), True, True), ((4, 6), True, False), ((4, 6), False, False), ((4, 4), False, False)],
)
def test_a_block_of_d_is_the_published_one_and_leaves_its_input_alone(
    widths: tuple[int, int], halve: bool, first: bool
) -> None:
    """Negative inputs: a ReLU in place would hand ReLU(x) to the shortcut."""
    torch.manual_seed(0)
    block = DownBlock(*widths, 5, halve, first).double()
    x = torch.randn(2, widths[0], 6, 6, dtype=torch.float64)
    before = x.clone()
    torch.testing.assert_close(block(x), published(block, x, first))
    assert torch.equal(x, before)
    assert isinstance(block.shortcut, nn.Identity) == (widths[0] == widths[1] and not halve)


@pytest.mark.parametrize("classes", [0, 3])
def test_a_block_of_g_is_the_published_one(classes: int) -> None:
    torch.manual_seed(0)
    block = UpBlock(3, 4, lambda n: ConditionalBatchNorm2d(classes, n) if classes else nn.BatchNorm2d(n)).double()
    if classes:
        for norm in (block.norm1, block.norm2):
            nn.init.normal_(norm.gain.weight)
            nn.init.normal_(norm.bias.weight)
    x, y = torch.randn(5, 3, 4, 4, dtype=torch.float64), torch.tensor([0, 2, 1, 2, 0])

    def normed(norm: Any, x: Tensor) -> Tensor:
        plain = F.batch_norm(x, None, None, training=True)
        if not classes:
            return plain
        gains, biases = (e.weight[y][:, :, None, None] for e in (norm.gain, norm.bias))
        return plain * gains + biases

    def twice(x: Tensor) -> Tensor:
        return x.repeat_interleave(2, 2).repeat_interleave(2, 3)

    h = block.conv1(twice(torch.relu(normed(block.norm1, x))))
    expected = block.conv2(torch.relu(normed(block.norm2, h))) + block.shortcut(twice(x))
    torch.testing.assert_close(block(x, y if classes else None), expected)


def test_d_sums_over_pixels_and_projects_the_class() -> None:
    """<a, phi> + b + <e_y, phi>, sample by sample, phi the sum over pixels."""
    torch.manual_seed(0)
    D = Discriminator(16, 2, width=4, max_width=8, halvings=2, flat=1, classes=3).double().eval()
    x, y = torch.randn(4, 2, 16, 16, dtype=torch.float64), torch.tensor([2, 0, 1, 2])
    h = torch.relu(D.blocks(x))
    e = D.head.embedding.weight
    for k in range(4):
        phi = torch.stack([h[k, c].sum() for c in range(8)])
        expected = phi @ D.linear.weight[0] + D.linear.bias[0] + phi @ e[y[k]]
        torch.testing.assert_close(D([x], y)[k], expected)


def test_the_largest_singular_value_of_every_matrix_of_d_is_one_and_those_of_g_are_free() -> None:
    torch.manual_seed(0)
    D = Discriminator(16, 3, width=4, max_width=8, halvings=2, flat=1, classes=3).double()
    x, y = torch.randn(2, 3, 16, 16, dtype=torch.float64), torch.tensor([0, 1])
    with torch.no_grad():
        for _ in range(150):
            D([x], y)
    D.eval()
    layers = [m for m in D.modules() if isinstance(m, nn.Conv2d | nn.Linear)]
    assert len(layers) == 2 * 3 + 2 + 2  # two of three blocks have a shortcut; the last layer, the embedding
    for layer in layers:
        assert torch.linalg.svdvals(layer.weight.detach().flatten(1))[0].item() == pytest.approx(1, abs=1e-3)
    assert is_bounded(D)
    assert not any("parametrizations" in name for name in Generator(16, 3, width=2, max_width=2).state_dict())


def test_glorots_initialisation_and_its_gains() -> None:
    torch.manual_seed(0)
    G = Generator(16, 3, z_dim=40, width=24, max_width=48)
    for name, layer in G.named_modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            fans = nn.init._calculate_fan_in_and_fan_out(layer.weight)
            gain = 2.0 if name.split(".")[-1] in ("conv1", "conv2") else 1.0
            assert layer.weight.var().item() == pytest.approx(gain * 2 / sum(fans), rel=0.1), name
            assert not layer.bias.any()
    D = DownBlock(16, 32, 16)
    glorot_init(D)
    assert D.conv1.weight.var().item() == pytest.approx(2 * 2 / (16 * 9 + 16 * 9), rel=0.1)
    assert D.shortcut.weight.var().item() == pytest.approx(2 / (16 + 32), rel=0.15)


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"halvings": 5}, "halvings is 5; images of 16 px take from 1 to 4"),
        ({"halvings": 0}, "halvings is 0; images of 16 px take from 1 to 4"),
        ({"resolution": "24x40", "halvings": 4}, "halvings is 4; images of 24x40 px take from 1 to 3"),
        ({"flat": -1}, "flat is -1; it must be at least 0"),
        ({"width": 0}, "width is 0; it must be at least 1"),
        ({"resolution": 50}, "resolution is 50; its sides must be from 8 to 256 pixels"),
    ],
)
def test_an_impossible_discriminator_is_refused(wrong: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        Discriminator(**{"resolution": 16, "channels": 1, "width": 2, "max_width": 2} | wrong)


def test_a_net_with_classes_asks_for_labels() -> None:
    with pytest.raises(ValueError, match="this net has classes and was called without labels"):
        Generator(8, 1, width=2, max_width=2, classes=2)(torch.randn(2, 128))
