"""The progress bar, in thousands of images."""

import os
import signal
import sys
import threading
import time
from types import FrameType
from typing import Any

from pytorch_lightning import LightningModule, Trainer
from tqdm import tqdm
from tqdm.utils import disp_len, disp_trim

from seesaw.monitor.monitor import Monitor
from seesaw.training.build import brief_count
from seesaw.training.callbacks.base import BatchCallback

_ORDER = ("title", "progress", "passes", "bar", "speed", "losses", "metric", "verdict", "left")
_PRIORITY = ("progress", "left", "metric", "verdict", "losses", "passes", "speed", "title")
"""Pieces of the line as they stand, and in the order in which they get room on a narrow terminal; the bar takes what is free."""

_GAP = "  "
_BARS = (16, 8, 4)
"""Lengths of the bar. Any length between would change with every value beside it."""

_LOSSES = {
    **{name: f"train/loss/{name}" for name in ("D", "G", "content", "style", "variation")},
    "reconstruction": "train/reconstruction",
    "KL": "train/kl",
}
"""Shown name -> logged name."""

_QUIET_SECONDS = 60.0  # without a terminal: the longest silence


def in_notebook() -> bool:
    """Whether this process is the kernel of a notebook, whose pages redraw a line as a terminal does."""
    shell = sys.modules.get("IPython")
    return shell is not None and type(shell.get_ipython()).__name__ == "ZMQInteractiveShell"


