"""Dynamics on the bilinear game min_g max_d d g, where each has a closed form, and on networks against loops by hand."""

import copy
import math
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from toy_dynamics import BilinearD, BilinearG, Consensus, ExtraGradient, LookaheadMinmax, UnrolledD
from toys import REALS, assert_equal_states, fit, losses, plain, task

from seesaw.gan.dynamics import Alternating, Dynamics, Simultaneous
from seesaw.gan.losses import WassersteinD, WassersteinG
from seesaw.gan.module import GAN
from seesaw.gan.parts import Gate
from seesaw.gan.penalties import R1
from seesaw.gan.phases import Phase
from seesaw.util import key

LR, ROUNDS = 0.1, 200
SGD = {player: partial(torch.optim.SGD, lr=LR) for player in "GD"}
ZEROS = torch.zeros(4, 1, 1, 1)


def bilinear(dynamics: Dynamics | None = None, rounds: int = ROUNDS, **options: Any) -> np.ndarray:
    """(g, d) after some rounds from (1, 1), in float64."""
    given = {} if dynamics is None else {"dynamics": {"tried": dynamics}}
    gan = GAN(BilinearG(), BilinearD(), losses(WassersteinD(), WassersteinG()), SGD, **given, **options).double()
    fit(gan, rounds, precision="64-true", size=4, reals=ZEROS)
    return np.array([gan.G.g.item(), gan.D.d.item()])


def power(matrix: list[list[float]], n: int = ROUNDS) -> np.ndarray:
    """(g, d) after n rounds of a linear map from (1, 1)."""
    return np.linalg.matrix_power(np.array(matrix), n) @ np.ones(2)


