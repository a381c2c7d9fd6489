"""FreezeD: which layers of each discriminator are frozen, and that nothing is computed or changed for them."""

from typing import Any

import pytest
import torch
from torch import nn
from toys import fit, plain, task

from seesaw.functional.pixels import to_unit
from seesaw.gan.frozen import trainable
from seesaw.gan.losses import CrossEntropyD, NonSaturatingG
from seesaw.gan.module import GAN
from seesaw.gan.penalties import R1
from seesaw.gan.views import AllScales, GrowingView, SingleScale
from seesaw.nets import biggan, dcgan, mlp, msggan, progan, r3gan, sngan, stylegan2

SMALL: dict[str, Any] = {"resolution": 16, "channels": 1}
PYRAMID: dict[str, Any] = SMALL | {"base": 64, "max_width": 8}
PLAYERS: dict[str, Any] = {
    "mlp": lambda **o: (mlp.Generator(**SMALL, z_dim=4, widths=[8]), mlp.Discriminator(**SMALL, widths=[8, 8], **o)),
    "dcgan": lambda **o: (dcgan.Generator(**SMALL, z_dim=4, width=4), dcgan.Discriminator(**SMALL, width=4, **o)),
    "progan": lambda **o: (progan.Generator(**PYRAMID, z_dim=4), progan.Discriminator(**PYRAMID, **o)),
    "msggan": lambda **o: (msggan.Generator(**PYRAMID, z_dim=4), msggan.Discriminator(**PYRAMID, **o)),
    "stylegan2": lambda **o: (
        stylegan2.Generator(**PYRAMID, z_dim=4, w_dim=4, mapping=1),
        stylegan2.Discriminator(**PYRAMID, **o),
    ),
}
VIEWS = {"progan": GrowingView, "msggan": AllScales}
ORDERS = {  # the layers' names from the image on
    "mlp": [["layers.0"], ["layers.2"], ["layers.4"]],
    "dcgan": [["layers.0"], ["layers.2", "layers.3"], ["layers.6"]],
    "progan": [
        ["from_rgb.0.0", "from_rgb.1.0", "from_rgb.2.0"],
        ["blocks.1.0.0"], ["blocks.1.1.0"], ["blocks.0.0.0"], ["blocks.0.1.0"], ["last.1.0"], ["last.3"], ["last.5"],
    ],
    "msggan": [
        ["from_rgb"], ["blocks.1.1.0"], ["blocks.1.2.0"], ["blocks.0.1.0", "combines.1.linear"], ["blocks.0.2.0"],
        ["combines.0.linear", "last.1.0"], ["last.2"], ["last.4"],
    ],
    "stylegan2": [
        ["from_rgb"], ["blocks.1.conv"], ["blocks.1.down"], ["blocks.1.skip"],
        ["blocks.0.conv"], ["blocks.0.down"], ["blocks.0.skip"], ["last.1"], ["last.3"], ["head.last"],
    ],
}  # fmt: skip


def game(family: str, freeze_d: int, **options: Any) -> GAN:
    torch.manual_seed(0)
    G, D = PLAYERS[family](**options)
    loss = {"d": CrossEntropyD(), "g": NonSaturatingG()}
    optimizer = dict.fromkeys("GD", lambda weights: torch.optim.Adam(weights, lr=1e-3))
    view: nn.Module = VIEWS.get(family, SingleScale)()
    if isinstance(view, GrowingView):
        view.depth = 2
    return GAN(G, D, loss, optimizer, penalty={"r1": R1(0.1)}, view=view, freeze_d=freeze_d)


@pytest.mark.parametrize(
    ("family", "spectral_norm"),
    [(family, norm) for family in ORDERS for norm in (False, True) if not (norm and family == "stylegan2")],
)
def test_layers_are_listed_from_the_image_on_and_hold_every_weight_once(family: str, spectral_norm: bool) -> None:
    options = {"spectral_norm": True} | ({"norm": "none"} if family == "dcgan" else {}) if spectral_norm else {}
    _, D = PLAYERS[family](**options)
    name_of = {id(p): name for name, p in D.named_parameters()}
    layers = [[name_of[id(p)].split(".parametrizations")[0] for p in layer] for layer in D.layers_from_image()]
    ends = (".weight", ".bias")
    found = [sorted({name.removesuffix(ends[0]).removesuffix(ends[1]) for name in layer}) for layer in layers]
    expected = [["layers.0"], ["layers.2"], ["layers.5"]] if family == "dcgan" and spectral_norm else ORDERS[family]
    assert found == expected
    listed = [id(p) for layer in D.layers_from_image() for p in layer]
    assert sorted(listed) == sorted(name_of)


