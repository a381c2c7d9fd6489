"""Penalties: values by hand, what they ask of the lazy batch, lazy application, packing, and what is refused."""

import copy
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from toy_nets import PlainD, PlainG, ScalesD, ScalesG
from toys import REALS, fit, losses, plain, reports, task

from seesaw.functional.penalties import gradient_norms, gradient_penalty, interpolated
from seesaw.gan.balance import Pac
from seesaw.gan.batch import AdversarialBatch
from seesaw.gan.losses import WassersteinD, WassersteinG
from seesaw.gan.penalties import R1, R2, Drift, GradientPenalty, PathLength
from seesaw.gan.views import AllScales, SingleScale
from seesaw.types import Fake
from seesaw.util import key


def batch_of(player: str, G: nn.Module, D: nn.Module, view: Any) -> AdversarialBatch:
    torch.manual_seed(1)
    reals, z = torch.randn(6, 1, 8, 8), torch.randn(6, 5)
    return AdversarialBatch(G, D, reals, z, view=view, into_discriminator=lambda images, y: (images, y), player=player)


@pytest.mark.parametrize(("G", "D", "view"), [(PlainG, PlainD, SingleScale()), (ScalesG, ScalesD, AllScales())])
def test_the_penalty_is_that_of_the_functions_at_points_drawn_per_sample(G: Any, D: Any, view: Any) -> None:
    batch = batch_of("D", G(), D(), view)
    torch.manual_seed(5)
    found = GradientPenalty(10.0)(batch)
    torch.manual_seed(5)
    between = interpolated(batch.real, batch.fake, torch.rand(6))
    expected = 10 * gradient_penalty(gradient_norms(batch.D(between), between))
    torch.testing.assert_close(found, expected)
    assert found.requires_grad
    assert not batch.has("real_logits")  # what no term asked for was not computed


def packs(D: Any, fakes: Tensor, reals: Tensor, grad_of: str = "") -> AdversarialBatch:
    """A batch in D's step under packing of two, as the step makes it."""
    return AdversarialBatch(
        lambda z, y: Fake([fakes]), D, reals, torch.zeros(6, 3), view=lambda x: [x], into_discriminator=Pac(2),
        player="D", pack=2, grad_of=frozenset(grad_of.split()),
    )  # fmt: skip


@pytest.mark.parametrize("loss_first", [True, False])
def test_a_pack_has_one_place_between_reals_and_fakes(loss_first: bool) -> None:
    """D(pack) = |pack|^2 / 2 has the gradient pack, so each norm shows where the pack was taken: on the line between the two.
    Whether or not another term has asked for logits before."""
    torch.manual_seed(2)
    reals, fakes = torch.randn(6, 1, 2, 2), torch.randn(6, 1, 2, 2)

    def D(images: list[Tensor], y: None) -> Tensor:
        return images[-1].square().flatten(1).sum(1) / 2

    batch = packs(D, fakes, reals)
    if loss_first:
        WassersteinD()(batch)
    torch.manual_seed(5)
    found = GradientPenalty(1.0)(batch)
    torch.manual_seed(5)
    t = torch.rand(3)[:, None]
    between = (1 - t) * reals.reshape(3, -1) + t * fakes.reshape(3, -1)
    torch.testing.assert_close(found, (between.norm(dim=1) - 1) ** 2)


def test_penalties_take_the_norm_over_a_pack() -> None:
    """D(pack) = <w, pack> has the gradient w everywhere: R1 is gamma/2 ||w||^2, the penalty weight (||w|| - 1)^2."""
    w = torch.randn(2, 4, 4, dtype=torch.float64)

    def D(images: list[Tensor], y: None) -> Tensor:
        return (images[-1] * w).flatten(1).sum(1)

    reals = torch.randn(6, 1, 4, 4, dtype=torch.float64)
    batch = packs(D, -reals, reals, grad_of="real")
    assert torch.allclose(R1(3.0)(batch), (1.5 * w.square().sum()).expand(3), rtol=1e-12)
    assert torch.allclose(GradientPenalty(10.0)(batch), (10 * (w.norm() - 1) ** 2).expand(3), rtol=1e-6)


