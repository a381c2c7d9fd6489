"""R3GAN: published parameter counts, the block and the head against loops, Fixup's initialisation, labels, shapes."""

import math
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from scipy import ndimage
from torch import Tensor, nn

from seesaw.nets.r3gan import Block, Discriminator, Generator, Resample

DOUBLE = torch.float64
IMAGENET = {"classes": 1000, "base": 49152, "max_width": 1536, "group_size": 32}


@pytest.mark.parametrize(
    ("resolution", "options", "of_g", "of_d"),
    [
        (32, {}, 20_732_160, 20_683_776),
        (32, {"classes": 10}, 20_781_952, 21_280_512),
        (64, {}, 22_429_824, 22_381_440),
        (256, {}, 23_057_952, 23_009_568),
        (32, IMAGENET, 82_914_304, 86_548_992),
        (64, IMAGENET, 103_570_432, 107_205_120),
    ],
    ids=["CIFAR-10", "CIFAR-10 with classes", "FFHQ-64", "FFHQ-256", "ImageNet-32", "ImageNet-64"],
)
def test_parameter_counts_of_the_authors_code(resolution: int, options: dict[str, Any], of_g: int, of_d: int) -> None:
    """RECIPES, counted on the repository's own modules."""
    with torch.device("meta"):
        nets = Generator(resolution, 3, **options), Discriminator(resolution, 3, **options)
    assert tuple(sum(p.numel() for p in net.parameters()) for net in nets) == (of_g, of_d)


def lrelu(x: Tensor) -> Tensor:
    return torch.where(x > 0, x, 0.2 * x)


@pytest.mark.parametrize(("width", "group_size", "groups"), [(8, 4, 4), (8, 16, 1), (3, 16, 1), (24, 16, 3)])
def test_a_block_is_the_published_one_group_by_group(width: int, group_size: int, groups: int) -> None:
    torch.manual_seed(0)
    block = Block(width, group_size, 8).double()
    for p in block.parameters():
        nn.init.normal_(p)
    x = torch.randn(2, width, 5, 5, dtype=DOUBLE)
    h = lrelu(torch.einsum("bchw,dc->bdhw", x, block.widen.weight[:, :, 0, 0]) + block.widen.bias[:, None, None])
    parts = [
        F.conv2d(part, w, padding=1)
        for part, w in zip(h.chunk(groups, 1), block.spatial.weight.chunk(groups), strict=True)
    ]
    h = lrelu(torch.cat(parts, 1) + block.spatial.bias[:, None, None])
    expected = x + torch.einsum("bchw,dc->bdhw", h, block.narrow.weight[:, :, 0, 0])
    torch.testing.assert_close(block(x), expected)


def filtered(x: Tensor, gain: float) -> Any:
    """Every channel correlated with outer([1, 3, 3, 1]) / 64 times a gain, zeros beyond the edges, by scipy."""
    taps = torch.tensor([1.0, 3, 3, 1], dtype=DOUBLE)
    kernel = torch.outer(taps, taps).numpy() / 64 * gain
    return np.array(
        [[ndimage.correlate(c.numpy(), kernel, mode="constant", origin=(-2, -2)) for c in sample] for sample in x]
    )


def test_the_size_halves_before_the_width_changes_and_doubles_after_it() -> None:
    """Against scipy: down takes every second filtered pixel, up filters pixels with zeros between them."""
    torch.manual_seed(0)
    x = torch.randn(1, 2, 6, 4, dtype=DOUBLE)
    down, up = Resample(2, 3, up=False).double(), Resample(2, 3, up=True).double()
    padded = F.pad(x, (1, 1, 1, 1))
    halves = torch.tensor(filtered(padded, 1.0), dtype=DOUBLE)[:, :, :6:2, :4:2]
    torch.testing.assert_close(down(x), F.conv2d(halves, down.conv.weight))
    spread = torch.zeros(1, 3, 12, 8, dtype=DOUBLE)
    spread[:, :, ::2, ::2] = F.conv2d(x, up.conv.weight).detach()
    kernelled = torch.tensor(filtered(F.pad(spread, (2, 1, 2, 1)), 4.0), dtype=DOUBLE)[:, :, :12, :8]
    torch.testing.assert_close(up(x).detach(), kernelled)
    assert isinstance(Resample(3, 3, up=True).conv, nn.Identity)


