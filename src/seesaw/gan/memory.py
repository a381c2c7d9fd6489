"""The last scale of a growing model, tried before the first image is shown: too little memory is reported at once."""

import copy
import gc
from typing import Any

import torch

from seesaw.functional.resolution import Size
from seesaw.gan.module import GAN
from seesaw.shared.meter import Meter
from seesaw.types import UserError


def check_memory(gan: GAN, batch_size: int, shape: tuple[int, int, int]) -> None:
    """Run every phase once at the end of the growth, optimiser steps included, then put everything back.

    Args:
        gan: attached to its trainer, on its device.
        batch_size: this process's part of the batch at the last scale.
        shape: (C, H, W) of the reals there.

    Raises:
        UserError: the device's memory does not suffice. (On a CPU the system ends a process that takes too much.)
    """
    optimizers = dict(zip("GD", gan.optimizers(), strict=True))
    state = gan.state_dict()
    weights = {name: value.detach().cpu().clone() for name, value in state.items() if torch.is_tensor(value)}
    extra = {name: copy.deepcopy(value) for name, value in state.items() if not torch.is_tensor(value)}
    kept = [copy.deepcopy(o.optimizer.state_dict()) for o in optimizers.values()]
    try:
        _run_phases(gan, batch_size, shape, optimizers)
    except torch.OutOfMemoryError as error:
        raise UserError(
            f"the last scale ({Size(*shape[1:]).label} px, {batch_size} images a step) does not fit into the memory of "
            f"{gan.device}: lower batch_size or data.resolution, or set model.micro_batch"
        ) from error
    finally:
        for optimizer, old in zip(optimizers.values(), kept, strict=True):
            optimizer.zero_grad(set_to_none=True)
            optimizer.optimizer.load_state_dict(old)
        gan.load_state_dict(weights | extra)
        gan.game_setup.fakes.forget()
        gc.collect()
        if gan.device.type == "cuda":
            torch.cuda.empty_cache()


def _run_phases(gan: GAN, batch_size: int, shape: tuple[int, int, int], optimizers: dict[str, Any]) -> None:
    """What the step does to the memory, with no gate, no part that watches, and a meter that nobody reads."""
    networks = [gan.G, gan.G_ema, gan.D, gan.view]
    gan.growth.advance(gan.growth.last_change, networks, [o.optimizer for o in optimizers.values()])
    reals = torch.zeros(batch_size, *shape, device=gan.device)
    y = torch.zeros(batch_size, dtype=torch.int64, device=gan.device) if gan.classes else None
    setup = gan.game_setup._replace(gates=[], watchers=[], meter=Meter(1))
    game = gan.game(reals, y, optimizers, setup)
    with gan.trainer.precision_plugin.train_step_context():  # half the memory under bfloat16
        for phase in gan.phases.values():
            for player, gradients in [(phase.player, game.gradients(phase))]:
                for w, gradient in zip(game.weights(player), gradients or [], strict=True):
                    w.grad = gradient
                optimizers[player].optimizer.step()
