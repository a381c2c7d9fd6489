"""Adversarial losses against torch's own binary cross-entropy and closed forms."""

import math

import pytest
import torch
import torch.nn.functional as F

from seesaw.functional import losses

REAL = torch.linspace(-60, 60, 41, dtype=torch.float64)
FAKE = REAL.flip(0) / 3


def test_cross_entropy_is_binary_cross_entropy_on_logits() -> None:
    expected = F.binary_cross_entropy_with_logits(REAL, torch.ones_like(REAL), reduction="none")
    expected = expected + F.binary_cross_entropy_with_logits(FAKE, torch.zeros_like(FAKE), reduction="none")
    torch.testing.assert_close(losses.cross_entropy_d(REAL, FAKE), expected)
    expected = F.binary_cross_entropy_with_logits(FAKE, torch.ones_like(FAKE), reduction="none")
    torch.testing.assert_close(losses.non_saturating_g(FAKE), expected)


def test_minimax_g_is_the_negative_of_d_s_second_term() -> None:
    expected = -F.binary_cross_entropy_with_logits(FAKE, torch.zeros_like(FAKE), reduction="none")
    torch.testing.assert_close(losses.minimax_g(FAKE), expected)


@pytest.mark.parametrize(
    ("real", "fake", "expected"), [(0.0, 0.0, 2.0), (1.0, -1.0, 0.0), (-1.0, 2.0, 5.0), (3.0, 0.5, 1.5)]
)
def test_hinge_d_by_hand(real: float, fake: float, expected: float) -> None:
    assert losses.hinge_d(torch.tensor(real), torch.tensor(fake)).item() == expected


def test_hinge_g_is_minus_the_logit() -> None:
    torch.testing.assert_close(losses.hinge_g(FAKE), -FAKE)


def test_least_squares_is_the_squared_distance_to_the_labels() -> None:
    expected = F.mse_loss(REAL, torch.ones_like(REAL), reduction="none")
    expected = expected + F.mse_loss(FAKE, torch.zeros_like(FAKE), reduction="none")
    torch.testing.assert_close(losses.least_squares_d(REAL, FAKE), expected)
    torch.testing.assert_close(losses.least_squares_g(FAKE), F.mse_loss(FAKE, torch.ones_like(FAKE), reduction="none"))


def test_the_relativistic_paired_loss_is_cross_entropy_on_the_difference() -> None:
    """D is to find the real of a pair the real one, and G the fake."""
    difference = REAL - FAKE
    expected = F.binary_cross_entropy_with_logits(difference, torch.ones_like(REAL), reduction="none")
    torch.testing.assert_close(losses.relativistic_paired_d(REAL, FAKE), expected)
    expected = F.binary_cross_entropy_with_logits(difference, torch.zeros_like(REAL), reduction="none")
    torch.testing.assert_close(losses.relativistic_paired_g(REAL, FAKE), expected)


def test_a_pair_is_on_its_own_and_a_relativistic_average_is_not() -> None:
    """Half the batch alone gives the same values in the one, others in the other: what micro-batches make of them."""
    whole, half = slice(None), slice(0, 20)
    for loss, apart in ((losses.relativistic_paired_d, True), (losses.relativistic_hinge_d, False)):
        equal = torch.allclose(loss(REAL[whole], FAKE[whole])[half], loss(REAL[half], FAKE[half]))
        assert equal == apart


@pytest.mark.parametrize("name", sorted(n for n in vars(losses) if n.endswith(("_d", "_g"))))
def test_one_value_a_sample_with_the_derivative_of_its_value(name: str) -> None:
    """Autograd against finite differences in float64, away from the hinges' corners."""
    loss = getattr(losses, name)
    real = torch.tensor([-2.3, -0.4, 0.3, 1.9], dtype=torch.float64, requires_grad=True)
    fake = torch.tensor([0.2, -1.7, 2.6, -0.1], dtype=torch.float64, requires_grad=True)
    sides = (real, fake) if loss.__code__.co_argcount == 2 else (fake,)
    assert loss(*sides).shape == (4,)
    assert torch.autograd.gradcheck(loss, sides)


def test_equilibria() -> None:
    zero = torch.zeros(1, dtype=torch.float64)
    assert losses.cross_entropy_d(zero, zero).item() == pytest.approx(math.log(4), rel=1e-12)
    assert losses.non_saturating_g(zero).item() == pytest.approx(math.log(2), rel=1e-12)
    assert losses.minimax_g(zero).item() == pytest.approx(-math.log(2), rel=1e-12)
    assert losses.least_squares_d(zero + 0.5, zero + 0.5).item() == pytest.approx(0.5, rel=1e-12)
    assert losses.least_squares_g(zero + 0.5).item() == pytest.approx(0.25, rel=1e-12)
    assert losses.relativistic_paired_d(zero + 7, zero + 7).item() == pytest.approx(math.log(2), rel=1e-12)
    assert losses.relativistic_hinge_g(zero + 7, zero + 7).item() == pytest.approx(2.0, rel=1e-12)


def test_gradients_where_d_wins() -> None:
    """At a logit of -40 the non-saturating loss still pushes with slope -1, the minimax loss no longer does."""
    fake = torch.tensor(-40.0, requires_grad=True)
    (gradient,) = torch.autograd.grad(losses.non_saturating_g(fake), fake)
    assert gradient.item() == pytest.approx(-1.0, abs=1e-6)
    (gradient,) = torch.autograd.grad(losses.minimax_g(fake), fake)
    assert -1e-6 < gradient.item() < 0


def test_the_relativistic_hinge_is_twice_its_authors() -> None:
    """The author's code takes the mean of the two terms, MSG-GAN's and ours their sum."""
    real, fake = torch.randn(6, generator=torch.Generator().manual_seed(0)), torch.linspace(-1, 2, 6)
    authors = ((1 - (real - fake.mean())).relu().mean() + (1 + (fake - real.mean())).relu().mean()) / 2
    assert losses.relativistic_hinge_d(real, fake).mean().item() == pytest.approx(2 * authors.item())


def test_of_several_logits_a_sample_each_head_is_judged_by_itself() -> None:
    """(B, K) gives what K discriminators of one logit give, side by side; the relativistic average is that of a head."""
    real, fake = torch.randn(2, 5, 3, generator=torch.Generator().manual_seed(0)).double()
    for loss in (losses.hinge_d, losses.relativistic_hinge_d, losses.relativistic_paired_d, losses.cross_entropy_d):
        one_by_one = [loss(r, f) for r, f in zip(real.unbind(1), fake.unbind(1), strict=True)]
        torch.testing.assert_close(loss(real, fake), torch.stack(one_by_one, 1))
