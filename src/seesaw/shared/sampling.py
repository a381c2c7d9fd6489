"""Samples of a generator for keyed latents and labels, without a trace in training."""

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from seesaw.functional.pixels import to_stored
from seesaw.shared.ema import with_estimated_batch_norm
from seesaw.types import Pyramid, UserError
from seesaw.util import key

BATCH_NORM_BATCHES, BATCH_NORM_SIZE = 16, 64
"""Latents on which BatchNorm's statistics are estimated for averaged weights."""


def latents(n: int, z_dim: int, seed: int, what: str = "sample") -> Tensor:
    """(n, z_dim), standard normal, on the CPU, from `seed` and `what` alone."""
    return torch.randn(n, z_dim, generator=torch.Generator().manual_seed(key(seed, what)))


def labels(n: int, classes: int, seed: int, y: Tensor | int | None = None) -> Tensor | None:
    """int64 (n,) on the CPU; None for a model without labels.

    Args:
        n: how many.
        classes: of the model; 0: it takes no labels.
        seed: key of labels that are drawn.
        y: labels (n,), or one class for all; None: drawn evenly.

    Raises:
        UserError: labels for a model that takes none, or outside [0, classes).
    """
    if classes == 0:
        if y is not None:
            raise UserError("this model takes no labels, so a class cannot be chosen; train it with data.labels=true")
        return None
    if y is None:
        return torch.randint(classes, (n,), generator=torch.Generator().manual_seed(key(seed, "labels")))
    chosen = torch.full((n,), y) if isinstance(y, int) else y.cpu().to(torch.int64)
    if chosen.shape != (n,) or (n and not 0 <= int(chosen.min()) <= int(chosen.max()) < classes):
        raise UserError(
            f"labels must be {n} integers from 0 to {classes - 1}, not {y if isinstance(y, int) else list(y.shape)}"
        )
    return chosen


def for_evaluation(G_ema: nn.Module, z_dim: int, classes: int, seed: int, device: torch.device) -> nn.Module:
    """The averaged generator in evaluation mode, BatchNorm's statistics estimated anew on latents of their own key."""
    size = BATCH_NORM_BATCHES * BATCH_NORM_SIZE
    z = torch.randn(
        BATCH_NORM_BATCHES, BATCH_NORM_SIZE, z_dim, generator=torch.Generator().manual_seed(key(seed, "batch norm"))
    )
    y = labels(size, classes, seed)
    chunks = [None] * BATCH_NORM_BATCHES if y is None else list(y.to(device).split(BATCH_NORM_SIZE))
    return with_estimated_batch_norm(G_ema, list(zip(z.to(device), chunks, strict=True)))


@torch.no_grad()
def pyramids(
    G: nn.Module,
    z: Tensor,
    y: Tensor | None,
    device: torch.device,
    batch_size: int,
    shard: tuple[int, int] = (0, 1),
    depth: int = 8,
) -> Iterator[Pyramid]:
    """All scales of G(z, y) as they are stored, with `depth` bits, chunk by chunk; see
    `seesaw.experiment.Experiment.sample_pyramids`."""
    chunks = list(z.split(batch_size))
    of_chunk = [None] * len(chunks) if y is None else list(y.split(batch_size))
    for part, own in list(zip(chunks, of_chunk, strict=True))[shard[0] :: shard[1]]:
        yield [
            to_stored(images, depth) for images in G(part.to(device), None if own is None else own.to(device)).images
        ]
