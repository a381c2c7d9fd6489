"""The projected discriminator: what is frozen and saved, the mixing against a loop by hand, gradients through what is frozen."""

import copy
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from seesaw.nets.efficientnet_lite import EfficientNetLite0
from seesaw.nets.layers.frozen import frozen
from seesaw.nets.projected import TAPS, Discriminator


@pytest.fixture(scope="module")
def backbone() -> EfficientNetLite0:
    return EfficientNetLite0("zeros")


def made(backbone: EfficientNetLite0, resolution: int | str = 32, **options: Any) -> Discriminator:
    return Discriminator(resolution, 3, copy.deepcopy(backbone), **{"size": 64, "width": 4, **options})


@pytest.fixture(scope="module")
def D(backbone: EfficientNetLite0) -> Discriminator:
    torch.manual_seed(0)
    return made(backbone)


@pytest.mark.parametrize(
    ("resolution", "size", "sides", "logits"),
    [
        (32, 224, [112, 56, 28, 14], 4 * 16),  # the paper's: four discriminators of 7 px, patches of 4 x 4
        (32, 64, [32, 16, 8, 4], 3 * 25 + 1),
        (128, 64, [64, 32, 16, 8], 4 * 25),  # as large as it is
    ],
)
def test_the_scales_and_the_number_of_logits(
    resolution: int, size: int, sides: list[int], logits: int, backbone: EfficientNetLite0
) -> None:
    D = made(backbone, resolution, size=size).eval()
    images = torch.rand(2, 3, resolution, resolution) * 2 - 1
    assert [tuple(x.shape) for x in D.features(images)] == [
        (2, channels, side, side) for channels, side in zip((4, 4, 8, 16), sides, strict=True)
    ]
    assert D([images]).shape == (2, logits)


def test_sides_that_halve_to_odd_ones_fit(backbone: EfficientNetLite0) -> None:
    D = made(backbone, "24x40")
    assert D.seen == (64, 107)
    assert D([torch.rand(2, 3, 24, 40)]).ndim == 2


def test_the_mixing_is_the_papers(D: Discriminator, backbone: EfficientNetLite0) -> None:
    images = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(0)) * 2 - 1
    seen = F.interpolate(images, size=(64, 64), mode="bilinear", align_corners=False)
    with torch.no_grad():
        taps = backbone(seen, TAPS)
        mixed = [layer(taps[name]) for layer, name in zip(D.cross_channel, TAPS, strict=True)]
        assert [x.shape[1] for x in mixed] == [4, 8, 16, 32]
        x, expected = torch.zeros_like(mixed[3]), []
        for k in (3, 2, 1, 0):
            doubled = F.interpolate(mixed[k] + x, scale_factor=2, mode="bilinear", align_corners=True)
            x = torch.einsum("bchw,oc->bohw", doubled, D.cross_scale[k].weight[:, :, 0, 0])  # type: ignore[index,union-attr]
            x = x + D.cross_scale[k].bias[:, None, None]  # type: ignore[index,union-attr]
            expected.insert(0, x)
        for found, wanted in zip(D.features(images), expected, strict=True):
            torch.testing.assert_close(found, wanted, atol=1e-4, rtol=1e-4)


def test_only_the_heads_are_trained_and_the_backbone_is_not_saved(D: Discriminator) -> None:
    assert {name.partition(".")[0] for name, _ in D.named_parameters()} == {"heads"}
    saved = {name.partition(".")[0] for name in D.state_dict()}
    assert saved == {"heads", "cross_channel", "cross_scale"}
    assert sum(b.numel() for b in D.network.buffers()) > 2_900_000
    D.train()
    assert not D.network.training
    assert D.heads.training


def test_the_mixing_is_drawn_anew_by_each_seed_and_comes_back_with_a_checkpoint(backbone: EfficientNetLite0) -> None:
    torch.manual_seed(1)
    one = made(backbone)
    torch.manual_seed(2)
    other = made(backbone)
    images = torch.rand(2, 3, 32, 32)
    assert not torch.allclose(one.features(images)[0], other.features(images)[0])
    other.load_state_dict(one.state_dict())
    assert torch.equal(one.features(images)[0], other.features(images)[0])


