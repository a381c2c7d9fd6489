"""Statistics of training that never stall it: summed on the device, sent to the host, read a batch later.

A group (a phase, say) is a set of named values that always come together. `add` gives the values of one micro-batch;
`end_batch` adds the batch to the window and, where someone decides by batches, sends it; `end_window` sends the window.
`read` gives what was sent before the last batch: on a GPU it has long arrived, so nothing waits.
"""

from typing import Any, NamedTuple

import torch
from torch import Tensor, nn


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
    """What a message says once it is read: means by name."""

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
            means = {
                name: total / max(count, 1e-12)
                for name, count, total in zip(message.names, message.counts, message.sums.tolist(), strict=True)
            }
            reports.append(Report(message.kind, message.images_shown, message.images, message.known | means))
        return reports


class Statistics(nn.Module):
    """Sums of named values, with all that is in flight in its state: a resumed run reports what the unbroken one does."""

    def __init__(self) -> None:
        super().__init__()
        self.names: dict[str, list[str]] = {}
        self.batch: dict[str, tuple[float, Tensor]] = {}  # group -> (count, sums)
        self.window: dict[str, tuple[float, Tensor]] = {}
        self.mailbox = Mailbox()

    def add(self, group: str, values: dict[str, Tensor], n: int) -> None:
        """Count each value's mean as `n` samples. Nothing is read."""
        self.names.setdefault(group, list(values))
        sums = torch.stack([v.detach().float().mean() for v in values.values()]).mul_(n)
        if group in self.batch:
            count, before = self.batch[group]
            self.batch[group] = (count + n, before + sums)
        else:
            self.batch[group] = (n, sums)

    def end_batch(self, images_shown: int, images: int, send: bool) -> None:
        for group, (n, sums) in self.batch.items():
            count, before = self.window.get(group, (0.0, torch.zeros_like(sums)))
            self.window[group] = (count + n, before.to(sums.device) + sums)
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
        self, kind: str, groups: dict[str, tuple[float, Tensor]], shown: int, images: int, known: dict[str, float]
    ) -> None:
        names = [name for group in groups for name in self.names[group]]
        counts = [count for group, (count, _) in groups.items() for _ in self.names[group]]
        sums = torch.cat([sums for _, sums in groups.values()])
        self.mailbox.send(Message(kind, shown, images, names, counts, known, sums))

    def get_extra_state(self) -> dict[str, Any]:
        torch.cuda.synchronize() if torch.cuda.is_initialized() else None
        return {
            "names": self.names,
            "window": self.window,
            "sent": [tuple(message) for message, _ in self.mailbox.sent],
        }

    def set_extra_state(self, state: dict[str, Any]) -> None:
        self.names, self.window = state["names"], dict(state["window"])
        self.mailbox.sent = [(Message(*message), None) for message in state["sent"]]
