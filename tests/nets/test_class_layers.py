"""Labels in the networks: each layer against explicit loops and closed forms in float64, counts of parameters, errors."""

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from seesaw.functional.spectral import is_bounded
from seesaw.nets import dcgan, mlp, msggan, progan
from seesaw.nets.layers.equalized import EqualLinear
from seesaw.nets.layers.labels import ClassHead, ClassLatent, ConditionalBatchNorm2d
from seesaw.types import Logits

Y = torch.tensor([2, 0, 1, 2])
SMALL = {"base": 64, "max_width": 8}
GENERATORS: dict[str, Callable[..., nn.Module]] = {
    "mlp": partial(mlp.Generator, 16, 1, z_dim=6, widths=[8, 8]),
    "dcgan": partial(dcgan.Generator, 16, 1, z_dim=6, width=4),
    "progan": partial(progan.Generator, 16, 1, z_dim=6, **SMALL),
    "msggan": partial(msggan.Generator, 16, 1, z_dim=6, **SMALL),
}
DISCRIMINATORS: dict[str, Callable[..., nn.Module]] = {
    "mlp": partial(mlp.Discriminator, 16, 1, widths=[8, 8]),
    "dcgan": partial(dcgan.Discriminator, 16, 1, width=4),
    "progan": partial(progan.Discriminator, 16, 1, **SMALL),
    "msggan": partial(msggan.Discriminator, 16, 1, **SMALL),
}


def count(net: nn.Module) -> int:
    return sum(p.numel() for p in net.parameters())


def seeded(make: Callable[..., nn.Module], **options: Any) -> Any:
    torch.manual_seed(0)
    return make(**options)


def pyramid(n: int, channels: int = 1) -> list[Tensor]:
    draw = torch.Generator().manual_seed(1)
    return [torch.randn(n, channels, size, size, generator=draw) for size in (4, 8, 16)]


# The layers


def test_projection_is_the_sum_over_features_of_a_loop() -> None:
    head = seeded(lambda: ClassHead(partial(nn.Linear, 5), 3, "projection").double())
    phi, logits = torch.randn(4, 5, dtype=torch.float64), torch.randn(4, dtype=torch.float64)
    expected = []
    for logit, features, label in zip(logits, phi, Y, strict=True):
        inner = 0.0
        for k in range(5):
            inner += head.embedding.weight[label, k].item() * features[k].item()
        expected.append(logit.item() + inner)
    torch.testing.assert_close(head(logits, phi, Y), torch.tensor(expected, dtype=torch.float64), rtol=1e-14, atol=1e-15)


def test_projection_of_equalised_layers_has_the_mean_square_of_its_features() -> None:
    """<e, phi> / sqrt(F) with e ~ N(0, 1): its variance over e is mean phi^2."""
    torch.manual_seed(0)
    head = ClassHead(partial(EqualLinear, 4, gain=1.0), 200_000, "projection")
    phi = torch.tensor([[1.0, -2.0, 0.5, 3.0]])
    every = head.embedding(phi)[0]  # type: ignore[misc]
    assert every.var().item() == pytest.approx(phi.square().mean().item(), rel=0.02)


def test_a_pack_has_an_embedding_for_each_place() -> None:
    head = seeded(lambda: ClassHead(partial(nn.Linear, 5), 3, "projection", pack=2).double())
    phi, logits, y = torch.randn(2, 5).double(), torch.zeros(2).double(), torch.tensor([[2, 0], [0, 2]])
    e = head.embedding.weight.view(2, 3, 5)
    expected = torch.stack([phi[k] @ (e[0, y[k, 0]] + e[1, y[k, 1]]) for k in range(2)])
    torch.testing.assert_close(head(logits, phi, y), expected)
    assert not torch.allclose(head(logits, phi, y.flip(1)), expected)  # the order of a pack's labels counts


def test_auxiliary_gives_class_logits_and_leaves_the_logit_alone() -> None:
    head = seeded(lambda: ClassHead(partial(nn.Linear, 5), 3, "auxiliary", pack=2))
    phi, logits = torch.randn(4, 5), torch.randn(4)
    found = head(logits, phi, None)
    assert isinstance(found, Logits)
    assert torch.equal(found.adversarial, logits)
    assert found.classes is not None
    assert found.classes.shape == (4, 2, 3)
    expected = phi @ head.embedding.weight.T + head.embedding.bias
    torch.testing.assert_close(found.classes.flatten(1), expected)


