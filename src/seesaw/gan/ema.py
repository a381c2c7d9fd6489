"""The averaged generator, and BatchNorm's statistics under averaged weights."""

import copy

import torch
from torch import Tensor, nn

from seesaw.functional.ema import ema_decay


@torch.no_grad()
def update_ema(average: nn.Module, model: nn.Module, images: int, half_life: float, images_shown: int) -> None:
    """Move the average's parameters towards the model's, and copy its buffers: averaged BatchNorm statistics mislead."""
    decay = ema_decay(images, half_life, images_shown)
    torch._foreach_lerp_(list(average.parameters()), list(model.parameters()), 1 - decay)
    for old, new in zip(average.buffers(), model.buffers(), strict=True):
        old.copy_(new)


@torch.no_grad()
def with_estimated_batch_norm(G: nn.Module, latents: list[Tensor]) -> nn.Module:
    """G in evaluation mode; if it has BatchNorm, a copy whose statistics are those of `latents`, batch by batch.

    The buffers that the average inherits belong to other weights: evaluating with them gives a distance that is not its own.
    """
    if not any(isinstance(m, nn.modules.batchnorm._BatchNorm) for m in G.modules()):
        return G.eval()
    G = copy.deepcopy(G).train()
    for module in G.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            module.reset_running_stats()
            module.momentum = None  # the plain mean over batches
    for z in latents:
        G(z)
    return G.eval()
