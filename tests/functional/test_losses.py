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


def test_equilibria() -> None:
    zero = torch.zeros(1, dtype=torch.float64)
    assert losses.cross_entropy_d(zero, zero).item() == pytest.approx(math.log(4), rel=1e-12)
    assert losses.non_saturating_g(zero).item() == pytest.approx(math.log(2), rel=1e-12)
    assert losses.minimax_g(zero).item() == pytest.approx(-math.log(2), rel=1e-12)


def test_gradients_where_d_wins() -> None:
    """At a logit of -40 the non-saturating loss still pushes with slope -1, the minimax loss no longer does."""
    fake = torch.tensor(-40.0, requires_grad=True)
    (gradient,) = torch.autograd.grad(losses.non_saturating_g(fake), fake)
    assert gradient.item() == pytest.approx(-1.0, abs=1e-6)
    (gradient,) = torch.autograd.grad(losses.minimax_g(fake), fake)
    assert -1e-6 < gradient.item() < 0