K, H = 5, 0.5
SIMULTANEOUS = [[1, -LR], [LR, 1]]  # g - lr d, d + lr g
LOOKAHEAD = (H * np.eye(2) + H * np.linalg.matrix_power(np.array(SIMULTANEOUS), K)).tolist()
CASES: dict[str, tuple[Dynamics, np.ndarray, float, float]] = {
    "simultaneous": (Simultaneous(), power(SIMULTANEOUS), math.sqrt(2) * (1 + LR**2) ** (ROUNDS / 2), 3.83),
    # D first: d + lr g, and then g - lr (d + lr g). An ellipse, so the distance has no simpler form.
    "alternating": (Alternating(), power([[1 - LR**2, -LR], [LR, 1]]), math.nan, 1.48),
    "extra-gradient": (
        ExtraGradient(),
        power([[1 - LR**2, -LR], [LR, 1 - LR**2]]),
        math.sqrt(2) * (1 - LR**2 + LR**4) ** (ROUNDS / 2),
        0.523,
    ),
    "lookahead-minmax": (LookaheadMinmax(K, H), power(LOOKAHEAD, ROUNDS // K), math.nan, 0.665),
    # |gradient|^2 / 2 = (g^2 + d^2) / 2, so the players step by -(d + g) and by g - d.
    "consensus": (
        Consensus(1.0),
        power([[1 - LR, -LR], [LR, 1 - LR]]),
        math.sqrt(2) * ((1 - LR) ** 2 + LR**2) ** (ROUNDS / 2),
        3.4e-9,
    ),
    # d after k steps is d + k lr g, so G's loss is g d + k lr g^2, and its slope d + 2 k lr g.
    "unrolled": (UnrolledD(K, LR), power([[1 - 2 * K * LR**2, -LR], [LR, 1]]), math.nan, 1.5e-4),
}
"""The dynamics, (g, d) by a matrix power, the distance where it has a closed form, and METHODS's figure."""


@pytest.mark.parametrize("name", CASES)
def test_the_distance_on_the_bilinear_game(name: str) -> None:
    dynamics, end, closed, published = CASES[name]
    found = bilinear(dynamics)
    assert found == pytest.approx(end, rel=1e-9, abs=1e-15)
    distance = float(np.linalg.norm(found))
    assert math.isnan(closed) or distance == pytest.approx(closed, rel=1e-9)
    assert float(f"{distance:.3g}") == published or float(f"{distance:.2g}") == published


def test_alternating_is_the_default_and_the_order_of_the_model_counts() -> None:
    assert bilinear(rounds=7) == pytest.approx(power([[1 - LR**2, -LR], [LR, 1]], 7), rel=1e-12)
    g_first = power([[1, -LR], [LR, 1 - LR**2]], 7)  # g - lr d, and then d + lr (g - lr d)
    assert bilinear(rounds=7, order=("G", "D")) == pytest.approx(g_first, rel=1e-12)
    same = [bilinear(Simultaneous(), rounds=7, order=order) for order in (("D", "G"), ("G", "D"))]
    assert same[0].tolist() == same[1].tolist()


@pytest.mark.parametrize("name", CASES)
def test_micro_batches_change_no_dynamics(name: str) -> None:
    dynamics = type(CASES[name][0])
    assert bilinear(dynamics(), rounds=11, micro_batch=3) == pytest.approx(bilinear(dynamics(), rounds=11), rel=1e-12)


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("order", [("D", "G"), ("G", "D")])
def test_shared_fakes_change_no_dynamics(name: str, order: Any) -> None:
    """The images of this G do not depend on z, so a shared pass gives the same unless it belongs to weights of before."""
    dynamics = type(CASES[name][0])
    shared = bilinear(dynamics(), rounds=11, order=order, share_fakes=True)
    assert shared == pytest.approx(bilinear(dynamics(), rounds=11, order=order), rel=1e-12)


@pytest.mark.parametrize("kind", [ExtraGradient, LookaheadMinmax, Consensus, UnrolledD, Simultaneous])
def test_every_dynamics_trains_networks_and_resumes_bit_equal(kind: type[Dynamics], tmp_path: Path) -> None:
    """Convolutions, and R1 beside the loss (a third derivative for consensus); the state of lookahead is saved."""

    def made() -> GAN:
        return plain(dynamics={"tried": kind()}, penalty={"r1": R1(0.1)})

    whole, part, other, start = made(), made(), made(), made()
    fit(whole, 12)
    fit(part, 7).save_checkpoint(tmp_path / "a.ckpt")  # between two of lookahead's meetings
    fit(other, 5, ckpt=str(tmp_path / "a.ckpt"), start=56)
    assert_equal_states(whole, other)
    for player in ("G", "D"):
        pairs = zip(getattr(whole, player).parameters(), getattr(start, player).parameters(), strict=True)
        assert all(not torch.equal(a, b) for a, b in pairs)


# Simultaneous steps against a loop by hand


class Closed(Gate):
    """D's phases are skipped in the batches named."""

    def __init__(self, batches: set[int]) -> None:
        super().__init__()
        self.closed, self.now = batches, 0

    def advance(self, batches: int, images_shown: int) -> None:
        self.now = batches

    def is_active(self, phase: Phase) -> bool:
        return phase.player == "G" or self.now not in self.closed


def latents(shown: int, phase: str) -> Tensor:
    generator = torch.Generator().manual_seed(key(3, shown, phase, "z"))
    return torch.randn(8, 5, generator=generator, dtype=torch.float64)


def stepped(parameters: Any, optimizer: torch.optim.Optimizer, gradients: tuple[Tensor, ...]) -> None:
    for w, gradient in zip(parameters, gradients, strict=True):
        w.grad = gradient
    optimizer.step()


def simultaneous_by_hand(G: nn.Module, D: nn.Module, batches: int, closed: set[int], share: bool) -> None:
    """Non-saturating, R1 of gamma 2 every second batch: all gradients at one point, then all steps. Adam is corrected."""
    k = 2 / 3
    opt_g = torch.optim.Adam(G.parameters(), lr=1e-3, betas=(0.5, 0.99))
    opt_d = torch.optim.Adam(D.parameters(), lr=1e-3 * k, betas=(0.5**k, 0.99**k))
    softplus = nn.functional.softplus
    for batch in range(batches):
        x = (REALS[8 * batch : 8 * batch + 8].double() / 127.5 - 1).requires_grad_()
        names = {player: "shared" if share else player for player in "GD"}
        of_d = []
        if batch not in closed:
            fake = G(latents(8 * batch, names["D"])).images[0].detach()
            loss = (softplus(-D([x])) + softplus(D([fake]))).mean()
            of_d.append(torch.autograd.grad(loss, list(D.parameters())))
            if batch % 2 == 0:
                (slope,) = torch.autograd.grad(D([x]).sum(), x, create_graph=True)
                r1 = 2 * slope.square().sum((1, 2, 3)).mean()  # gain 2, gamma / 2 = 1
                of_d.append(torch.autograd.grad(r1, list(D.parameters()), allow_unused=True))
        loss = softplus(-D(G(latents(8 * batch, names["G"])).images)).mean()
        of_g = torch.autograd.grad(loss, list(G.parameters()))
        for gradients in of_d:
            stepped(D.parameters(), opt_d, gradients)
        stepped(G.parameters(), opt_g, of_g)


@pytest.mark.parametrize("options", [{}, {"micro_batch": 3}, {"share_fakes": True}], ids=str)
@pytest.mark.parametrize("closed", [set(), {1, 2}], ids=["open", "closed"])
def test_simultaneous_steps_are_those_by_hand(options: dict[str, Any], closed: set[int]) -> None:
    """With a lazy R1, closed gates, micro-batches and shared fakes."""
    parts = {"closed": Closed(closed)}
    gan = plain(
        dynamics={"simultaneous": Simultaneous()}, penalty={"r1": R1(2.0, interval=2)}, balance=parts, **options
    ).double()
    G, D = copy.deepcopy(gan.G), copy.deepcopy(gan.D)
    fit(gan, 4, precision="64-true")
    simultaneous_by_hand(G, D, 4, closed, bool(options.get("share_fakes")))
    assert gan.meter.updates == {"G": 4, "D": 6 - (3 if closed else 0)}
    for ours, theirs in ((gan.G, G), (gan.D, D)):
        for a, b in zip(ours.parameters(), theirs.parameters(), strict=True):
            torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-12)


def test_simultaneous_and_alternating_differ_in_the_second_player_alone() -> None:
    """After one batch D, which moves first, is the same; G met another D."""
    alternating, simultaneous = plain(), plain(dynamics={"simultaneous": Simultaneous()})
    fit(alternating, 1)
    fit(simultaneous, 1)
    assert_equal_states(alternating.D, simultaneous.D)
    pairs = zip(alternating.G.parameters(), simultaneous.G.parameters(), strict=True)
    assert any(not torch.equal(a, b) for a, b in pairs)


def test_a_dynamics_must_move_the_players() -> None:
    with pytest.raises(TypeError, match="Dynamics moves nobody"):
        fit(task("plain", dynamics={"abstract": Dynamics()}), 1)
