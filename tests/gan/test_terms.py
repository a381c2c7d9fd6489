"""Terms without a trainer: a namespace stands for the batch."""

import math
from types import SimpleNamespace

import pytest
import torch

from seesaw.gan import terms


def look(real: list[float], fake: list[float]) -> SimpleNamespace:
    return SimpleNamespace(real_logits=torch.tensor(real), fake_logits=torch.tensor(fake), images_shown=0)


@pytest.mark.parametrize("term", [terms.CrossEntropyD(), terms.HingeD()])
def test_the_equilibrium_is_the_value_at_indifference(term: terms.DiscriminatorLoss) -> None:
    torch.testing.assert_close(term(look([0.0] * 3, [0.0] * 3)), torch.full((3,), term.equilibrium))
    assert term.accuracy(look([1.0, -1.0], [-1.0, 1.0])).mean() == 0.5


def test_accuracy_counts_both_sides() -> None:
    accuracy = terms.CrossEntropyD().accuracy(look([1.0, 2.0, -1.0, 3.0], [-1.0, -2.0, -3.0, -4.0]))
    assert accuracy.mean().item() == pytest.approx(7 / 8)


def test_g_terms() -> None:
    torch.testing.assert_close(terms.NonSaturatingG()(look([], [0.0])), torch.tensor([math.log(2)]))
    torch.testing.assert_close(terms.MinimaxG()(look([], [0.0])), torch.tensor([-math.log(2)]))
    torch.testing.assert_close(terms.HingeG()(look([], [1.5])), torch.tensor([-1.5]))


def test_r1_of_a_linear_critic_with_a_schedule() -> None:
    x, w = torch.randn(4, 3, 2, 2, requires_grad=True), torch.randn(3, 2, 2)
    batch = SimpleNamespace(real=[x], real_logits=(x * w).sum((1, 2, 3)), images_shown=500)
    expected = w.square().sum().expand(4)
    torch.testing.assert_close(terms.R1(2.0)(batch), expected)
    batch.real_logits = (x * w).sum((1, 2, 3))
    torch.testing.assert_close(terms.R1(lambda shown: shown / 125)(batch), 2 * expected)


def test_r1_refuses_a_negative_gamma() -> None:
    with pytest.raises(ValueError, match=r"gamma is -1\.0; it must be at least 0"):
        terms.R1(-1.0)


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