@pytest.mark.parametrize(
    ("D", "first"),
    [
        (sngan.Discriminator(16, 1, width=2, max_width=4, flat=1), "blocks.0.conv1"),
        (biggan.Discriminator(16, 1, width=2, flat=1), "blocks.0.conv1"),
        (r3gan.Discriminator(16, 1, base=64, max_width=4), "from_rgb"),
    ],
)
def test_a_residual_block_is_one_layer(D: Any, first: str) -> None:
    name_of = {id(p): name for name, p in D.named_parameters()}
    layers = D.layers_from_image()
    assert name_of[id(layers[0][0])].startswith(first)
    assert len(layers) == (4 if first != "from_rgb" else 1 + 3 * 2 + 2)
    assert sorted(id(p) for layer in layers for p in layer) == sorted(name_of)
    for layer in layers[1:3]:
        assert len({name_of[id(p)].rsplit(".", 2)[0].split(".")[1] for p in layer}) == 1


@pytest.mark.parametrize("family", ORDERS)
def test_frozen_layers_keep_their_weights_and_get_no_gradients_and_all_others_move(family: str) -> None:
    gan = game(family, 2)
    frozen = {id(p) for layer in gan.D.layers_from_image()[:2] for p in layer}  # type: ignore[operator]
    before = {name: p.detach().clone() for name, p in gan.D.named_parameters()}
    reals = torch.randint(0, 256, (8, 1, 16, 16), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    asked: list[str] = []
    for name, p in gan.D.named_parameters():
        if id(p) in frozen:
            assert not p.requires_grad
        else:
            p.register_hook(lambda _, name=name: asked.append(name))
    fit(gan, 3, reals=reals)
    for name, p in gan.D.named_parameters():
        assert torch.equal(p, before[name]) == (id(p) in frozen), name
        if id(p) in frozen:
            assert p.grad is None
            assert not p.requires_grad
    assert set(asked) == {name for name, p in gan.D.named_parameters() if id(p) not in frozen}
    held = {id(p) for group in gan.optimizers()[1].optimizer.param_groups for p in group["params"]}  # type: ignore[index]
    assert not held & frozen


def test_the_first_steps_of_other_layers_are_those_without_freezing() -> None:
    """Freezing takes nothing from what the other layers see in their first step."""
    reals = torch.randint(0, 256, (8, 1, 16, 16), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    whole, part = game("mlp", 0), game("mlp", 1)
    found = []
    for gan in (whole, part):
        step = gan.game(to_unit(reals, torch.float32), None, {})
        found.append(torch.autograd.grad(step.loss(gan.phases["D"]), step.weights("D")))
    assert len(found[1]) == len(found[0]) - 2
    for one, other in zip(found[1], found[0][2:], strict=True):
        torch.testing.assert_close(one, other)


def test_a_dynamics_may_give_other_weights_to_the_trained_layers_alone() -> None:
    gan = game("mlp", 1)
    step = gan.game(torch.zeros(4, 1, 16, 16), None, {})
    same = step.loss(gan.phases["D"], {"D": [w.detach().clone() for w in step.weights("D")]})
    torch.testing.assert_close(same, step.loss(gan.phases["D"]))


@pytest.mark.parametrize(
    ("freeze_d", "words"), [(-1, "at least 0"), (3, "below the number of D's layers, 3"), (9, "not 9")]
)
def test_numbers_out_of_range(freeze_d: int, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        game("mlp", freeze_d)


def test_a_discriminator_that_lists_no_layers_is_refused() -> None:
    with pytest.raises(ValueError, match="PlainD has none"):
        plain(freeze_d=1)
    assert len(trainable(task("plain").D, 0)) == len(list(task("plain").D.parameters()))