def test_conditional_batch_norm_is_batch_norm_and_an_affine_map_of_each_class() -> None:
    torch.manual_seed(0)
    layer, plain = ConditionalBatchNorm2d(3, 2).double(), nn.BatchNorm2d(2, affine=False).double()
    with torch.no_grad():
        layer.gain.weight.normal_()
        layer.bias.weight.normal_()
    x = torch.randn(4, 2, 3, 3).double()
    normed = (x - x.mean((0, 2, 3), keepdim=True)) / (x.var((0, 2, 3), unbiased=False, keepdim=True) + 1e-5).sqrt()
    expected = torch.empty_like(x)
    for n, label in enumerate(Y):
        for c in range(2):
            expected[n, c] = layer.gain.weight[label, c] * normed[n, c] + layer.bias.weight[label, c]
    torch.testing.assert_close(layer(x, Y), expected)
    plain(x)
    torch.testing.assert_close(layer.norm.running_var, plain.running_var)
    layer.eval()
    plain.eval()
    one = layer.gain.weight[1, :, None, None] * plain(x) + layer.bias.weight[1, :, None, None]
    torch.testing.assert_close(layer(x, torch.ones(4, dtype=torch.int64)), one)


def test_conditional_batch_norm_starts_as_batch_norm() -> None:
    x = torch.randn(4, 2, 3, 3)
    torch.testing.assert_close(ConditionalBatchNorm2d(3, 2)(x, Y), nn.BatchNorm2d(2)(x))


def test_the_latent_gets_its_class() -> None:
    z = torch.randn(4, 2)
    assert ClassLatent(2, 0)(z, None) is z
    one_hot = ClassLatent(2, 3)(z, Y)
    assert torch.equal(one_hot, torch.cat([z, nn.functional.one_hot(Y, 3).float()], 1))
    learned = ClassLatent(2, 3, embedding=7)
    assert learned.embedding is not None
    assert torch.equal(learned(z, Y), torch.cat([z, learned.embedding.weight[Y]], 1))
    product = ClassLatent(2, 3, "multiply")
    assert product.embedding is not None
    assert torch.equal(product(z, Y), z * product.embedding.weight[Y])
    assert (ClassLatent(2, 3).out, learned.out, product.out) == (5, 9, 2)


# The families


@pytest.mark.parametrize("family", GENERATORS)
def test_without_classes_the_weights_are_those_of_a_net_without_labels(family: str) -> None:
    for make in (GENERATORS[family], DISCRIMINATORS[family]):
        plain, given = seeded(make), seeded(make, classes=0)
        with_labels = seeded(make, classes=3)
        assert plain.state_dict().keys() == given.state_dict().keys()
        assert all(torch.equal(a, b) for a, b in zip(plain.parameters(), given.parameters(), strict=True))
        assert not any("head" in name or "latent" in name for name in plain.state_dict())
        assert (given.classes, with_labels.classes) == (0, 3)


@pytest.mark.parametrize("family", GENERATORS)
def test_d_with_classes_has_the_other_weights_of_d_without(family: str) -> None:
    plain, labelled = seeded(DISCRIMINATORS[family]), seeded(DISCRIMINATORS[family], classes=3)
    for name, weight in plain.named_parameters():
        assert torch.equal(weight, labelled.get_parameter(name)), name
    images = pyramid(4)
    with torch.no_grad():
        labelled.head.embedding.weight.zero_()
    torch.testing.assert_close(labelled(images, Y), plain(images))


def test_parameter_counts() -> None:
    """What labels add, by hand: classes x the width of the layer that takes them."""
    more = {
        "mlp": (10 * 128, 10 * 256),
        "dcgan": (10 * 512 * 16, 10 * 512 * 16),
        "progan": (10 * 512 * 16, 10 * 512),
        "msggan": (10 * 512 * 16, 10 * 512),
    }
    for family, module in (("mlp", mlp), ("dcgan", dcgan), ("progan", progan), ("msggan", msggan)):
        with torch.device("meta"):
            nets = module.Generator, module.Discriminator  # type: ignore[attr-defined]
            found = tuple(count(net(64, 3, classes=10)) - count(net(64, 3)) for net in nets)
            auxiliary = count(nets[1](64, 3, classes=10, condition="auxiliary"))
            assert found == more[family]
            assert auxiliary - count(nets[1](64, 3, classes=10)) == 10  # the bias
            wider = count(nets[0](64, 3, classes=1000, embedding=32)) - count(nets[0](64, 3))
            assert wider == 1000 * 32 + 32 * more[family][0] // 10
            product = nets[0](64, 3, classes=10, condition="multiply")
            assert count(product) - count(nets[0](64, 3)) == 10 * product.z_dim
    norm = dcgan.Generator(64, 3, classes=10, condition="batch_norm")
    assert count(norm) - count(dcgan.Generator(64, 3)) == 9 * 2 * (512 + 256 + 128 + 64)
    packed = count(mlp.Discriminator(8, 1, classes=10, pack=2)) - count(mlp.Discriminator(8, 1, pack=2))
    assert packed == 2 * 10 * 256