def test_drift_is_the_square_of_the_logits_of_reals() -> None:
    batch = batch_of("D", PlainG(), PlainD(), SingleScale())
    torch.testing.assert_close(Drift(1e-3)(batch), 1e-3 * batch.real_logits**2)


@pytest.mark.parametrize(("kind", "side"), [(R1, "real"), (R2, "fake")])
def test_zero_centred_penalties_of_a_linear_critic_with_a_schedule(kind: type[R1 | R2], side: str) -> None:
    """Only the side that is meant has logits and images here."""
    x, w = torch.randn(4, 3, 2, 2, requires_grad=True), torch.randn(3, 2, 2)

    def batch() -> SimpleNamespace:
        return SimpleNamespace(**{side: [x], f"{side}_logits": (x * w).sum((1, 2, 3))}, images_shown=500)

    expected = w.square().sum().expand(4)
    torch.testing.assert_close(kind(2.0)(batch()), expected)
    torch.testing.assert_close(kind(lambda shown: shown / 125)(batch()), 2 * expected)
    assert kind(0.0).grad_of == {side}


def test_path_length_mean_follows_the_lengths() -> None:
    """A generator with constant lengths: the penalty falls to 0 as the mean reaches them."""
    term = PathLength(weight=2.0, decay=0.5)
    w = torch.ones(4, 3, requires_grad=True)
    values = []
    for _ in range(30):
        torch.manual_seed(0)
        images = (w * 2).sum(1)[:, None, None, None].expand(4, 1, 2, 2)
        generated = SimpleNamespace(w=w)
        values.append(term(SimpleNamespace(generated=generated, fake=[images], images_shown=0)).mean().item())
    torch.manual_seed(0)
    lengths = 2 * 3**0.5 * torch.randn(4, 1, 2, 2).sum((1, 2, 3)).abs() / 2
    assert term.mean.item() == pytest.approx(lengths.mean().item(), rel=1e-4)
    assert values[-1] == pytest.approx(2 * lengths.var(unbiased=False).item(), rel=1e-3)


def test_path_length_needs_intermediate_latents() -> None:
    with pytest.raises(ValueError, match="penalty=path_length needs a generator with intermediate latents w"):
        fit(plain(penalty={"path_length": PathLength()}), 1)


def test_path_length_sees_its_part_of_the_batch() -> None:
    gan, seen = task("style"), []
    gan.G.register_forward_pre_hook(lambda net, given: seen.append(len(given[0])))
    fit(gan, 5)
    assert seen == [8, 4, 8, *[8, 8] * 3, 8, 4, 8]  # G, its path length in batches 0 and 4, D; R1 asks for no fakes


# Lazy application


def lazy_by_hand(G: nn.Module, D: nn.Module, batches: int) -> list[float]:
    """Non-saturating; in every third batch D then steps once more along 3 * gamma/2 |grad|^2 of the reals, gamma 0.8, and its
    Adam has lr and exponents of the betas times 3/4. Returns the values of R1, without the gain."""
    k, found = 3 / 4, []
    opt_g = torch.optim.Adam(G.parameters(), lr=1e-3, betas=(0.5, 0.99))
    opt_d = torch.optim.Adam(D.parameters(), lr=1e-3 * k, betas=(0.5**k, 0.99**k))
    softplus = nn.functional.softplus
    for batch in range(batches):
        x = (REALS[8 * batch : 8 * batch + 8].double() / 127.5 - 1).requires_grad_()
        z = [
            torch.randn(
                8, 5, generator=torch.Generator().manual_seed(key(3, 8 * batch, name, "z")), dtype=torch.float64
            )
            for name in "DG"
        ]
        opt_d.zero_grad()
        (softplus(-D([x.detach()])) + softplus(D([G(z[0]).images[0].detach()]))).mean().backward()
        opt_d.step()
        if batch % 3 == 0:
            opt_d.zero_grad()
            (slope,) = torch.autograd.grad(D([x]).sum(), x, create_graph=True)
            r1 = 0.4 * slope.square().sum((1, 2, 3)).mean()
            found.append(r1.item())
            (3 * r1).backward()  # where R1 has no gradient, as for D's last bias, Adam leaves the weight alone
            opt_d.step()
        opt_g.zero_grad()
        softplus(-D(G(z[1]).images)).mean().backward()
        opt_g.step()
    return found