class KimgBar(BatchCallback):
    """`dcgan digits  62/150 kimg  35 passes  [######..........]  1,840 img/s  D 0.61  G 1.84  fid 3.2  healthy  01:12 left`

    Redrawn at most twice a second. A narrow terminal shows the progress, the time left and the metric, and of the rest what
    fits; a notebook shows the whole line. The time left is of running time: while the process is stopped (Ctrl-Z) no time
    passes. Where standard output is no terminal (a file, a pipe) it prints a plain line each tenth of the way, and after a
    minute without one. It shows the losses and the primary metric of `pl_module.latest_metrics`, plain floats of the last
    window: nothing is read from a device.

    Args:
        target_images: the run's length, in images.
        title: stands in front, such as "dcgan digits".
        primary: name of the metric to show, without eval/; empty: none.
        set_size: images of the data set, to show the passes over it; 0: no set is passed over.
        monitor: whose verdict to show; None: none.
    """

    def __init__(
        self, target_images: int, title: str, primary: str = "", set_size: int = 0, monitor: Monitor | None = None
    ) -> None:
        self.target_images, self.title, self.primary, self.set_size = target_images, title, primary, set_size
        self.monitor = monitor
        self._bar: _Bar | None = None
        self._terminal, self._printed_at, self._printed_tenth = False, 0.0, 0
        self._module: Any = None
        self._batch_ended = 0.0
        self._former_handler: Any = None

    def on_train_start(self, trainer: Trainer, pl_module: Any) -> None:
        if not trainer.is_global_zero:
            return
        self._module, self._batch_ended = pl_module, time.monotonic()
        if threading.current_thread() is threading.main_thread():  # Python allows no handlers elsewhere
            self._former_handler = signal.signal(signal.SIGCONT, self._continued)
        self._terminal = terminal = sys.stdout.isatty() or in_notebook()
        self._bar = _Bar(
            total=self.target_images, initial=pl_module.images_shown, desc=self.title,
            file=sys.stdout if terminal else _Nowhere(), mininterval=0.5, miniters=1, nrows=20,
            bar_format="{line}",
        )  # fmt: skip
        self._bar.unit_name, self._bar.primary, self._bar.set_size = pl_module.unit, self.primary, self.set_size
        self._bar.watched = self.monitor
        self._printed_at, self._printed_tenth = time.monotonic(), self._tenth()

    def on_train_batch_end(self, trainer: Trainer, pl_module: Any, *args: Any, **kwargs: Any) -> None:
        if self._bar is None:
            return
        self._batch_ended = time.monotonic()
        self._bar.latest = pl_module.latest_metrics
        self._bar.update(pl_module.images_shown - self._bar.n)
        if self._terminal:
            return
        late = time.monotonic() - self._printed_at > _QUIET_SECONDS
        if late or self._tenth() > self._printed_tenth:
            print(self._bar.plain(), flush=True)
            self._printed_at, self._printed_tenth = time.monotonic(), self._tenth()

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._close()

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        self._close()

    def _tenth(self) -> int:
        assert self._bar is not None
        return int(10 * self._bar.n // max(self.target_images, 1))

    def _continued(self, number: int, frame: FrameType | None) -> None:
        """The process goes on after it was stopped. When it was stopped is not known, so the whole time since the last batch
        counts as stopped: at most one batch too much."""
        now = time.monotonic()
        stopped, self._batch_ended = now - self._batch_ended, now
        if self._bar is not None:
            self._bar.start_t += stopped
            self._module.leave_out_time(stopped)
        if callable(self._former_handler):
            self._former_handler(number, frame)

    def _close(self) -> None:
        if self._bar is not None:
            self._bar.close()
            self._bar = None
        if self._former_handler is not None:
            signal.signal(signal.SIGCONT, self._former_handler)
            self._former_handler = None


class _Bar(tqdm):
    """tqdm counting images, with a line of our own, which is put together only when it is drawn. `latest` are the newest
    values; the speed is that of the last window, without evaluations, or before the first one that of the run."""

    latest: dict[str, float] = {}  # noqa: RUF012 - never written to
    unit_name = "images"  # or iterations, of a model that draws one image
    primary = ""
    set_size = 0
    watched: Monitor | None = None  # tqdm has a monitor of its own

    @property
    def format_dict(self) -> dict[str, Any]:
        fields: dict[str, Any] = super().format_dict
        line = _line(self._pieces(fields), self.n / max(self.total, 1), _columns(self.fp))
        return fields | {"line": line, "ncols": None}  # else it would be cut at the width that the terminal had first

    def plain(self) -> str:
        """The line without the bar, however long."""
        return _joined(self._pieces(super().format_dict))

    def _pieces(self, fields: dict[str, Any]) -> dict[str, str]:
        done = fields["n"] - fields["initial"]
        # Over the whole run, evaluations included: a pause must neither read as a standstill nor be left out of what is left.
        rate = done / fields["elapsed"] if fields["elapsed"] > 0 and done else 0.0
        left = tqdm.format_interval(max(self.total - self.n, 0) / rate) if rate else "?"
        fast = self.latest.get("train/images_per_sec") or rate
        progress, speed = f"{_kimg(self.n)}/{_kimg(self.total)} kimg", f"{fast:,.0f} img/s"
        if self.unit_name == "iterations":
            progress, speed = f"{self.n}/{self.total} iterations", f"{fast:.3g}/s"
        return {
            "title": self.desc.rstrip(": "),
            "progress": progress,
            "passes": f"{brief_count(self.n / self.set_size)} passes" if self.set_size else "",
            "speed": speed,
            "losses": _values(self.latest, _LOSSES),
            "metric": _values(self.latest, {self.primary: f"eval/{self.primary}"}),
            "verdict": self.watched.last.words if self.watched and self.watched.last else "",
            "left": f"{left} left",
        }


def _line(pieces: dict[str, str], share: float, columns: int | None) -> str:
    """The pieces that fit into so many columns (None: any number), and the bar where there is room for it.

    Args:
        pieces: name -> text; empty ones are left out.
        share: of the run that is done.
    """
    kept: dict[str, str] = {}
    for name in _PRIORITY:
        wider = kept | {name: pieces[name]}
        if columns is None or disp_len(_joined(wider)) <= columns:
            kept = wider
    free = max(_BARS) if columns is None else columns - disp_len(_joined(kept)) - len(_GAP + "[]")
    if length := next((length for length in _BARS if length <= free), 0):
        filled = min(int(share * length), length)
        kept["bar"] = f"[{'#' * filled}{'.' * (length - filled)}]"
    return _joined(kept) or str(disp_trim(pieces["progress"], columns))


def _columns(stream: Any) -> int | None:
    """The width of a terminal without its last column, where some move on to the next line; None where it is not known."""
    try:
        return max(os.get_terminal_size(stream.fileno()).columns - 1, 0) or None
    except (AttributeError, OSError, ValueError):  # no descriptor, or no terminal
        return None


def _joined(pieces: dict[str, str]) -> str:
    return _GAP.join(pieces[name] for name in _ORDER if pieces.get(name))


class _Nowhere:
    """A stream that tqdm may write to when there is no terminal: its control characters would fill a log file."""

    def write(self, text: str) -> int:
        return len(text)

    def flush(self) -> None:
        pass


def _kimg(images: float) -> str:
    return f"{images / 1000:.0f}" if images >= 10_000 or images % 1000 == 0 else f"{images / 1000:.1f}"


def _values(latest: dict[str, float], names: dict[str, str]) -> str:
    """`D 0.612  G 1.84`: what there is of the values; shown name -> logged name."""
    return _GAP.join(f"{shown} {latest[name]:.3g}" for shown, name in names.items() if name in latest)
