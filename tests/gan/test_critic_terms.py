"""The critics' terms in the lazy batch: what they ask for, and what the gates make of them."""

from typing import Any

import pytest
import torch
from torch import nn
from toys import PlainD, PlainG, ScalesD, ScalesG, fit, game, task

from seesaw.functional.penalties import gradient_norms, gradient_penalty, interpolated
from seesaw.gan.balance import Pac, SkipD
from seesaw.gan.batch import AdversarialBatch
from seesaw.gan.phases import Phase
from seesaw.gan.terms import (
    Drift,
    GradientPenalty,
    RelativisticHingeD,
    RelativisticHingeG,
    WassersteinD,
    WassersteinG,
)
from seesaw.gan.views import AllScales, SingleScale
from seesaw.types import Fake


def seen(player: str, G: nn.Module, D: nn.Module, view: Any) -> AdversarialBatch:
    torch.manual_seed(1)
    reals, z = torch.randn(6, 1, 8, 8), torch.randn(6, 5)
    return AdversarialBatch(G, D, reals, z, view=view, augment=lambda images: images, player=player)


@pytest.mark.parametrize(("G", "D", "view"), [(PlainG, PlainD, SingleScale()), (ScalesG, ScalesD, AllScales())])
def test_the_penalty_is_that_of_the_functions_at_points_drawn_per_sample(G: Any, D: Any, view: Any) -> None:
    batch = seen("D", G(), D(), view)
    torch.manual_seed(5)
    found = GradientPenalty(10.0)(batch)
    torch.manual_seed(5)
    between = interpolated(batch.real, batch.fake, torch.rand(6))
    expected = 10 * gradient_penalty(gradient_norms(batch.D(between), between))
    torch.testing.assert_close(found, expected)
    assert found.requires_grad
    assert not batch.has_made("real_logits")  # what no term asked for was not computed


def test_a_pack_has_one_place_between_reals_and_fakes() -> None:
    """D(pack) = |pack|^2 / 2 has the gradient pack, so each norm tells where the pack was taken: on the line between the two."""
    torch.manual_seed(2)
    reals, fakes = torch.randn(6, 1, 2, 2), torch.randn(6, 1, 2, 2)

    def D(images: list[torch.Tensor], y: None) -> torch.Tensor:
        return images[-1].square().flatten(1).sum(1) / 2

    batch = AdversarialBatch(
        lambda z, y: Fake([fakes]), D, reals, torch.zeros(6, 3), view=lambda x: [x], augment=Pac(2), player="D"
    )
    WassersteinD()(batch)
    torch.manual_seed(5)
    found = GradientPenalty(1.0)(batch)
    torch.manual_seed(5)
    t = torch.rand(3)[:, None]
    between = (1 - t) * reals.reshape(3, -1) + t * fakes.reshape(3, -1)
    torch.testing.assert_close(found, (between.norm(dim=1) - 1) ** 2)


def test_drift_is_the_square_of_the_reals_logits() -> None:
    batch = seen("D", PlainG(), PlainD(), SingleScale())
    torch.testing.assert_close(Drift(1e-3)(batch), 1e-3 * batch.real_logits**2)


def test_g_of_a_relativistic_loss_sees_the_reals() -> None:
    batch = seen("G", PlainG(), PlainD().requires_grad_(False), SingleScale())
    loss = RelativisticHingeG()(batch).mean()
    loss.backward()
    assert batch.has_made("real_logits")
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in batch.G.parameters())


def test_accuracy_of_unpaired_critics_is_by_pairs() -> None:
    batch = seen("D", PlainG(), PlainD(), SingleScale())
    pairs = [float(r > f) for r, f in zip(batch.real_logits, batch.fake_logits, strict=True)]
    for term in (WassersteinD(), RelativisticHingeD()):
        assert term.accuracy(batch).tolist() == pairs


def test_gates_read_the_pairs_of_a_loss_without_a_scale() -> None:
    phases = {"D": Phase("D", {"adversarial": WassersteinD()}), "G": Phase("G", {"adversarial": WassersteinG()})}
    gate = SkipD(rest_above=0.6, wake_below=0.2, half_life=1e-6, longest_rest=9)  # the newest batch alone
    gate.bind(phases)
    trace = []
    for accuracy in (0.5, 0.79, 0.81, 0.7, 0.59, 0.9):
        gate.observe({"D/adversarial": -123.0, "D/accuracy": accuracy}, 8)
        trace.append((gate.plays(phases["D"]), round(gate.advantage, 6)))
    expected = [(True, 0.0), (True, 0.58), (False, 0.62), (False, 0.4), (True, 0.18), (False, 0.8)]
    assert trace == expected
    gate = SkipD(rest_above=0.9)
    gate.bind(game(RelativisticHingeD(), RelativisticHingeG()))
    gate.observe({"D/adversarial": 0.5, "D/accuracy": 0.5}, 10**9)
    assert gate.advantage == pytest.approx(0.75)  # by its loss: 1 - 0.5 / 2


@pytest.mark.parametrize("name", ["plain", "growing", "scales"])
def test_wgan_gp_trains_each_shape(name: str) -> None:
    gan = task(name)
    gan.phases["D"].terms.clear()
    made = {"adversarial": WassersteinD(), "gp": GradientPenalty(), "drift": Drift()}
    phases = {"D": Phase("D", made), "G": Phase("G", {"adversarial": WassersteinG()})}
    gan.phases = phases
    before = [p.detach().clone() for p in gan.D.parameters()]
    fit(gan, 8)
    assert all(torch.isfinite(p).all() for p in gan.parameters())
    assert any(not torch.equal(a, b) for a, b in zip(before, gan.D.parameters(), strict=True))
