"""The generators that unnamed random functions use."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor


def reseed(seed: int, device: torch.device) -> None:
    """Seed the generators that unnamed random functions use on the CPU and on `device` (1 us; torch.manual_seed takes 20)."""
    torch.default_generator.manual_seed(seed)
    if device.type == "cuda":
        torch.cuda.default_generators[device.index or 0].manual_seed(seed)


def random_states(device: torch.device) -> list[Tensor]:
    """Where the generators of the CPU and of `device` stand: bytes on the host, nothing is read from the device."""
    return [generator.get_state() for generator in _generators(device)]


@contextmanager
def replayed(states: list[Tensor], device: torch.device) -> Iterator[None]:
    """Random functions draw again what they drew from these states on; afterwards the generators stand where they stood before.

    Args:
        states: of `random_states` on the same device.
        device: where else than on the CPU is drawn.
    """
    before = random_states(device)
    try:
        for generator, state in zip(_generators(device), states, strict=True):
            generator.set_state(state)
        yield
    finally:
        for generator, state in zip(_generators(device), before, strict=True):
            generator.set_state(state)


def _generators(device: torch.device) -> list[torch.Generator]:
    own = [torch.cuda.default_generators[device.index or 0]] if device.type == "cuda" else []
    return [torch.default_generator, *own]
