"""Terms without a trainer: a namespace stands for the batch."""

import math
from types import SimpleNamespace

import pytest
import torch

from seesaw.gan import terms


def look(real: list[float], fake: list[float]) -> SimpleNamespace:
    return SimpleNamespace(real_logits=torch.tensor(real), fake_logits=torch.tensor(fake), images_shown=0)


D_LOSSES = [
    terms.CrossEntropyD(),
    terms.HingeD(),
    terms.LeastSquaresD(),
    terms.WassersteinD(),
    terms.RelativisticHingeD(),
    terms.RelativisticPairedD(),
]
PAIRED = [term for term in D_LOSSES if isinstance(term, terms.PairedLoss)]


def test_every_loss_of_d_stands_in_these_tests() -> None:
    def leaves(kind: type) -> set[type]:
        return set().union(*map(leaves, kind.__subclasses__())) if kind.__subclasses__() else {kind}

    ours = {kind for kind in leaves(terms.DiscriminatorLoss) if kind.__module__ == terms.__name__}
    assert {type(term) for term in D_LOSSES} == ours


@pytest.mark.parametrize("term", D_LOSSES)
def test_the_equilibrium_is_the_least_loss_of_a_constant_d(term: terms.DiscriminatorLoss) -> None:
    """Where G equals the data no D can tell them apart, and the losses are convex: a constant is optimal."""
    least = min(term(look([c] * 3, [c] * 3)).mean().item() for c in torch.linspace(-3, 3, 121).tolist())
    assert least == pytest.approx(term.equilibrium, abs=1e-6)


@pytest.mark.parametrize("term", D_LOSSES)
def test_losses_and_accuracies_move_the_way_the_gates_assume(term: terms.DiscriminatorLoss) -> None:
    """A D that is ahead has a loss under the equilibrium and an accuracy over 0.5; the reverse when it is fooled."""
    ahead, fooled = look([1.5, 1.0, 1.2], [-0.5, 0.0, -0.2]), look([-0.5, 0.0, -0.2], [1.5, 1.0, 1.2])
    assert term(ahead).mean() < term.equilibrium < term(fooled).mean()
    assert term.accuracy(ahead).mean() > 0.5 > term.accuracy(fooled).mean()
    assert term.accuracy(look([2.0, -1.0], [-1.0, 2.0])).mean() == 0.5


@pytest.mark.parametrize("term", PAIRED)
def test_only_differences_count_in_a_paired_loss(term: terms.PairedLoss) -> None:
    here, far = look([0.25, 1.0, -2.0], [0.5, -1.0, 0.0]), look([8.25, 9.0, 6.0], [8.5, 7.0, 8.0])
    torch.testing.assert_close(term(here), term(far))
    assert term.accuracy(here).tolist() == term.accuracy(far).tolist() == [0.0, 1.0, 0.0]


def test_least_squares_accuracy_is_by_one_half() -> None:
    accuracy = terms.LeastSquaresD().accuracy(look([0.6, 0.4, 1.0, 0.7], [0.4, 0.3, -1.0, 0.6]))
    assert accuracy.tolist() == [1.0, 0.0, 1.0, 1.0, 1.0, 1.0, 1.0, 0.0]


def test_accuracy_counts_both_sides() -> None:
    accuracy = terms.CrossEntropyD().accuracy(look([1.0, 2.0, -1.0, 3.0], [-1.0, -2.0, -3.0, -4.0]))
    assert accuracy.mean().item() == pytest.approx(7 / 8)


def test_g_terms() -> None:
    torch.testing.assert_close(terms.NonSaturatingG()(look([], [0.0])), torch.tensor([math.log(2)]))
    torch.testing.assert_close(terms.MinimaxG()(look([], [0.0])), torch.tensor([-math.log(2)]))
    torch.testing.assert_close(terms.HingeG()(look([], [1.5])), torch.tensor([-1.5]))
    torch.testing.assert_close(terms.LeastSquaresG()(look([], [0.5, 3.0])), torch.tensor([0.25, 4.0]))
    even = look([2.0, 2.0], [2.0, 2.0])
    torch.testing.assert_close(terms.RelativisticPairedG()(even), torch.full((2,), math.log(2)))
    torch.testing.assert_close(terms.RelativisticHingeG()(even), torch.full((2,), 2.0))


def test_both_players_of_a_relativistic_loss_play_one_game() -> None:
    """G's value is D's with the roles exchanged."""
    one, other = look([0.3, -1.0, 2.0], [0.1, 0.7, -0.4]), look([0.1, 0.7, -0.4], [0.3, -1.0, 2.0])
    for d, g in (
        (terms.RelativisticPairedD(), terms.RelativisticPairedG()),
        (terms.RelativisticHingeD(), terms.RelativisticHingeG()),
    ):
        torch.testing.assert_close(g(one), d(other))


@pytest.mark.parametrize(("kind", "side"), [(terms.R1, "real"), (terms.R2, "fake")])
def test_zero_centred_penalties_of_a_linear_critic_with_a_schedule(kind: type[terms.R1 | terms.R2], side: str) -> None:
    """Only the side that is meant has logits and images here."""
    x, w = torch.randn(4, 3, 2, 2, requires_grad=True), torch.randn(3, 2, 2)

    def batch() -> SimpleNamespace:
        return SimpleNamespace(**{side: [x], f"{side}_logits": (x * w).sum((1, 2, 3))}, images_shown=500)

    expected = w.square().sum().expand(4)
    torch.testing.assert_close(kind(2.0)(batch()), expected)
    torch.testing.assert_close(kind(lambda shown: shown / 125)(batch()), 2 * expected)
    assert kind(0.0).grad_of == {side}


@pytest.mark.parametrize("kind", [terms.R1, terms.R2])
def test_zero_centred_penalties_refuse_a_negative_gamma(kind: type[terms.R1 | terms.R2]) -> None:
    with pytest.raises(ValueError, match=r"gamma is -1\.0; it must be at least 0"):
        kind(-1.0)


@pytest.mark.parametrize("wrong", [{"weight": -1.0}, {"target": 0.0}, {"target": -1.0}])
def test_the_gradient_penalty_refuses(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="weight >= 0 and target > 0 must hold"):
        terms.GradientPenalty(**wrong)


def test_drift_refuses_a_negative_weight() -> None:
    with pytest.raises(ValueError, match="weight is -1; it must be at least 0"):
        terms.Drift(-1)


def test_path_length_mean_follows_the_lengths() -> None:
    """A generator with constant lengths: the penalty falls to 0 as the mean reaches them."""
    term = terms.PathLength(weight=2.0, decay=0.5)
    w = torch.ones(4, 3, requires_grad=True)
    values = []
    for _ in range(30):
        torch.manual_seed(0)
        images = (w * 2).sum(1)[:, None, None, None].expand(4, 1, 2, 2)
        made = SimpleNamespace(w=w)
        values.append(term(SimpleNamespace(made=made, fake=[images])).mean().item())
    torch.manual_seed(0)
    lengths = 2 * 3**0.5 * torch.randn(4, 1, 2, 2).sum((1, 2, 3)).abs() / 2
    assert term.mean.item() == pytest.approx(lengths.mean().item(), rel=1e-4)
    assert values[-1] == pytest.approx(2 * lengths.var(unbiased=False).item(), rel=1e-3)
