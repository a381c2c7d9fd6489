"""StyleGAN2: counted parameters, w by layer, style mixing, truncation, path lengths, labels."""

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from seesaw.functional.penalties import path_lengths
from seesaw.functional.resolution import scales_of
from seesaw.nets.layers.resample import blur, downsample, upsample
from seesaw.nets.stylegan2 import Discriminator, Generator, PlainBlock, ResidualBlock
from seesaw.types import Logits

CONFIG: dict[str, tuple[int, dict[str, Any], dict[str, Any], tuple[int, int]]] = {
    "stylegan2 256": (256, {}, {}, (30_034_338, 28_864_129)),
    "paper256": (256, {"base": 8192}, {"base": 8192}, (24_767_458, 24_001_089)),
    "auto 256": (256, {"base": 8192, "mapping": 2}, {"base": 8192}, (23_191_522, 24_001_089)),
    "stylegan2 1024": (1024, {}, {}, (30_370_060, 29_012_513)),
    "auto 1024": (1024, {"mapping": 2}, {}, (28_794_124, 29_012_513)),
    "cifar": (32, {"mapping": 2}, {"residual": False}, (19_947_539, 20_720_641)),
    "cifar, 10 classes": (32, {"mapping": 2, "classes": 10}, {"residual": False, "classes": 10}, (20_215_315, 23_089_664)),
}  # fmt: skip


def parameters(net: nn.Module) -> int:
    return sum(p.numel() for p in net.parameters())


@pytest.mark.parametrize("name", CONFIG)
def test_parameters_are_those_counted_on_the_authors_modules(name: str) -> None:
    resolution, g, d, expected = CONFIG[name]
    with torch.device("meta"):
        assert (parameters(Generator(resolution, 3, **g)), parameters(Discriminator(resolution, 3, **d))) == expected


SMALL: dict[str, Any] = {"base": 64, "max_width": 4}


def small(resolution: Any = 16, channels: int = 1, **options: Any) -> Generator:
    torch.manual_seed(0)
    return Generator(resolution, channels, z_dim=6, w_dim=5, mapping=2, **SMALL | options)


@pytest.mark.parametrize("channels", [1, 2, 8])
@pytest.mark.parametrize("resolution", [8, "24x40", "96x64"])
def test_images_of_every_shape_and_their_logits(resolution: Any, channels: int) -> None:
    """One w for each modulated convolution but the colours, which share one, and the last colours' own."""
    G, D = small(resolution, channels), Discriminator(resolution, channels, **SMALL)
    fake = G(torch.randn(3, 6))
    scales = scales_of(resolution)
    assert fake.images[0].shape == (3, channels, *scales.at(scales.doublings))
    assert fake.w is not None
    assert fake.w.shape == (3, 2 * scales.doublings + 2, 5)
    assert D(fake.images).shape == (3,)


def test_the_number_of_w_is_the_papers() -> None:
    with torch.device("meta"):
        assert {px: Generator(px, 3).layers for px in (256, 1024)} == {256: 14, 1024: 18}


def test_each_layer_sees_its_own_w_and_colours_add_up_over_the_scales() -> None:
    """Two scales written out: the first colours and the up-convolution behind them have the same w."""
    G = small(8).eval()
    w = torch.randn(2, 4, 5, generator=torch.Generator().manual_seed(0))
    x = G.first(G.const[None].expand(2, -1, -1, -1), w[:, 0])
    low = G.to_rgb[0](x, w[:, 1])
    x = G.blocks[0].conv(G.blocks[0].up(x, w[:, 1]), w[:, 2])
    torch.testing.assert_close(G.synthesis(w), upsample(low) + G.to_rgb[1](x, w[:, 3]))


def test_style_mixing_exchanges_the_last_layers_of_the_whole_batch() -> None:
    G, z = small(32, mixing=1.0), torch.randn(3, 6)
    found = []
    for _ in range(200):
        w = G.w_of(z)
        own = (w == G.mapping(z, None)[:, None]).all(2)
        assert torch.equal(own, own[:1].expand(3, -1))
        found.append(int(own[0].sum()))
        assert own[0, : found[-1]].all()
        assert torch.equal(w[:, found[-1] :], w[:, -1:].expand(-1, G.layers - found[-1], -1))
    assert set(found) == set(range(1, G.layers))
    shares = [found.count(k) / len(found) for k in range(1, G.layers)]
    assert max(shares) < 2.5 / (G.layers - 1)


def test_the_probability_of_style_mixing() -> None:
    G, z = small(mixing=0.9), torch.randn(2, 6)
    mixed = [not torch.equal(w[:, 0], w[:, -1]) for w in (G.w_of(z) for _ in range(300))]
    assert sum(mixed) / len(mixed) == pytest.approx(0.9, abs=0.06)
    never = small(mixing=0.0)
    assert all(torch.equal(w[:, 0], w[:, -1]) for w in (never.w_of(z) for _ in range(5)))
    G.eval()
    assert torch.equal(G.w_of(z)[:, 0], G.w_of(z)[:, -1])


