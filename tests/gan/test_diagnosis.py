"""Figures of the players against closed forms; a real GAN is not moved by them."""

import math

import pytest
import torch
from torch import Tensor, nn

from seesaw.gan.diagnosis import log_condition, overfitting, player_figures
from seesaw.gan.losses import CrossEntropyD, LeastSquaresD, WassersteinD
from seesaw.shared.sampling import latents
from seesaw.training.build import build
from seesaw.training.preflight import compose_checked
from seesaw.types import Batch, Fake


class Linear(nn.Module):
    """Images A z of 2 x 2 pixels."""

    z_dim = 3

    def __init__(self, matrix: Tensor) -> None:
        super().__init__()
        self.matrix = nn.Parameter(matrix)

    def forward(self, z: Tensor, y: Tensor | None = None) -> Fake:
        return Fake([(z @ self.matrix.T).view(-1, 1, 2, 2)])


@pytest.mark.parametrize("smallest", [1.0, 1e-2, 1e-4])
def test_the_condition_of_a_linear_generator(smallest: float) -> None:
    q = torch.linalg.qr(torch.randn(4, 3, generator=torch.Generator().manual_seed(0))).Q
    G = Linear(q @ torch.diag(torch.tensor([2.0, 1.0, smallest])))
    assert log_condition(G, 3, 0) == pytest.approx(2 * math.log10(2 / smallest), abs=0.01)


def test_a_direction_that_changes_nothing_has_no_finite_condition() -> None:
    assert log_condition(Linear(torch.eye(4, 3) * torch.tensor([1.0, 1, 0])), 3, 0) > 12


def test_signs_go_by_the_loss() -> None:
    reals, fakes = torch.tensor([1.0, 0.2, -1.0, 0.7]), torch.tensor([0.0, 0.5, -2.0, 0.6])
    assert CrossEntropyD().signs(reals, fakes).tolist() == [1, 1, -1, 1]
    assert LeastSquaresD().signs(reals, fakes).tolist() == [1, -1, -1, 1]
    assert WassersteinD().signs(reals, fakes).tolist() == [1, -1, 1, 1]


def test_overfitting_is_the_share_of_the_way_from_training_to_fakes() -> None:
    assert overfitting(torch.full((4,), 3.0), torch.full((2,), 2.0), torch.full((4,), -1.0)) == 0.25
    assert math.isnan(overfitting(torch.ones(2), torch.zeros(2), torch.ones(2)))


@pytest.mark.parametrize("options", [("model=mlp",), ("model=dcgan_small", "balance=pac", "loss=rpgan")])
def test_of_a_real_gan_nothing_moves(options: tuple[str, ...]) -> None:
    config = compose_checked([*options, "data.resolution=16", "logger=none", "trainer=cpu"])
    gan, _ = build(config)
    reals = torch.randint(256, (41, 1, 16, 16), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    before = {name: value.clone() for name, value in gan.state_dict().items() if torch.is_tensor(value)}
    state = torch.get_rng_state()
    gan.train()
    found = player_figures(gan, Batch(reals), Batch(reals.flip(0)[:30]))
    assert torch.equal(state, torch.get_rng_state())
    assert all(torch.equal(value, gan.state_dict()[name]) for name, value in before.items())
    assert gan.G.training
    assert gan.D.training
    assert set(found) == {"r_t", "r_v", "input_gradient", "log_condition"}
    assert found == player_figures(gan, Batch(reals), Batch(reals.flip(0)[:30]))
    assert "r_v" not in player_figures(gan, Batch(reals))
    assert all(math.isfinite(value) for value in found.values())


def test_the_slope_is_the_norm_of_the_gradient_of_each_image() -> None:
    config = compose_checked(["model=mlp", "data.resolution=8", "logger=none", "trainer=cpu"])
    gan, _ = build(config)
    reals = torch.zeros(8, 1, 8, 8, dtype=torch.uint8)
    norms = []
    gan.eval()
    for z in latents(8, gan.z_dim, gan.seed, "players"):
        image = gan.G(z[None]).images[0].detach().requires_grad_()
        norms.append(torch.autograd.grad(gan.D([image]).sum(), image)[0].norm().item())
    assert player_figures(gan, Batch(reals))["input_gradient"] == pytest.approx(sum(norms) / 8, rel=1e-4)
