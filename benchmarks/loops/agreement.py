"""Whether a plain loop and a seesaw run are the same training: equal parameters, equal gradients of the first step."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from loops.plain import Loop
from loops.seesaw_run import FirstGradients
from torch import Tensor, nn

Gradients = list[Tensor | None]


class Recorder:
    """In an optimiser's place: keeps the gradients, moves nothing."""

    def __init__(self, net: nn.Module) -> None:
        self.net, self.gradients = net, Gradients()

    def step(self) -> None:
        self.gradients = [None if p.grad is None else p.grad.clone() for p in self.net.parameters()]


def differences(make: Callable[[], Loop], run: FirstGradients) -> dict[str, Any]:
    """`parameters`: of both players, equal in loop and run. `D`, `G`: |g - g'| / |g'| over all gradients of a player, g of the
    run and g' of the loop, on the same weights, reals, latents and places. `D: rounding`, `G: rounding`: how far the run's and
    the loop's gradients are from the loop's in float64, the truth that both round. ValueError where the networks differ."""
    found: dict[str, Any] = {"parameters": {p: sum(w.numel() for w in run.weights[p]) for p in "GD"}}
    loop, exact = make(), in_float64(make)
    for player in "GD":  # each on its own latents: nothing moves, so both phases see the initial weights
        plain, truth = gradients_of(loop, player, run, torch.float32), gradients_of(exact, player, run, torch.float64)
        ours = run.gradients[player]
        if any((a is None) != (b is None) for a, b in zip(ours, plain, strict=True)):
            raise ValueError(f"another set of {player}'s weights has gradients")
        found[player] = apart(ours, plain)
        found[f"{player}: rounding"] = {"run": apart(ours, truth), "loop": apart(plain, truth)}
    return found


def apart(a: Gradients, b: Gradients) -> float:
    """|a - b| / |b|."""
    left, right = (torch.cat([g.double().flatten() for g in gradients if g is not None]) for gradients in (a, b))
    return ((left - right).norm() / right.norm()).item()


@contextmanager
def default(dtype: torch.dtype) -> Iterator[None]:
    """New tensors are of this type."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


def in_float64(make: Callable[[], Loop]) -> Loop:
    with default(torch.float64):
        return make()


def take_weights(net: nn.Module, weights: list[Tensor]) -> None:
    """In order; a fully connected layer's may come as a convolution's."""
    own = list(net.parameters())
    if [p.numel() for p in own] != [w.numel() for w in weights]:
        raise ValueError(f"{type(net).__name__} has other parameters than the run's network")
    with torch.no_grad():
        for p, w in zip(own, weights, strict=True):
            p.copy_(w.reshape(p.shape))


def gradients_of(loop: Loop, player: str, run: FirstGradients, dtype: torch.dtype) -> Gradients:
    """Of one step of the plain loop, in `dtype`, on what the run saw in this player's phase; its optimisers do not change."""
    for each in "GD":
        take_weights(getattr(loop, each), run.weights[each])
    recorders = {p: Recorder(getattr(loop, p)) for p in "GD"}
    former = loop.optimizers
    loop.optimizers = recorders
    loop.latents = lambda n: run.latents[player].to(dtype)  # type: ignore[method-assign]
    mix = run.mix
    if mix is not None:
        loop.mix = lambda n: mix.to(dtype)  # type: ignore[method-assign]
    try:
        with default(dtype):
            loop.step(run.real)
    finally:
        loop.optimizers = former
        for name in ("latents", "mix"):
            vars(loop).pop(name, None)
    return recorders[player].gradients