def test_the_mean_of_w_follows_training_and_truncation_draws_samples_to_it() -> None:
    G = small()
    expected = torch.zeros(5)
    for k in range(3):
        z = torch.randn(4, 6, generator=torch.Generator().manual_seed(k))
        G(z)
        expected = 0.995 * expected + 0.005 * G.mapping(z, None).mean(0).detach()
    torch.testing.assert_close(G.w_avg, expected)
    G.eval()
    z = torch.randn(4, 6)
    w, before = G(z).w, G.w_avg.clone()
    assert torch.equal(G.w_avg, before)
    G.psi = 0.7
    torch.testing.assert_close(G(z).w, before + 0.7 * (w - before))
    G.psi = 0.0
    images = G(z).images[0]
    torch.testing.assert_close(images, G.synthesis(before.expand(4, G.layers, -1)))


def test_path_lengths_are_those_of_the_jacobian() -> None:
    """At a given y: the root of the mean over the layers of ||J_w^T y||^2, J row by row through autograd."""
    G = small(8).double().eval()
    for layer in G.modules():
        if hasattr(layer, "second_order"):
            layer.second_order = True
    z = torch.randn(2, 6, dtype=torch.float64)
    fake = G(z)
    assert fake.w is not None
    noise = torch.randn_like(fake.images[0])
    found = path_lengths(fake.images[0], fake.w, noise)
    for k in range(2):

        def image(w: Tensor) -> Tensor:
            return G.synthesis(w[None])[0]

        jacobian = torch.autograd.functional.jacobian(image, fake.w[k].detach())  # (1, 8, 8, layers, 5)
        y = noise[k] / 8
        pulled = torch.einsum("chwld,chw->ld", jacobian, y)
        torch.testing.assert_close(found[k], pulled.square().sum(1).mean().sqrt())
    found.sum().backward()
    gradient = G.blocks[0].up.conv.weight.grad
    assert gradient is not None
    assert gradient.abs().sum() > 0


def test_blocks_of_d_are_convolutions_the_filter_and_a_skip_over_the_root_of_two() -> None:
    torch.manual_seed(0)
    x = torch.randn(2, 3, 8, 8)
    for block in (PlainBlock(3, 4), ResidualBlock(3, 4)):
        hidden = F.leaky_relu(F.conv2d(x, block.conv.weight / 27**0.5, padding=1), 0.2) * 2**0.5
        expected = F.leaky_relu(F.conv2d(blur(hidden, 2), block.down.weight / 27**0.5, stride=2), 0.2) * 2**0.5
        if isinstance(block, ResidualBlock):
            expected = (expected + F.conv2d(downsample(x), block.skip.weight / 3**0.5)) / 2**0.5
        torch.testing.assert_close(block(x), expected)


def test_labels_move_images_and_logits() -> None:
    G, y = small(classes=3).eval(), torch.tensor([2, 0, 1, 2])
    z = torch.randn(1, 6).expand(4, 6)
    images = G(z, y).images[0]
    torch.testing.assert_close(images[0], images[3])
    assert not torch.allclose(images[0], images[1])
    torch.manual_seed(0)
    D = Discriminator(16, 1, **SMALL, classes=3)
    x = [torch.randn(4, 1, 16, 16)]
    phi, label = D.last(D.blocks[0](D.blocks[1](D.from_rgb(x[0])))), D.head.mapping(None, y)
    expected = torch.stack([(D.head.last(phi)[k] * label[k]).sum() / 2 for k in range(4)])  # sqrt of 4 channels
    torch.testing.assert_close(D(x, y), expected)
    for net, given in ((G, z), (D, x)):
        with pytest.raises(ValueError, match="has classes and was called without labels"):
            net(given)
    judged = Discriminator(16, 1, **SMALL, classes=3, condition="auxiliary")(x)
    assert isinstance(judged, Logits)
    assert judged.classes is not None
    assert judged.classes.shape == (4, 1, 3)
    packed = Discriminator(16, 1, **SMALL, classes=3, pack=2)
    assert packed([torch.randn(4, 2, 16, 16)], torch.zeros(4, 2, dtype=torch.int64)).shape == (4,)


@pytest.mark.parametrize(
    ("net", "wrong", "sentence"),
    [
        (Generator, {"mixing": 1.5}, "mixing is 1.5; it must be from 0 to 1"),
        (Generator, {"mapping": 0}, "mapping is 0; it must be at least 1"),
        (Generator, {"w_dim": 0}, "w_dim is 0; it must be at least 1"),
        (Generator, {"classes": -1}, "classes is -1; it must be at least 0"),
        (Generator, {"resolution": 50}, "resolution is 50; .* the nearest is 48"),
        (Discriminator, {"condition": "batch_norm"}, "condition is 'batch_norm'; it must be one of projection, auxiliary"),
        (Discriminator, {"base": 8}, "base 8 and max_width 512 give 0 channels at 32 px"),
        (Discriminator, {"group": 0}, "group is 0"),
        (Discriminator, {"classes": -1}, "classes is -1; it must be at least 0"),
    ],
)
def test_impossible_players_are_refused(net: Any, wrong: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        net(**{"resolution": 32, "channels": 3} | wrong)
