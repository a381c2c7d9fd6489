"""Wasserstein and relativistic losses and the gradient penalty, against loops and closed forms."""

import pytest
import torch

from seesaw.functional.losses import relativistic_hinge_d, relativistic_hinge_g, wasserstein_d, wasserstein_g
from seesaw.functional.penalties import gradient_norms, gradient_penalty, interpolated

DOUBLE = torch.float64


def test_wasserstein_is_the_difference_of_means() -> None:
    real, fake = torch.randn(9, dtype=DOUBLE), torch.randn(9, dtype=DOUBLE)
    torch.testing.assert_close(-wasserstein_d(real, fake).mean(), real.mean() - fake.mean())
    torch.testing.assert_close(wasserstein_g(fake), -fake)


def test_relativistic_hinge_agrees_with_a_loop() -> None:
    real, fake = torch.randn(7, dtype=DOUBLE), torch.randn(7, dtype=DOUBLE)
    mean_real, mean_fake = sum(real.tolist()) / 7, sum(fake.tolist()) / 7
    d = [
        max(0, 1 - (r - mean_fake)) + max(0, 1 + (f - mean_real))
        for r, f in zip(real.tolist(), fake.tolist(), strict=True)
    ]
    g = [
        max(0, 1 + (r - mean_fake)) + max(0, 1 - (f - mean_real))
        for r, f in zip(real.tolist(), fake.tolist(), strict=True)
    ]
    torch.testing.assert_close(relativistic_hinge_d(real, fake), torch.tensor(d, dtype=DOUBLE))
    torch.testing.assert_close(relativistic_hinge_g(real, fake), torch.tensor(g, dtype=DOUBLE))
    even = torch.full((5,), 3.0)
    assert relativistic_hinge_d(even, even).tolist() == [2.0] * 5  # the equilibrium that the gates take


@pytest.mark.parametrize("target", [1.0, 10.0])
@pytest.mark.parametrize("one_sided", [False, True])
def test_the_penalty_of_a_linear_critic_has_a_closed_form(target: float, one_sided: bool) -> None:
    """D(x) = <w, x> has the gradient w everywhere: ((||w|| - target) / target)^2, scale by scale, then the mean.

    One-sided, a scale whose norm is below the target costs nothing.
    """
    torch.manual_seed(0)
    weights = [torch.randn(3, 4, 4, dtype=DOUBLE), torch.randn(3, 8, 8, dtype=DOUBLE)]
    images = [torch.randn(5, *w.shape, dtype=DOUBLE, requires_grad=True) for w in weights]
    logits = sum(
        ((w * x).flatten(1).sum(1) for w, x in zip(weights, images, strict=True)), torch.zeros(5, dtype=DOUBLE)
    )
    found = gradient_penalty(gradient_norms(logits, images), target, one_sided)
    away = [(w.norm().item() - target) / target for w in weights]
    assert (min(away) < 0 < max(away)) == (target == 10)  # one scale on each side of the target
    expected = sum((max(a, 0) if one_sided else a) ** 2 for a in away) / 2
    assert found.shape == (5,)
    torch.testing.assert_close(found, torch.full((5,), expected, dtype=DOUBLE))


def test_the_gradient_is_taken_at_the_points_between() -> None:
    """D(x) = sum x^2 / 2 has the gradient x: its norm is that of the point itself."""
    real, fake = [torch.randn(6, 1, 2, 2), torch.randn(6, 1, 4, 4)], [torch.randn(6, 1, 2, 2), torch.randn(6, 1, 4, 4)]
    share = torch.rand(6)
    between = interpolated(real, fake, share)
    logits = sum((x.square().flatten(1).sum(1) / 2 for x in between), torch.zeros(6))
    for norm, r, f in zip(gradient_norms(logits, between), real, fake, strict=True):
        expected = torch.stack([((1 - t) * a + t * b).norm() for t, a, b in zip(share, r, f, strict=True)])
        torch.testing.assert_close(norm, expected)


def test_a_critic_that_is_flat_gives_finite_gradients() -> None:
    """The norm's derivative at 0 would be 0/0."""
    w = torch.zeros(4, 4, requires_grad=True)
    x = torch.randn(2, 1, 4, 4, requires_grad=True)
    penalty = gradient_penalty(gradient_norms((w * x).flatten(1).sum(1), [x])).mean()
    (gradient,) = torch.autograd.grad(penalty, w)
    assert penalty.item() == 1.0
    assert torch.isfinite(gradient).all()
