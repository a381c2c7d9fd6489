"""The averaged generator, and BatchNorm's statistics under averaged weights."""

import copy
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from seesaw.functional.ema import ema_decay


class RunningAverage:
    """Moves the parameters of `average` towards the model's, and copies its buffers: averaged BatchNorm statistics mislead.

    The lists are made once: walking a small net takes longer than averaging it. A move to another device puts new buffers in
    place of the old ones, so of these only the owners are kept.
    """

    def __init__(self, average: nn.Module, model: nn.Module) -> None:
        self.averages: list[Tensor] = list(average.parameters())
        self.weights: list[Tensor] = list(model.parameters())
        both = zip(average.modules(), model.modules(), strict=True)
        self.owners = [(old, new) for old, new in both if any(True for _ in new.buffers(recurse=False))]

    @torch.no_grad()
    def update(self, images: int, half_life: float, images_shown: int, ramp: float | None = 0.05) -> None:
        """After `images` more reals; the half-life too is in images. Arguments as `ema_decay`'s."""
        torch._foreach_lerp_(self.averages, self.weights, 1 - ema_decay(images, half_life, images_shown, ramp))
        for average, model in self.owners:
            for old, new in zip(average.buffers(recurse=False), model.buffers(recurse=False), strict=True):
                old.copy_(new)


@torch.no_grad()
def with_estimated_batch_norm(G: nn.Module, inputs: Sequence[tuple[Tensor, Tensor | None]]) -> nn.Module:
    """G in evaluation mode; if it has BatchNorm, a copy whose statistics are those of `inputs`, batch by batch.

    The buffers that the average inherits belong to other weights: evaluating with them gives a distance that is not its own.

    Args:
        G: the averaged generator.
        inputs: batches of latents (B, z_dim) and labels (B,) or None.
    """
    if not any(isinstance(m, nn.modules.batchnorm._BatchNorm) for m in G.modules()):
        return G.eval()
    G = copy.deepcopy(G).train()
    for module in G.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            module.reset_running_stats()
            module.momentum = None  # the plain mean over batches
    for z, y in inputs:
        G(z, y)
    return G.eval()