def test_gradients_reach_the_images_through_the_frozen_network(D: Discriminator) -> None:
    """Against a difference quotient along the gradient, in float64."""
    exact = copy.deepcopy(D).double().eval()
    images = (torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(3)) * 2 - 1).double().requires_grad_()
    (gradient,) = torch.autograd.grad(exact([images]).mean(), images)
    norm = gradient.norm()
    step = 1e-6 * gradient / norm
    with torch.no_grad():
        slope = (exact([images + step]).mean() - exact([images - step]).mean()) / 2e-6
    assert norm > 0
    assert slope.item() == pytest.approx(norm.item(), rel=1e-3)


def test_grey_images_are_seen_as_colour(backbone: EfficientNetLite0) -> None:
    D = Discriminator(32, 1, copy.deepcopy(backbone), size=64, width=4).eval()
    assert D([torch.rand(2, 1, 32, 32)]).shape == (2, 76)


def test_labels_are_projected_on_the_features_of_each_patch(backbone: EfficientNetLite0) -> None:
    """Against a loop over images, discriminators and patches, by Miyato and Koyama's eq. 4."""
    D = made(backbone, classes=3).eval()
    images, y = torch.rand(2, 3, 32, 32) * 2 - 1, torch.tensor([2, 0])
    expected: list[list[float]] = [[], []]
    with torch.no_grad():
        found = D([images], y)
        for judge, embed, features in zip(D.heads, D.of_classes, D.features(images), strict=True):
            *layers, last = judge  # type: ignore[misc]
            phi = nn.Sequential(*layers)(features)
            side = last.kernel_size[0]
            assert embed.embedding.bias is None  # type: ignore[union-attr]
            for image in range(2):
                for i in range(phi.shape[2] - side + 1):
                    for j in range(phi.shape[3] - side + 1):
                        patch = phi[image, :, i : i + side, j : j + side]
                        weights = last.weight[0] + embed.embedding.weight[y[image]].view_as(patch)  # type: ignore
                        expected[image].append((weights * patch).sum().item())
    torch.testing.assert_close(found, torch.tensor(expected), atol=1e-4, rtol=1e-4)
    with pytest.raises(ValueError, match="called without labels"):
        D([images])


def test_class_logits_are_the_mean_over_patches_and_leave_the_logits_alone(backbone: EfficientNetLite0) -> None:
    torch.manual_seed(4)
    plain = made(backbone).eval()
    torch.manual_seed(4)
    D = made(backbone, classes=3, condition="auxiliary").eval()
    images = torch.rand(2, 3, 32, 32) * 2 - 1
    with torch.no_grad():
        found = D([images], torch.tensor([2, 0]))
        patches = []
        for judge, head, x in zip(D.heads, D.of_classes, D.features(images), strict=True):
            weight, side = head.embedding.weight, min(4, (phi := judge[:-1](x)).shape[2])  # type: ignore
            patches.append(F.conv2d(phi, weight.view(3, -1, side, side), head.embedding.bias).flatten(2))  # type: ignore
    assert torch.equal(found.adversarial, plain([images]))
    assert [x.shape[2] for x in patches] == [25, 25, 25, 1]
    assert found.classes.shape == (2, 1, 3)
    torch.testing.assert_close(found.classes[:, 0], sum(x.sum(2) for x in patches) / 76)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"condition": "concat"}, "condition is 'concat'; it must be one of projection, auxiliary"),
        ({"size": 100}, "size is 100; it must be a multiple of 32 from 64 on"),
        ({"width": 0}, "width is 0; it must be at least 1"),
        ({"channels": 2}, "channels is 2; a projected discriminator takes 1 or 3"),
    ],
)
def test_wrong_options_are_refused(options: dict[str, Any], sentence: str, backbone: EfficientNetLite0) -> None:
    with pytest.raises(ValueError, match=sentence):
        Discriminator(**{"resolution": 32, "channels": 3, "backbone": backbone, **options})


def test_frozen_keeps_the_function_and_its_gradient() -> None:
    net = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Flatten(), nn.Linear(2 * 4, 1)).eval()
    x = torch.randn(2, 1, 4, 4, requires_grad=True)
    before = net(x)
    (slope,) = torch.autograd.grad(before.sum(), x)
    kept = frozen(copy.deepcopy(net), saved=True)
    assert (list(kept.parameters()), set(kept.state_dict())) == ([], set(net.state_dict()))
    gone = frozen(net, saved=False)
    assert gone.state_dict() == {}
    for same in (kept, gone):
        assert torch.equal(same(x), before)
        assert torch.equal(torch.autograd.grad(same(x).sum(), x)[0], slope)
