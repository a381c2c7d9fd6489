"""What a run will take on this machine: memory by count, time by a few measured batches."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from seesaw.errors import UserError
from seesaw.functional.resolution import size_of
from seesaw.gan.module import GAN
from seesaw.training.preflight import build_checked

MOST_SECONDS = 5.0
"""After so many seconds no further batch is timed."""

MOST_BATCHES = 4
"""Batches that are timed; the first one, which chooses kernels, is not."""


@dataclass(frozen=True)
class Cost:
    """Memory in bytes and time in seconds, at the run's largest scale.

    Args:
        parameters: of "G" and "D".
        weights: bytes of weights, gradients, the optimisers' state and G's average.
        activations: bytes that the largest phase keeps for its backward pass, in float32.
        images: bytes of the set at the run's resolution.
        seconds: of one batch, optimiser steps included, images and metrics not.
    """

    parameters: dict[str, int]
    weights: int
    activations: int
    images: int
    seconds: float

    @property
    def memory(self) -> int:
        """Bytes of weights and activations, which must fit into the memory of the device."""
        return self.weights + self.activations


def measure(config: dict[str, Any], images: int) -> Cost:
    """Play the phases of a GAN on noise on the CPU, and count.

    Args:
        config: checked.
        images: of the set.

    Raises:
        UserError: the model is no GAN, or its first step would fail.
    """
    model, data, _ = build_checked(config, 1)
    if not isinstance(model, GAN):
        raise UserError("time and memory are measured for GANs alone; choose one by model=…")
    shape = (data.batch_size_at(model.growth.last_change), data.channels, *size_of(data.resolution))
    model.growth.advance(model.growth.last_change, [model.G, model.D, model.view], [])
    optimizers = {player: model.make_optimizer[player](model.weights[player]) for player in "GD"}
    reals = torch.rand(shape) * 2 - 1
    kept = Kept()
    with torch.autograd.graph.saved_tensors_hooks(kept.add, lambda tensor: tensor):
        play(model, reals, optimizers, kept.begin)
    seconds, began = list[float](), time.perf_counter()
    while not seconds or (len(seconds) < MOST_BATCHES and time.perf_counter() - began < MOST_SECONDS):
        before = time.perf_counter()
        play(model, reals, optimizers)
        seconds.append(time.perf_counter() - before)
    counts = {player: sum(w.numel() for w in model.weights[player]) for player in "GD"}
    state = sum(
        x.nbytes for o in optimizers.values() for s in o.state.values() for x in s.values() if torch.is_tensor(x)
    )
    weights = 4 * (2 * sum(counts.values()) + counts["G"]) + state
    return Cost(counts, weights, kept.most, images * shape[1] * shape[2] * shape[3], min(seconds))


class Kept:
    """Counts the bytes that autograd keeps, each storage once; weights are left out. `most` is that of the largest phase."""

    def __init__(self) -> None:
        self.most, self.now, self.seen = 0, 0, set[int]()

    def begin(self) -> None:
        """A phase begins."""
        self.now, self.seen = 0, set()

    def add(self, tensor: Tensor) -> Tensor:
        place = tensor.untyped_storage().data_ptr()
        if place not in self.seen and not (tensor.is_leaf and tensor.requires_grad):
            self.seen.add(place)
            self.now += tensor.untyped_storage().nbytes()
            self.most = max(self.most, self.now)
        return tensor


def play(gan: GAN, reals: Tensor, optimizers: dict[str, Any], begin: Callable[[], None] = lambda: None) -> None:
    """One batch: every phase, lazy ones too, forward, backward and the optimiser's step; gates are not asked."""
    y = torch.zeros(len(reals), dtype=torch.int64) if gan.classes else None
    game = gan.game(reals, y, {})
    gan.game_setup.fakes.reset(True)
    for phase in gan.phases.values():
        begin()
        game.freeze_opponent(phase.player)
        n = max(int(len(reals) * phase.batch_fraction), 1)
        for rows in torch.arange(n).split(gan.micro_batch or n):
            z, labels = torch.randn(len(rows), gan.z_dim), None if y is None else y[rows]
            loss, _ = phase(game.adversarial_batch(phase, reals[rows], z, labels))
            loss.backward()
        optimizers[phase.player].step()
    gan.game_setup.fakes.forget()
