"""Collective operations of a data-parallel run. All are no-ops in a single process.

Every rank must call them in the same order, with tensors of the same shapes.
"""

from collections.abc import Iterable, Sequence

import torch
import torch.distributed as dist
from torch import Tensor, nn


def world_size() -> int:
    """How many processes train together."""
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def this_rank() -> int:
    """The number of this process among them, from 0 on."""
    return dist.get_rank() if world_size() > 1 else 0


@torch.no_grad()
def average_(tensors: Iterable[Tensor]) -> None:
    """Put the mean over all processes into each tensor, by one reduction; afterwards all processes hold the same bits."""
    if world_size() == 1 or not (tensors := list(tensors)):
        return
    flat = torch.cat([tensor.reshape(-1) for tensor in tensors])
    dist.all_reduce(flat)
    _scatter(flat / world_size(), tensors)


@torch.no_grad()
def average_buffers_(*modules: nn.Module) -> None:
    """Put the mean over all processes into each floating-point buffer of the modules.

    The mean of the differences from the first process's values: what is equal everywhere stays as it is, to the bit.
    """
    if world_size() == 1:
        return
    tensors = [b for module in modules for b in module.buffers() if b.is_floating_point()]
    if not tensors:
        return
    flat = torch.cat([tensor.reshape(-1) for tensor in tensors])
    first = flat.clone()
    dist.broadcast(first, 0)
    flat -= first
    dist.all_reduce(flat)
    _scatter(first + flat / world_size(), tensors)


@torch.no_grad()
def broadcast_(tensors: Sequence[Tensor]) -> None:
    """Give all processes the first one's values."""
    for tensor in tensors if world_size() > 1 else ():
        whole = tensor.contiguous()  # a channels-last tensor is sent in a copy
        dist.broadcast(whole, 0)
        tensor.copy_(whole)


def first_says(yes: bool) -> bool:
    """The first process's answer, to all of them."""
    answer = torch.tensor(int(yes))
    broadcast_([answer])
    return bool(answer)


def in_turn(n: int, chunk: int, rank: int, processes: int) -> list[int]:
    """The sizes of the chunks of n rows, `chunk` at a time, that fall to a process when all take one after the other."""
    sizes = [min(chunk, n - first) for first in range(0, n, chunk)]
    return sizes[rank::processes]


def collected(rows: Tensor, n: int, chunk: int) -> Tensor | None:
    """n rows (n, d) on the CPU that the processes made in turn, `chunk` at a time, in their order: on the first process; None
    on the others.

    Args:
        rows: this process's, of the chunks that `in_turn` names.
    """
    processes = world_size()
    if processes == 1:
        return rows
    shares = [in_turn(n, chunk, rank, processes) for rank in range(processes)]
    most = max(map(sum, shares))
    padded = torch.cat([rows, rows.new_zeros(most - len(rows), *rows.shape[1:])])
    first = this_rank() == 0
    found = [torch.empty_like(padded) for _ in range(processes)] if first else None
    dist.gather(padded, found, 0)
    if found is None:
        return None
    parts = [list(one[: sum(sizes)].split(sizes)) for one, sizes in zip(found, shares, strict=True)]
    return torch.cat([parts[k % processes][k // processes] for k in range(sum(map(len, parts)))])


def _scatter(flat: Tensor, tensors: Sequence[Tensor]) -> None:
    parts = flat.split([tensor.numel() for tensor in tensors])
    torch._foreach_copy_(list(tensors), [part.view(t.shape) for part, t in zip(parts, tensors, strict=True)])
