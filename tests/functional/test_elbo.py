"""The two parts of the evidence lower bound against torch's distributions, and the whole against an evidence in closed form."""

import math

import pytest
import torch
from torch import Tensor
from torch.distributions import Bernoulli, MultivariateNormal, Normal, kl_divergence

from seesaw.functional.elbo import bernoulli_nll, gaussian_nll, kl_from_standard_normal, reparameterised


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_kl_is_that_of_torch() -> None:
    mean, log_variance = normal(5, 3), normal(5, 3, seed=1)
    expected = kl_divergence(Normal(mean, (0.5 * log_variance).exp()), Normal(torch.zeros(()).double(), 1.0)).sum(1)
    torch.testing.assert_close(kl_from_standard_normal(mean, log_variance), expected)
    assert kl_from_standard_normal(torch.zeros(2, 3), torch.zeros(2, 3)).tolist() == [0.0, 0.0]


@pytest.mark.parametrize("deviation", [1.0, 0.3])
def test_gaussian_likelihood_is_that_of_torch(deviation: float) -> None:
    x, mean = normal(4, 2, 3, 5), normal(4, 2, 3, 5, seed=1)
    torch.testing.assert_close(gaussian_nll(x, mean, deviation), -Normal(mean, deviation).log_prob(x).flatten(1).sum(1))


def test_bernoulli_likelihood_is_that_of_torch_and_takes_greys() -> None:
    mean = normal(4, 2, 3, 5).tanh()
    x = 2 * (normal(4, 2, 3, 5, seed=1) > 0).double() - 1
    expected = -Bernoulli((mean + 1) / 2).log_prob((x + 1) / 2).flatten(1).sum(1)
    torch.testing.assert_close(bernoulli_nll(x, mean), expected)
    grey = normal(4, 2, 3, 5, seed=2).tanh()
    cross_entropy = torch.nn.functional.binary_cross_entropy((mean + 1) / 2, (grey + 1) / 2, reduction="none")
    torch.testing.assert_close(bernoulli_nll(grey, mean), cross_entropy.flatten(1).sum(1))


def test_bernoulli_likelihood_stays_finite_where_tanh_has_reached_one() -> None:
    mean = torch.tensor([1.0, -1.0]).view(1, 1, 1, 2).requires_grad_()
    value = bernoulli_nll(torch.tensor([-1.0, 1.0]).view(1, 1, 1, 2), mean)
    value.sum().backward()
    assert value.item() == pytest.approx(2 * -math.log(0.5e-6), rel=0.01)  # p misses by half of 1e-6
    assert mean.grad is not None
    assert mean.grad.isfinite().all()


def test_the_bound_of_a_linear_gaussian_model_is_its_evidence_at_the_true_posterior_and_lower_elsewhere() -> None:
    """x = W z + b + s e, z and e standard normal: p(x) = N(b, W W^T + s^2 I), and with orthogonal columns of W the posterior is
    a diagonal normal distribution: variance 1 / (1 + |w_k|^2 / s^2), mean variance * w_k^T (x - b) / s^2.

    Monte Carlo over z, with noise whose first two moments are exact: the integrand is quadratic, so few draws have no error.
    """
    s, n = 0.7, 64
    W = torch.tensor([[1.0, 0.5], [1.0, -0.5], [0.5, 1.0], [-0.5, 1.0]]).double()
    assert (W.T @ W)[0, 1] == 0
    b, x = normal(4), normal(4, seed=1)
    evidence = MultivariateNormal(b, W @ W.T + s**2 * torch.eye(4).double()).log_prob(x).item()
    variance = 1 / (1 + W.square().sum(0) / s**2)
    mean = variance * (W.T @ (x - b)) / s**2

    noise = normal(n, 2, seed=2)
    noise = noise - noise.mean(0)
    noise = noise @ torch.linalg.inv(torch.linalg.cholesky(noise.T @ noise / n)).T

    def bound(mean: Tensor, variance: Tensor) -> float:
        mean, log_variance = mean.expand(n, 2), variance.log().expand(n, 2)
        z = reparameterised(mean, log_variance, noise)
        given = (z @ W.T + b).view(n, 1, 1, 4)
        nll = gaussian_nll(x.view(1, 1, 1, 4).expand(n, 1, 1, 4), given, s)
        return (-nll - kl_from_standard_normal(mean, log_variance)).mean().item()

    assert bound(mean, variance) == pytest.approx(evidence, abs=1e-9)
    posterior = Normal(mean, variance.sqrt())
    for other in (Normal(mean + 0.3, variance.sqrt()), Normal(mean, 1.5 * variance.sqrt())):
        gap = kl_divergence(other, posterior).sum().item()  # what a bound misses of the evidence
        assert gap > 0.05
        assert bound(other.mean, other.variance) == pytest.approx(evidence - gap, abs=1e-9)