def test_initial_weights_are_fixups() -> None:
    """RECIPES: g / sqrt(fan_in), g = sqrt(2 / 1.04) L^(-1/4) within the blocks, 0 for their last convolution, else 1."""
    torch.manual_seed(0)
    G, D = (net(32, 3, base=1024, max_width=64, classes=10) for net in (Generator, Discriminator))
    for net in (G, D):
        blocks = [m for m in net.modules() if isinstance(m, Block)]
        assert len(blocks) == 8
        gain = math.sqrt(2 / 1.04) * 8**-0.25
        for block in blocks:
            assert block.widen.weight.std().item() == pytest.approx(gain / 8, rel=0.05)
            assert block.spatial.weight.std().item() == pytest.approx(gain / math.sqrt(9 * 16), rel=0.05)
            assert block.spatial.weight.shape == (128, 16, 3, 3)
            assert not any(p.any() for p in (block.narrow.weight, block.widen.bias, block.spatial.bias))
    assert G.linear.weight.std().item() == pytest.approx(1 / math.sqrt(128), rel=0.05)
    assert G.grid.std().item() == pytest.approx(1, rel=0.1)
    assert G.latent.embedding.weight.std().item() == pytest.approx(1 / math.sqrt(10), rel=0.1)
    assert G.to_rgb.weight.std().item() == pytest.approx(1 / 8, rel=0.2)
    assert D.from_rgb.weight.std().item() == pytest.approx(1 / math.sqrt(3), rel=0.2)
    assert D.pool.std().item() == pytest.approx(1 / 4, rel=0.1)
    assert D.linear.weight.std().item() == pytest.approx(1 / 8, rel=0.05)
    assert D.head.embedding.weight.std().item() == pytest.approx(1 / math.sqrt(64 * 10), rel=0.1)
    biases = {name for net in (G, D) for name, p in net.named_parameters() if name.endswith("bias")}
    assert all(name.endswith(("widen.bias", "spatial.bias")) for name in biases)


def test_g_begins_at_a_grid_that_the_latent_scales() -> None:
    """At first the blocks are the identity, so an image is the grid, resampled: linear in z."""
    torch.manual_seed(0)
    G = Generator("24x40", 2, z_dim=5, base=64, max_width=8).double()
    a, b = torch.randn(2, 1, 5, dtype=DOUBLE)
    torch.testing.assert_close(G(a + b).images[0], G(a).images[0] + G(b).images[0])
    x = G.grid * (G.linear.weight @ a[0])[:, None, None]
    for k in range(3):
        assert x.shape[1:] == (3 << k, 5 << k)
        x = Resample.forward(G.stages[2 + 3 * k], x[None])[0]
    torch.testing.assert_close(G(a).images[0], G.to_rgb(x[None]))


@pytest.mark.parametrize("classes", [0, 3])
def test_the_logit_is_that_of_a_loop(classes: int) -> None:
    """The depthwise convolution of one place, then the linear layer; with classes <A phi, e_y> and nothing beside it."""
    torch.manual_seed(0)
    D = Discriminator(16, 1, base=64, max_width=8, classes=classes).double()
    x, y = torch.randn(4, 1, 16, 16, dtype=DOUBLE), torch.tensor([2, 0, 1, 2])
    h = D.stages(D.from_rgb(x))
    phi = F.conv2d(h, D.pool[:, None], groups=8)[:, :, 0, 0]
    for k in range(4):
        last = D.linear.weight @ phi[k]
        expected = last @ D.head.embedding.weight[y[k]] if classes else last[0]
        torch.testing.assert_close(D([x], y if classes else None)[k], expected)


def test_the_auxiliary_classifier_stands_beside_a_logit_without_a_class() -> None:
    D = Discriminator(8, 1, base=64, max_width=8, classes=3, condition="auxiliary")
    found = D([torch.randn(2, 1, 8, 8)], torch.tensor([0, 1]))
    assert (found.adversarial.shape, found.classes.shape) == ((2,), (2, 1, 3))
    assert D.linear.weight.shape == (1, 8)


@pytest.mark.parametrize(("shape", "channels"), [("8x8", 1), ("48x80", 5), ("96x160", 3)])
def test_shapes(shape: str, channels: int) -> None:
    height, width = map(int, shape.split("x"))
    images = Generator(shape, channels, z_dim=3, base=128, max_width=4)(torch.randn(2, 3)).images
    assert [tuple(x.shape) for x in images] == [(2, channels, height, width)]
    assert Discriminator(shape, channels, base=128, max_width=4)(images).shape == (2,)


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"group_size": 6}, "group_size is 6; it must divide the 16 channels within a block of width 8"),
        ({"group_size": 0}, "group_size is 0; it must be at least 1"),
        ({"base": 2}, "base 2 and max_width 8 give 0 channels at 16 px; at least 1 are needed"),
    ],
)
def test_impossible_widths_are_refused(wrong: dict[str, Any], sentence: str) -> None:
    for net in (Generator, Discriminator):
        with pytest.raises(ValueError, match=sentence):
            net(**{"resolution": 16, "channels": 1, "base": 64, "max_width": 8} | wrong)
