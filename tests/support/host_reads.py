"""Counts every read of a tensor by the host: what torch dispatches, and what dispatch does not see."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode, _disable_current_modes

from seesaw.shared.statistics import Mailbox

DISPATCHED = {"_local_scalar_dense", "is_nonzero", "equal", "nonzero", "item"}
UNSEEN = ("item", "tolist", "numpy", "cpu", "__array__")


class HostReads(TorchDispatchMode):
    """As a context: `found` lists each read by name. The mailbox, which reads what has long arrived, is excepted."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self.excused = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func.overloadpacket.__name__ in DISPATCHED and not self.excused:
            self.found.append(func.overloadpacket.__name__)
        return func(*args, **(kwargs or {}))


@contextmanager
def counting() -> Iterator[HostReads]:
    reads = HostReads()

    def watched(name: str) -> Any:
        original = getattr(Tensor, name)

        def method(self: Tensor, *args: Any, **kwargs: Any) -> Any:
            if not reads.excused:
                reads.found.append(name)
            return original(self, *args, **kwargs)

        return patch.object(Tensor, name, method)

    open_mailbox = Mailbox.open

    def excused(self: Mailbox, up_to: float) -> Any:
        reads.excused += 1
        try:
            with _disable_current_modes():
                return open_mailbox(self, up_to)
        finally:
            reads.excused -= 1

    patches = [watched(name) for name in UNSEEN] + [patch.object(Mailbox, "open", excused)]
    for p in patches:
        p.start()
    try:
        with reads:
            yield reads
    finally:
        for p in patches:
            p.stop()


def reads_in_training(gan: Any, fit: Any) -> list[str]:
    """Train with `fit(gan)` and return the reads inside all its training steps, optimisers included."""
    found: list[str] = []
    step = gan.training_step

    def counted(batch: Any, batch_idx: int) -> None:
        with counting() as reads:
            step(batch, batch_idx)
        found.extend(reads.found)

    gan.training_step = counted
    fit(gan)
    assert gan.images_shown > 0
    return found
