"""The last scale of a growing model, tried before the first image is shown: memory that is too small is told at once."""

import copy
import gc

import torch
from torch import Tensor

from seesaw.functional.keys import key, reseed
from seesaw.gan.module import GAN
from seesaw.types import UserError


def rehearse(gan: GAN, batch_size: int, shape: tuple[int, int, int]) -> None:
    """Play every phase once at the end of the growth, optimiser steps included, then put everything back.

    Args:
        gan: attached to its trainer, on its device.
        batch_size: this process's share of the batch at the last scale.
        shape: (C, H, W) of the reals there.

    Raises:
        UserError: the device's memory does not suffice. (On a CPU the system ends a process that takes too much.)
    """
    last = gan.growth.last_change
    players = [gan.G, gan.G_ema, gan.D, gan.view]
    optimizers = dict(zip("GD", gan.optimizers(), strict=True))
    weights = {name: value.detach().cpu().clone() for name, value in gan.state_dict().items() if torch.is_tensor(value)}
    extra = {name: copy.deepcopy(value) for name, value in gan.state_dict().items() if not torch.is_tensor(value)}
    kept = [copy.deepcopy(o.optimizer.state_dict()) for o in optimizers.values()]
    try:
        gan.growth.advance(last, players, [o.optimizer for o in optimizers.values()])
        reals = torch.zeros(batch_size, *shape, device=gan.device)
        with gan.trainer.precision_plugin.train_step_context():  # half the memory under bfloat16
            for name, phase in gan.phases.items():
                _play(gan, name, reals, optimizers[phase.player])
    except torch.OutOfMemoryError as error:
        raise UserError(
            f"the last scale ({shape[1]} px, {batch_size} images a step) does not fit into the memory of {gan.device}: "
            "lower batch_size or data.resolution, or set model.micro_batch"
        ) from error
    finally:
        for optimizer, state in zip(optimizers.values(), kept, strict=True):
            optimizer.zero_grad(set_to_none=True)
            optimizer.optimizer.load_state_dict(state)
        gan.load_state_dict(weights | extra)
        gc.collect()
        if gan.device.type == "cuda":
            torch.cuda.empty_cache()


def _play(gan: GAN, name: str, reals: Tensor, optimizer: object) -> None:
    """What `GAN.play` does to the memory, without gates, statistics and counters."""
    phase = gan.phases[name]
    n = max(int(len(reals) * phase.share), 1)
    rows = gan.micro_batch or n
    y = None
    gan.turn(phase.player)
    reseed(key(gan.seed, "rehearsal", name), gan.device)
    z = gan.latents(name, n)
    for first in range(0, n, rows):
        loss, _ = phase(gan.see(phase, reals[first : min(first + rows, n)], z[first : min(first + rows, n)], y))
        gan.manual_backward(loss)
    optimizer.optimizer.step()  # type: ignore[attr-defined]
