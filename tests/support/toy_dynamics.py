"""Dynamics beyond the shipped ones, through the four calls of `Game` alone, and the bilinear game on which they are tried."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from seesaw.gan.dynamics import Dynamics, Simultaneous
from seesaw.gan.phases import Phase
from seesaw.gan.step import Game
from seesaw.types import Fake, Pyramid


class BilinearG(nn.Module):
    """Gives the image g, (B, 1, 1, 1), whatever z is; g starts at 1."""

    z_dim = 1

    def __init__(self) -> None:
        super().__init__()
        self.g = nn.Parameter(torch.ones(()))

    def forward(self, z: Tensor, y: Tensor | None = None) -> Fake:
        return Fake([self.g * torch.ones_like(z)[:, :, None, None]])  # a copy: a view would follow the weight


class BilinearD(nn.Module):
    """D(x) = -d x; d starts at 1. With the Wasserstein loss and reals of 0, D minimises -d g and G minimises d g."""

    def __init__(self) -> None:
        super().__init__()
        self.d = nn.Parameter(torch.ones(()))

    def forward(self, images: Pyramid, y: Tensor | None = None) -> Tensor:
        return -self.d * images[-1].flatten()


def values(game: Game) -> dict[str, list[Tensor]]:
    """Copies of both players' weights."""
    return {player: [w.detach().clone() for w in game.weights(player)] for player in "GD"}


@torch.no_grad()
def put(game: Game, weights: dict[str, list[Tensor]]) -> None:
    """Write copies back."""
    for player, copies in weights.items():
        for w, value in zip(game.weights(player), copies, strict=True):
            w.copy_(value)


class ExtraGradient(Dynamics):
    """Both players look ahead by a step, take their gradients there, return, and step with them (Korpelevich 1976)."""

    def forward(self, game: Game, due: Sequence[Phase]) -> None:
        start = values(game)
        Simultaneous()(game, due)
        taken = [(phase.player, game.gradients(phase)) for phase in due]
        put(game, start)
        for player, gradients in taken:
            game.update(player, gradients)


class LookaheadMinmax(Dynamics):
    """After every k rounds slow <- slow + alpha (fast - slow) and fast <- slow, jointly (Chavdarova et al. 2021)."""

    def __init__(self, k: int = 5, alpha: float = 0.5) -> None:
        super().__init__()
        self.k, self.alpha, self.rounds = k, alpha, 0
        self.slow: dict[str, list[Tensor]] = {}
        self.inner = Simultaneous()

    def forward(self, game: Game, due: Sequence[Phase]) -> None:
        if not self.slow:
            self.slow = values(game)
        self.inner(game, due)
        self.rounds += 1
        if self.rounds % self.k == 0:
            fast = values(game)
            self.slow = {p: [s.lerp(f, self.alpha) for s, f in zip(self.slow[p], fast[p], strict=True)] for p in fast}
            put(game, self.slow)

    def get_extra_state(self) -> dict[str, Any]:
        return {"rounds": self.rounds, "slow": self.slow}

    def set_extra_state(self, state: dict[str, Any]) -> None:
        self.rounds, self.slow = state["rounds"], state["slow"]


class Consensus(Dynamics):
    """Each step is along g + alpha d(|g|^2 / 2), g the gradients of both players (Mescheder et al. 2017, algorithm 2)."""

    def __init__(self, alpha: float = 1.0) -> None:
        super().__init__()
        self.alpha = alpha

    def forward(self, game: Game, due: Sequence[Phase]) -> None:
        taken = {phase.player: game.gradients(phase, create_graph=True) or [] for phase in due}
        found = [g for gradients in taken.values() for g in gradients if g is not None]
        half_square = torch.stack([g.square().sum() for g in found]).sum() / 2
        both = [*game.weights("G"), *game.weights("D")]
        further = list(torch.autograd.grad(half_square, both, allow_unused=True))
        pulls = {"G": further[: len(game.weights("G"))], "D": further[len(game.weights("G")) :]}
        for player, gradients in taken.items():
            pairs = zip(gradients, pulls[player], strict=True)
            game.update(player, [g if p is None else g.detach() + self.alpha * p for g, p in pairs if g is not None])


class UnrolledD(Dynamics):
    """G's gradient is taken through k plain steps of D; D takes one ordinary step; both at once (Metz et al. 2017)."""

    def __init__(self, k: int = 5, lr: float = 0.1) -> None:
        super().__init__()
        self.k, self.lr = k, lr

    def forward(self, game: Game, due: Sequence[Phase]) -> None:
        phases = {phase.player: phase for phase in due}
        unrolled: list[Tensor] = list(game.weights("D"))
        for _ in range(self.k):
            loss = game.loss(phases["D"], {"D": unrolled})
            slopes = torch.autograd.grad(loss, unrolled, create_graph=True)
            unrolled = [w - self.lr * slope for w, slope in zip(unrolled, slopes, strict=True)]
        of_g = torch.autograd.grad(game.loss(phases["G"], {"D": unrolled}), game.weights("G"))
        of_d = game.gradients(phases["D"])
        game.update("D", of_d)
        game.update("G", of_g)
