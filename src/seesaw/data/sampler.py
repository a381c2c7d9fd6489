"""The order of the images: an endless stream that is shuffled anew in each epoch and can be entered at any image number."""

import hashlib
from collections.abc import Callable, Iterator

import torch
from torch import Tensor

BatchSize = int | Callable[[int], int]
"""The global batch size: a number, or a function of the images shown so far (growing models)."""


def permutation(n: int, seed: int, epoch: int) -> Tensor:
    """The order of `n` images in one epoch, int64 (n,): a function of its arguments alone.

    Seed and epoch are hashed into one key, since `seed + epoch` would give epoch 1 of seed 0 the order of epoch 0 of
    seed 1.
    """
    key = hashlib.sha256(f"epoch {epoch} of seed {seed}".encode()).digest()
    generator = torch.Generator().manual_seed(int.from_bytes(key[:8], "big", signed=True))
    return torch.randperm(n, generator=generator)


class EndlessBatches:
    """Endless batches of image indices, int64 (batch_size / world_size,) each.

    Image number i, counted over all ranks from the start of training, lies in epoch i // n at position i % n of that
    epoch's permutation. The global batch that begins at i holds the numbers i ... i + batch_size - 1, across the border
    of epochs where it falls so; each rank takes its contiguous slice. So the stream depends on nothing but n and seed,
    and a run that resumes at image number `start` sees the same images as an uninterrupted one.

    With k sub-batches the global batch that begins at i has k times as many indices, and the stream runs k times as fast: the
    sub-batch j holds the numbers from k i + j batch_size on. A rank has its slice of each sub-batch, one after another.

    Args:
        n: number of images in the set, at least 1.
        batch_size: images of the global batch, over all ranks; a number or a function of the image number at which the
            batch begins.
        seed: key of the shuffling.
        start: image number at which the stream is entered; this costs O(n) for every `start`.
        rank, world_size: this process and how many there are.
        overfit_batches: number of batches that are repeated for ever, a debugging aid; None: all are used.
        sub_batches: k, at least 1. Image numbers outside (`start`, those of `batch_size`) count the first sub-batch alone.

    Raises:
        ValueError: n, batch_size, start or overfit_batches is out of range, or batch_size does not divide by world_size.
    """

    def __init__(
        self,
        n: int,
        batch_size: BatchSize,
        seed: int,
        start: int = 0,
        rank: int = 0,
        world_size: int = 1,
        overfit_batches: int | None = None,
        sub_batches: int = 1,
    ) -> None:
        if n < 1:
            raise ValueError(f"n must be at least 1, not {n}")
        if start < 0:
            raise ValueError(f"start must be at least 0, not {start}")
        if overfit_batches is not None and overfit_batches < 1:
            raise ValueError(f"overfit_batches must be null or at least 1, not {overfit_batches}")
        self.n, self.batch_size, self.seed, self.start = n, batch_size, seed, start
        self.overfit_batches = overfit_batches
        self.rank, self.world_size, self.sub_batches = rank, world_size, sub_batches
        self._size_at(start)

    def _size_at(self, number: int) -> int:
        size = self.batch_size(number) if callable(self.batch_size) else self.batch_size
        if size < 1 or size % self.world_size:
            raise ValueError(
                f"batch_size must be at least 1 and divide by the number of processes ({self.world_size}), not {size}"
            )
        return size

    def __iter__(self) -> Iterator[Tensor]:
        number, current, order = self.start, -1, torch.empty(0)
        while True:
            size = self._size_at(number)
            shard = size // self.world_size
            begin = number if self.overfit_batches is None else number // size % self.overfit_batches * size
            parts: list[Tensor] = []
            for j in range(self.sub_batches):
                first, missing = self.sub_batches * begin + j * size + self.rank * shard, shard
                while missing:
                    epoch, position = divmod(first, self.n)
                    if epoch != current:
                        current, order = epoch, permutation(self.n, self.seed, epoch)
                    part = order[position : position + missing]
                    parts.append(part)
                    first, missing = first + len(part), missing - len(part)
            yield torch.cat(parts) if len(parts) > 1 else parts[0]
            number += size
