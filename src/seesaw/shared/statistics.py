"""Statistics of training that never stall it: summed on the device, sent to the host, read at the end of the next batch. What a
part decides from them in batch t therefore comes from batch t - 2 and before.

`add` gives the named values of one micro-batch; a name may come with other ones another time (a skipped phase has fewer terms);
`end_batch` adds the batch to the window and, where someone decides by batches, sends it; `end_window` sends the window.
`read` gives what was sent before the last batch: on a GPU it has long arrived, so nothing waits. What is sent is first summed
over the processes, by one reduction: all of them read the same figures, and decide alike.
"""

from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from seesaw.functional.ranks import average_, world_size


class Message(NamedTuple):
    """Sums on their way to the host. `kind` is "batch" or "window"; `known` are figures that the host had already."""

    kind: str
    images_shown: int
    images: int
    names: list[str]
    counts: list[float]
    known: dict[str, float]
    sums: Tensor


class Report(NamedTuple):
    """A message once it is read: means by name."""

    kind: str
    images_shown: int
    images: int
    values: dict[str, float]


class Mailbox:
    """First in, first out; the newest stays unread until `flush`. The one place where the host reads from the device."""

    def __init__(self) -> None:
        self.sent: list[tuple[Message, Any]] = []

    def send(self, message: Message) -> None:
        sums = message.sums
        if not sums.is_cuda:
            self.sent.append((message, None))
            return
        host = torch.empty(sums.shape, dtype=sums.dtype, pin_memory=True)
        host.copy_(sums, non_blocking=True)
        event = torch.cuda.Event()
        event.record()
        self.sent.append((message._replace(sums=host), event))

    def open(self, up_to: float) -> list[Report]:
        """All that was sent before `up_to` images were shown, oldest first."""
        reports = []
        while self.sent and self.sent[0][0].images_shown < up_to:
            message, event = self.sent.pop(0)
            if event is not None:
                event.synchronize()
            reports.append(Report(message.kind, message.images_shown, message.images, message.known | means(message)))
        return reports


def means(message: Message) -> dict[str, float]:
    """The mean of each name over all the sums it has a part in. Reads the host's copy."""
    totals: dict[str, tuple[float, float]] = {}
    for name, count, total in zip(message.names, message.counts, message.sums.tolist(), strict=True):
        before = totals.get(name, (0.0, 0.0))
        totals[name] = (before[0] + count, before[1] + total)
    return {name: total / max(count, 1e-12) for name, (count, total) in totals.items()}


Names = tuple[str, ...]


class Statistics(nn.Module):
    """Sums of named values, with all that is in flight in its state: a resumed run reports what the unbroken one does."""

    def __init__(self) -> None:
        super().__init__()
        self.batch: dict[Names, tuple[float, Tensor]] = {}  # what came together -> (count, sums)
        self.window: dict[Names, tuple[float, Tensor]] = {}
        self.mailbox = Mailbox()

    def add(self, values: dict[str, Tensor], n: int) -> None:
        """Count each value's mean as `n` samples of this process, and as many of each other one. Nothing is read."""
        if not values:  # a phase of penalties alone, skipped
            return
        n *= world_size()  # counts are the run's, so the mean over the processes' sums is the run's sum
        with torch.no_grad():
            sums = torch.stack([v.mean() if v.ndim else v for v in values.values()]).float() * n
        names = tuple(values)
        if names in self.batch:
            count, before = self.batch[names]
            self.batch[names] = (count + n, before + sums)
        else:
            self.batch[names] = (n, sums)

    def add_to_window(self, values: dict[str, Tensor]) -> None:
        """Put scalars into the window that is about to end, as their means. Nothing is read."""
        if values:
            self.window[tuple(values)] = (1.0, torch.stack([v.detach().float() for v in values.values()]))

    def has(self, name: str) -> bool:
        """Whether this window has the value that comes alone under this name."""
        return (name,) in self.batch or (name,) in self.window

    def end_batch(self, images_shown: int, images: int, send: bool) -> None:
        for names, (n, sums) in self.batch.items():
            count, before = self.window.get(names, (0.0, torch.zeros_like(sums)))
            self.window[names] = (count + n, before + sums)
        if send:
            self._send("batch", self.batch, images_shown, images, {})
        self.batch = {}

    def end_window(self, images_shown: int, known: dict[str, float]) -> None:
        self._send("window", self.window, images_shown, 0, known)
        self.window = {}

    def read(self, images_shown: float) -> list[Report]:
        """What was sent before the batch that ended at `images_shown`; infinity reads everything, and may wait."""
        return self.mailbox.open(images_shown)

    def _send(
        self, kind: str, sums: dict[Names, tuple[float, Tensor]], shown: int, images: int, known: dict[str, float]
    ) -> None:
        names = [name for together in sums for name in together]
        counts = [count for together, (count, _) in sums.items() for _ in together]
        flat = torch.cat([s for _, s in sums.values()])
        average_([flat])
        self.mailbox.send(Message(kind, shown, images, names, counts, known, flat))

    def move(self, device: torch.device) -> None:
        """Put the window where training is: what a checkpoint brings lies on the CPU, and not every name comes again."""
        self.window = {names: (count, sums.to(device)) for names, (count, sums) in self.window.items()}

    def average_over_ranks(self) -> None:
        """Give all processes the window as it is for the run, before it is saved: it goes on from there in each."""
        average_([sums for _, sums in self.window.values()])

    def get_extra_state(self) -> dict[str, Any]:
        torch.cuda.synchronize() if torch.cuda.is_initialized() else None
        return {"window": dict(self.window), "sent": [tuple(message) for message, _ in self.mailbox.sent]}

    def set_extra_state(self, state: dict[str, Any]) -> None:
        self.window = dict(state["window"])
        self.mailbox.sent = [(Message(*message), None) for message in state["sent"]]
