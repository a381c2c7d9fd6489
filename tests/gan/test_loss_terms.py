"""Adversarial losses without a trainer: a namespace stands for the batch, and a real batch where the reals' graph matters."""

import math
from types import SimpleNamespace

import pytest
import torch
from toy_nets import PlainD, PlainG
from toys import fit, game, task

from seesaw.gan import losses
from seesaw.gan.balance import SkipD
from seesaw.gan.batch import AdversarialBatch
from seesaw.gan.parts import adversarial_phase
from seesaw.gan.terms import Term
from seesaw.gan.views import SingleScale


def logits(real: list[float], fake: list[float]) -> SimpleNamespace:
    return SimpleNamespace(real_logits=torch.tensor(real), fake_logits=torch.tensor(fake), images_shown=0)


def batch_of(player: str) -> AdversarialBatch:
    """Six samples of real networks; the opponent is frozen, as in the step."""
    torch.manual_seed(1)
    G, D = PlainG().requires_grad_(player == "G"), PlainD().requires_grad_(player == "D")
    reals, z = torch.randn(6, 1, 8, 8), torch.randn(6, 5)
    return AdversarialBatch(
        G, D, reals, z, view=SingleScale(), into_discriminator=lambda images, y: (images, y), player=player
    )


D_LOSSES = [
    losses.CrossEntropyD(),
    losses.HingeD(),
    losses.LeastSquaresD(),
    losses.WassersteinD(),
    losses.RelativisticHingeD(),
    losses.RelativisticPairedD(),
]
PAIRED = [term for term in D_LOSSES if isinstance(term, losses.PairedLoss)]


def test_every_loss_of_d_stands_in_these_tests() -> None:
    def leaves(kind: type) -> set[type]:
        return set().union(*map(leaves, kind.__subclasses__())) if kind.__subclasses__() else {kind}

    ours = {kind for kind in leaves(losses.DiscriminatorLoss) if kind.__module__ == losses.__name__}
    assert {type(term) for term in D_LOSSES} == ours


@pytest.mark.parametrize("term", D_LOSSES)
def test_the_equilibrium_is_the_least_loss_of_a_constant_d(term: losses.DiscriminatorLoss) -> None:
    """Where G equals the data no D can tell them apart, and the losses are convex: a constant is optimal."""
    least = min(term(logits([c] * 3, [c] * 3)).mean().item() for c in torch.linspace(-3, 3, 121).tolist())
    assert least == pytest.approx(term.equilibrium, abs=1e-6)


@pytest.mark.parametrize("term", D_LOSSES)
def test_losses_and_accuracies_move_the_way_the_gates_assume(term: losses.DiscriminatorLoss) -> None:
    """A D that is ahead has a loss under the equilibrium and an accuracy over 0.5; the reverse when it is fooled."""
    ahead, fooled = logits([1.5, 1.0, 1.2], [-0.5, 0.0, -0.2]), logits([-0.5, 0.0, -0.2], [1.5, 1.0, 1.2])
    assert term(ahead).mean() < term.equilibrium < term(fooled).mean()
    assert term.accuracy(ahead).mean() > 0.5 > term.accuracy(fooled).mean()
    assert term.accuracy(logits([2.0, -1.0], [-1.0, 2.0])).mean() == 0.5


@pytest.mark.parametrize("term", PAIRED)
def test_only_differences_count_in_a_paired_loss(term: losses.PairedLoss) -> None:
    here, far = logits([0.25, 1.0, -2.0], [0.5, -1.0, 0.0]), logits([8.25, 9.0, 6.0], [8.5, 7.0, 8.0])
    torch.testing.assert_close(term(here), term(far))
    assert term.accuracy(here).tolist() == term.accuracy(far).tolist() == [0.0, 1.0, 0.0]


def test_least_squares_accuracy_is_by_one_half() -> None:
    accuracy = losses.LeastSquaresD().accuracy(logits([0.6, 0.4, 1.0, 0.7], [0.4, 0.3, -1.0, 0.6]))
    assert accuracy.tolist() == [1.0, 0.0, 1.0, 1.0, 1.0, 1.0, 1.0, 0.0]


