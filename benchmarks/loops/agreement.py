"""Whether a plain loop and a seesaw run are the same training: equal parameters, equal gradients of the first step."""

from typing import Any

import torch
from loops.plain import Loop
from loops.seesaw_run import FirstGradients
from torch import Tensor, nn


class Recorder:
    """In an optimiser's place: keeps the gradients, moves nothing."""

    def __init__(self, net: nn.Module) -> None:
        self.net, self.gradients = net, list[Tensor | None]()

    def step(self) -> None:
        self.gradients = [None if p.grad is None else p.grad.clone() for p in self.net.parameters()]


def differences(loop: Loop, run: FirstGradients) -> dict[str, Any]:
    """`parameters`: of both players, equal in loop and run. `D`, `G`: |g - g'| / |g'| over all gradients of a player, g of the
    run and g' of the loop, on the same weights, reals, latents and places. ValueError where the networks differ."""
    counts = {p: sum(w.numel() for w in run.weights[p]) for p in "GD"}
    for player in "GD":
        take_weights(getattr(loop, player), run.weights[player])
    found: dict[str, Any] = {"parameters": counts}
    for player in "GD":  # each on its own latents: nothing moves, so both phases see the initial weights
        gradients = gradients_of(loop, player, run)
        pairs = list(zip(run.gradients[player], gradients, strict=True))
        if any((a is None) != (b is None) for a, b in pairs):
            raise ValueError(f"another set of {player}'s weights has gradients")
        ours = torch.cat([a.double().flatten() for a, _ in pairs if a is not None])
        theirs = torch.cat([b.double().flatten() for _, b in pairs if b is not None])
        found[player] = ((ours - theirs).norm() / theirs.norm()).item()
    return found


def take_weights(net: nn.Module, weights: list[Tensor]) -> None:
    """In order; a fully connected layer's may come as a convolution's."""
    own = list(net.parameters())
    if [p.numel() for p in own] != [w.numel() for w in weights]:
        raise ValueError(f"{type(net).__name__} has other parameters than the run's network")
    with torch.no_grad():
        for p, w in zip(own, weights, strict=True):
            p.copy_(w.reshape(p.shape))


def gradients_of(loop: Loop, player: str, run: FirstGradients) -> list[Tensor | None]:
    """Of one step of the plain loop on what the run saw in this player's phase; the loop's optimisers stay as they are."""
    recorders = {p: Recorder(getattr(loop, p)) for p in "GD"}
    former = loop.optimizers
    loop.optimizers = recorders
    loop.latents = lambda n: run.latents[player]  # type: ignore[method-assign]
    if run.shares is not None:
        loop.shares = lambda n: run.shares  # type: ignore[method-assign,assignment,return-value]
    try:
        loop.step(run.real)
    finally:
        loop.optimizers = former
        for name in ("latents", "shares"):
            vars(loop).pop(name, None)
    return recorders[player].gradients
