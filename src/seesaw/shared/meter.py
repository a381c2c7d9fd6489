"""The meter: statistics of training by windows, counters, speed. It reads nothing from a device in a step."""

import math
import time
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from seesaw.shared.statistics import Report, Statistics

OWN_SECTIONS = ("balance/",)
"""Values whose names begin so keep their names; all others are shown under train/."""


class Meter(nn.Module):
    """Counts updates and skipped phases, means of losses over windows of `log_images` images, and images per second.

    Args:
        log_images: length of a window, in images.
        gated: whether phases may be skipped, so that counts of skipped ones are logged.
        players: whose updates are counted.
    """

    def __init__(self, log_images: int, gated: bool = False, players: Sequence[str] = ("G", "D")) -> None:
        super().__init__()
        self.statistics = Statistics()
        self.log_images, self.gated = log_images, gated
        self.updates, self.skipped = dict.fromkeys(players, 0), dict.fromkeys(players, 0)  # so far; in this window
        self.window_images, self.seconds, self._mark = 0, 0.0, 0.0

    # In the step

    def add(self, phase: str, values: dict[str, Tensor], n: int) -> None:
        """Count the values of one micro-batch of `n` samples of a phase."""
        self.statistics.add({label(phase, what): value for what, value in values.items()}, n)

    def count_update(self, player: str, gradients: Sequence[Tensor | None]) -> None:
        """Count a step; the norm of its gradients once a window, since it is a pass over all of them."""
        norm = f"grad_norm/{player}"
        if not self.statistics.has(norm):
            self.statistics.add({norm: nn.utils.get_total_norm([g for g in gradients if g is not None])}, 1)
        self.updates[player] += 1

    def count_skip(self, player: str) -> None:
        """Count a phase that a gate skipped."""
        self.skipped[player] += 1

    # After the step

    def end_batch(self, images: int, images_shown: int, send: bool) -> bool:
        """Close a batch of `images` that ends at `images_shown`; returns whether it closes a window.

        Args:
            send: whether this batch's own statistics are sent to the host, for parts that observe them.
        """
        self.window_images += images
        self.statistics.end_batch(images_shown, images, send)
        now = time.perf_counter()
        self.seconds += now - self._mark
        self._mark = now
        return (images_shown - images) // self.log_images != images_shown // self.log_images

    def end_window(self, images_shown: int, current: dict[str, float | Tensor]) -> None:
        """Send the window's means to the host, with the `current` values at its end: numbers, or scalars on the device."""
        self.statistics.add_to_window({name: value for name, value in current.items() if isinstance(value, Tensor)})
        known = {name: value for name, value in current.items() if not isinstance(value, Tensor)}
        values = {f"updates/{player}": float(n) for player, n in self.updates.items()} | known
        values["images_per_sec"] = self.window_images / max(self.seconds, 1e-9)
        if self.gated:
            values |= {f"balance/skipped/{player}": float(n) for player, n in self.skipped.items()}
        self.skipped = dict.fromkeys(self.skipped, 0)
        self.statistics.end_window(images_shown, values)
        self.seconds, self.window_images = 0.0, 0

    def read(self, images_shown: float = math.inf) -> Iterator[Report]:
        """What was sent before the batch that ends at `images_shown`, oldest first; all of it by default, which may wait."""
        yield from self.statistics.read(images_shown)

    def restart_clock(self) -> None:
        """Begin to measure time anew: what callbacks took is not training time."""
        self._mark = time.perf_counter()

    def leave_out_time(self, seconds: float) -> None:
        """Do not count the last `seconds`."""
        self._mark = min(self._mark + seconds, time.perf_counter())

    def start(self, device: torch.device) -> None:
        """Training starts on `device`."""
        self.statistics.move(device)
        self.restart_clock()

    # Checkpoints

    def progress(self) -> dict[str, Any]:
        """The counters, for a checkpoint. The statistics in flight are extra state of the module."""
        return {"updates": dict(self.updates), "skipped": dict(self.skipped), "window_images": self.window_images}

    def load_progress(self, progress: dict[str, Any]) -> None:
        """Restore the counters."""
        self.updates, self.skipped = dict(progress["updates"]), dict(progress["skipped"])
        self.window_images = progress["window_images"]


def shown_names(values: dict[str, float]) -> dict[str, float]:
    """The values of a window under the names that loggers show: train/loss/D, balance/advantage."""
    return {name if name.startswith(OWN_SECTIONS) else f"train/{name}": value for name, value in values.items()}


def label(phase: str, what: str) -> str:
    """The name of a statistic: loss/D is the whole of phase D, D/adversarial one of its terms."""
    return f"loss/{phase}" if what == "loss" else f"{phase}/{what}"