@pytest.mark.parametrize("micro_batch", [None, 3])
def test_a_lazy_r1_is_that_by_hand(micro_batch: int | None) -> None:
    gan = plain(penalty={"r1": R1(0.8, interval=3)}, micro_batch=micro_batch).double()
    G, D = copy.deepcopy(gan.G), copy.deepcopy(gan.D)
    fit(gan, 5, precision="64-true")
    values = lazy_by_hand(G, D, 5)
    for ours, theirs in ((gan.G, G), (gan.D, D)):
        for a, b in zip(ours.parameters(), theirs.parameters(), strict=True):
            torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-12)
    assert gan.meter.updates == {"G": 5, "D": 7}
    (logged,) = reports(gan)
    assert logged["train/D_reg3/r1"] == pytest.approx(sum(values) / 2, rel=1e-5)
    assert logged["train/loss/D_reg3"] == pytest.approx(3 * sum(values) / 2, rel=1e-5)
    assert "train/D/r1" not in logged


# Runs and refusals


@pytest.mark.parametrize("name", ["plain", "growing", "scales"])
def test_wgan_gp_trains_each_shape(name: str) -> None:
    torch.manual_seed(0)
    shaped = task(name)
    gan = plain(
        G=shaped.G, D=shaped.D, view=shaped.view, growth=shaped.growth, loss=losses(WassersteinD(), WassersteinG()),
        penalty={"wgan_gp": GradientPenalty(), "drift": Drift()},
    )  # fmt: skip
    before = [p.detach().clone() for p in gan.D.parameters()]
    fit(gan, 8)
    assert all(torch.isfinite(p).all() for p in gan.parameters())
    assert any(not torch.equal(a, b) for a, b in zip(before, gan.D.parameters(), strict=True))
    assert {"train/D/wgan_gp", "train/D/drift"} <= set(reports(gan)[0])


@pytest.mark.parametrize("kind", [R1, R2])
def test_zero_centred_penalties_refuse_a_negative_gamma(kind: type[R1 | R2]) -> None:
    with pytest.raises(ValueError, match=r"gamma is -1\.0; it must be at least 0"):
        kind(-1.0)


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"weight": -1.0}, r"weight is -1\.0; it must be at least 0"),
        ({"target": 0.0}, r"target is 0\.0; it must be above 0"),
        ({"target": -1.0}, r"target is -1\.0; it must be above 0"),
        ({"weight": float("nan")}, "weight is nan; it must be at least 0"),
    ],
)
def test_the_gradient_penalty_refuses(wrong: dict[str, float], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        GradientPenalty(**wrong)


def test_drift_refuses_a_negative_weight() -> None:
    with pytest.raises(ValueError, match="weight is -1; it must be at least 0"):
        Drift(-1)


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"weight": -1.0}, "weight is -1.0; it must be at least 0"),
        ({"decay": 0.0}, "decay is 0.0; it must be above 0 and at most 1"),
        ({"batch_fraction": 0.0}, "batch_fraction is 0.0; it must be above 0 and at most 1"),
        ({"batch_fraction": 2.0}, "batch_fraction is 2.0; it must be above 0 and at most 1"),
        ({"interval": 0}, "interval is 0; it must be at least 1"),
        ({"interval": 1}, "batch_fraction is of a lazy phase; it takes an interval above 1"),
    ],
)
def test_path_length_refuses(wrong: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        PathLength(**wrong)


def test_where_each_penalty_bounds_d_and_what_turns_it_off() -> None:
    assert [p.bounds for p in (GradientPenalty(), R1(1.0), R2(1.0), Drift(), PathLength())] == [
        "everywhere", "data", "data", "nowhere", "nowhere",
    ]  # fmt: skip
    found = [p.strength for p in (GradientPenalty(3.0), R1(4.0), R2(5.0), Drift(6.0), PathLength(7.0))]
    assert found == [3.0, 4.0, 5.0, 6.0, 7.0]