def test_accuracy_counts_both_sides() -> None:
    accuracy = losses.CrossEntropyD().accuracy(logits([1.0, 2.0, -1.0, 3.0], [-1.0, -2.0, -3.0, -4.0]))
    assert accuracy.mean().item() == pytest.approx(7 / 8)


def test_accuracy_of_unpaired_critics_is_by_pairs() -> None:
    batch = batch_of("D")
    pairs = [float(r > f) for r, f in zip(batch.real_logits, batch.fake_logits, strict=True)]
    for term in (losses.WassersteinD(), losses.RelativisticHingeD()):
        assert term.accuracy(batch).tolist() == pairs


def test_g_terms() -> None:
    torch.testing.assert_close(losses.NonSaturatingG()(logits([], [0.0])), torch.tensor([math.log(2)]))
    torch.testing.assert_close(losses.MinimaxG()(logits([], [0.0])), torch.tensor([-math.log(2)]))
    torch.testing.assert_close(losses.HingeG()(logits([], [1.5])), torch.tensor([-1.5]))
    torch.testing.assert_close(losses.WassersteinG()(logits([], [1.5])), torch.tensor([-1.5]))
    torch.testing.assert_close(losses.LeastSquaresG()(logits([], [0.5, 3.0])), torch.tensor([0.25, 4.0]))
    even = logits([2.0, 2.0], [2.0, 2.0])
    torch.testing.assert_close(losses.RelativisticPairedG()(even), torch.full((2,), math.log(2)))
    torch.testing.assert_close(losses.RelativisticHingeG()(even), torch.full((2,), 2.0))


def test_both_sides_of_a_relativistic_loss_play_one_game() -> None:
    """G's value is D's with the roles exchanged."""
    one, other = logits([0.3, -1.0, 2.0], [0.1, 0.7, -0.4]), logits([0.1, 0.7, -0.4], [0.3, -1.0, 2.0])
    for d, g in (
        (losses.RelativisticPairedD(), losses.RelativisticPairedG()),
        (losses.RelativisticHingeD(), losses.RelativisticHingeG()),
    ):
        torch.testing.assert_close(g(one), d(other))


def test_g_of_a_relativistic_loss_sees_the_reals() -> None:
    batch = batch_of("G")
    loss = losses.RelativisticHingeG()(batch).mean()
    loss.backward()
    assert batch.has("real_logits")
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in batch.G.parameters())


def test_gates_read_the_pairs_of_a_loss_without_a_scale() -> None:
    phases = game(losses.WassersteinD(), losses.WassersteinG())
    gate = SkipD(skip_above=0.6, resume_below=0.2, half_life=1e-6, max_skips=9)  # the newest batch alone
    gate.bind(phases)
    trace = []
    for accuracy in (0.5, 0.79, 0.81, 0.7, 0.59, 0.9):
        gate.observe({"D/adversarial": -123.0, "D/accuracy": accuracy}, 8)
        trace.append((gate.is_active(phases["D"]), round(gate.advantage, 6)))
    expected = [(True, 0.0), (True, 0.58), (False, 0.62), (False, 0.4), (True, 0.18), (False, 0.8)]
    assert trace == expected
    gate = SkipD(skip_above=0.9)
    gate.bind(game(losses.RelativisticHingeD(), losses.RelativisticHingeG()))
    gate.observe({"D/adversarial": 0.5, "D/accuracy": 0.5}, 10**9)
    assert gate.advantage == pytest.approx(0.75)  # by its loss: 1 - 0.5 / 2


def test_the_adversarial_phase_is_found_by_its_loss() -> None:
    phases = game(losses.HingeD(), losses.HingeG())
    name, term, found = adversarial_phase(phases, "anyone")
    assert (name, term, type(found)) == ("D", "adversarial", losses.HingeD)
    with pytest.raises(ValueError, match="anyone needs a discriminator loss with an equilibrium, and no phase of D"):
        adversarial_phase({"G": phases["G"]}, "anyone")


def test_a_term_must_define_a_value() -> None:
    with pytest.raises(TypeError, match="Term defines no value"):
        fit(task("plain", penalty={"abstract": lazily(Term())}), 1)


def lazily(term: Term) -> Term:
    """With what `build_phases` asks of a penalty."""
    term.player, term.interval, term.batch_fraction = "D", 1, 1.0
    return term
