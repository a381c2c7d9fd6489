"""Spectral normalisation against singular values, the paper's gradient and finite differences."""

from unittest.mock import patch

import pytest
import torch
from torch import nn
from torch.nn.utils import parametrizations

from seesaw.functional.penalties import squared_gradient_norm
from seesaw.functional.spectral import SpectralNorm, is_bounded, normalise

DOUBLE = torch.float64


def settled(net: nn.Module) -> nn.Module:
    """Enough power iterations for sigma to be exact, then none."""
    normalise(net.double())
    for layer in [m for m in net.modules() if isinstance(m, nn.Conv2d | nn.Linear)]:
        for _ in range(400):
            layer.weight  # noqa: B018  each access is an iteration
    return net.eval()


@pytest.mark.parametrize("layer", [nn.Linear(7, 5), nn.Conv2d(3, 6, 4, bias=False)], ids=["linear", "convolution"])
def test_the_largest_singular_value_of_the_matrix_is_one(layer: nn.Module) -> None:
    before = layer.weight.detach().double()
    weight = settled(layer).weight.detach()
    values = torch.linalg.svdvals(before.flatten(1))
    torch.testing.assert_close(weight, before / values[0])
    assert torch.linalg.svdvals(weight.flatten(1))[0].item() == pytest.approx(1, abs=1e-9)


def test_the_gradient_is_the_papers() -> None:
    """Miyato et al. 2018, eq. 12: (g - <g, W / sigma> u v^T) / sigma, with u and v held constant."""
    torch.manual_seed(0)
    layer = settled(nn.Linear(4, 3))
    given = layer.parametrizations.weight.original
    sensitivity = torch.randn(3, 4, dtype=DOUBLE)
    (layer.weight * sensitivity).sum().backward()
    u, s, v = torch.linalg.svd(given.detach())
    outer = torch.outer(u[:, 0], v[0])
    inner = (sensitivity * given.detach() / s[0]).sum()
    torch.testing.assert_close(given.grad, (sensitivity - inner * outer) / s[0])


def test_training_moves_the_vectors_and_evaluation_does_not() -> None:
    layer = nn.Linear(6, 6)
    normalise(layer)
    vector = layer.parametrizations.weight[0]._u
    before = vector.clone()
    layer.eval()(torch.zeros(1, 6))
    assert torch.equal(vector, before)
    layer.train().requires_grad_(False)(torch.zeros(1, 6))  # the frozen opponent's too
    assert not torch.equal(vector, before)


def test_r1_through_normalised_layers_differentiates_twice() -> None:
    torch.manual_seed(0)
    net = settled(nn.Sequential(nn.Conv2d(1, 2, 2), nn.Softplus(), nn.Flatten(), nn.Linear(8, 1)))
    x = torch.randn(2, 1, 3, 3, dtype=DOUBLE)
    names = [name for name, p in net.named_parameters() if p.ndim > 1]

    def penalty(*weights: torch.Tensor) -> torch.Tensor:
        leaf = x.clone().requires_grad_()
        logits = torch.func.functional_call(net, dict(zip(names, weights, strict=True)), leaf)
        return squared_gradient_norm(logits.squeeze(1), [leaf])

    # u and v are constants for the gradient, so finite differences of both hold only where they are kept: in eval mode.
    assert torch.autograd.gradcheck(penalty, [dict(net.named_parameters())[n].detach().requires_grad_() for n in names])


def test_the_weights_are_taken_in_their_own_precision_under_autocast() -> None:
    """CUDA's autocast would give mv in half precision, which vdot refuses; on a CPU it is looked at whether autocast is off."""
    net = nn.Linear(3, 2)
    normalise(net)
    seen = []
    inner = parametrizations._SpectralNorm.forward

    def look(self: nn.Module, weight: torch.Tensor) -> torch.Tensor:
        seen.append(torch.is_autocast_enabled("cpu"))
        return inner(self, weight)

    with torch.autocast("cpu", torch.bfloat16), patch.object(parametrizations._SpectralNorm, "forward", look):
        assert net(torch.zeros(1, 3)).dtype == torch.bfloat16
        assert net.weight.dtype == torch.float32
    assert seen == [False, False]


def test_what_bounds_a_net() -> None:
    def net(*more: nn.Module) -> nn.Sequential:
        return nn.Sequential(nn.Conv2d(1, 2, 3), nn.LeakyReLU(0.2), *more, nn.Flatten(), nn.Linear(2, 1))

    plain, whole, part, norm = net(), net(), net(), net(nn.BatchNorm2d(2))
    normalise(whole)
    normalise(part[-1])
    normalise(norm)
    assert [is_bounded(n) for n in (plain, whole, part, norm)] == [False, True, False, False]
    assert isinstance(whole[0].parametrizations.weight[0], SpectralNorm)