CONDITIONS = [(family, how) for family in GENERATORS for how in ("concat", "multiply", "embedding")]


@pytest.mark.parametrize(("family", "how"), [*CONDITIONS, ("dcgan", "batch_norm")])
def test_images_depend_on_the_class_and_nothing_else_of_the_label(family: str, how: str) -> None:
    options = {"embedding": 4} if how == "embedding" else {"condition": how}
    G = seeded(GENERATORS[family], classes=3, **options).eval()
    if how == "batch_norm":
        with torch.no_grad():
            for module in G.modules():
                if isinstance(module, ConditionalBatchNorm2d):
                    module.gain.weight.normal_()
    z = torch.randn(1, 6).expand(4, 6)
    images = G(z, Y).images[-1]
    assert torch.allclose(images[0], images[3], atol=1e-6)  # both of class 2
    assert not torch.allclose(images[0], images[1], atol=1e-4)
    with pytest.raises(ValueError, match="has classes and was called without labels"):
        G(z)


@pytest.mark.parametrize("family", DISCRIMINATORS)
def test_logits_depend_on_the_class_and_gradients_reach_its_embedding_alone(family: str) -> None:
    D = seeded(DISCRIMINATORS[family], classes=3)
    images = pyramid(4)
    logits = D(images, Y)
    assert logits.shape == (4,)
    assert not torch.equal(logits, D(images, (Y + 1) % 3))
    D(images, torch.full((4,), 1)).sum().backward()
    gradient = D.head.embedding.weight.grad
    assert gradient[1].abs().sum() > 0
    assert gradient[[0, 2]].abs().sum() == 0
    auxiliary = seeded(DISCRIMINATORS[family], classes=3, condition="auxiliary")(images)
    assert auxiliary.classes.shape == (4, 1, 3)
    packed = seeded(DISCRIMINATORS[family], classes=3, pack=2)
    assert packed(pyramid(2, channels=2), Y.view(2, 2)).shape == (2,)


@pytest.mark.parametrize("family", DISCRIMINATORS)
def test_spectral_normalisation_covers_the_embedding(family: str) -> None:
    more = {"norm": "none"} if family == "dcgan" else {}
    D = seeded(DISCRIMINATORS[family], classes=3, spectral_norm=True, **more)
    assert is_bounded(D)
    for _ in range(50):
        D(pyramid(4), Y)
    assert torch.linalg.svdvals(D.head.embedding.weight.detach())[0].item() == pytest.approx(1, abs=0.02)
    assert getattr(D.head.embedding, "scale", 1.0) == 1.0


def test_progan_brings_the_class_to_the_hypersphere_with_the_latent() -> None:
    """Karras et al. 2018, their code: latents and one-hot labels joined, then normalised."""
    G = seeded(GENERATORS["progan"], classes=3)
    seen: list[Tensor] = []
    G.first[1].register_forward_pre_hook(lambda module, given: seen.append(given[0]))
    z = torch.randn(4, 6)
    G(z, Y)
    joined = torch.cat([z, torch.eye(3)[Y]], 1)
    torch.testing.assert_close(seen[0], joined / joined.norm(dim=1, keepdim=True) * math.sqrt(9))


# Errors


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: ClassLatent(2, -1), "classes is -1 and embedding 0; both must be at least 0"),
        (lambda: ClassLatent(2, 3, embedding=-2), "embedding -2"),
        (lambda: ClassLatent(2, 3, "multiply", 4), "condition=multiply has one of z_dim = 2 numbers"),
        (lambda: ClassLatent(2, 3, "add"), "condition is 'add'; it must be one of concat, multiply"),
        (lambda: ClassHead(partial(nn.Linear, 5), -3, "projection"), "classes is -3"),
        (
            lambda: ClassHead(partial(nn.Linear, 5), 3, "both"),
            "condition is 'both'; it must be one of projection, auxil",
        ),
        (lambda: dcgan.Generator(16, 1, condition="bn"), "one of concat, multiply, batch_norm"),
        (lambda: dcgan.Generator(16, 1, classes=3, condition="batch_norm", embedding=2), "sets nothing beside z"),
        (lambda: ConditionalBatchNorm2d(0, 4), "classes is 0; it must be at least 1"),
    ],
)
def test_wrong_options_are_refused_in_a_sentence(make: Callable[[], nn.Module], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        make()
