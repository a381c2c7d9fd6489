"""The progress bar, in thousands of images."""

import sys
import time
from typing import Any

from pytorch_lightning import LightningModule, Trainer
from tqdm import tqdm

from seesaw.training.callbacks.base import BatchCallback

_FORMAT = "{desc}  {progress}  [{bar:16}]  {speed}{metrics}  {left} left"
_LOSSES = ("D", "G", "content", "style", "variation")
_QUIET_SECONDS = 60.0  # without a terminal: the longest silence


class KimgBar(BatchCallback):
    """`dcgan digits  62/150 kimg  [######..........]  1,840 img/s  D 0.61  G 1.84  frechet_digits 3.2  01:12 left`

    Redrawn at most twice a second. Where standard output is no terminal (a file, a pipe) it prints a plain line each tenth of
    the way, and after a minute without one. It shows the losses and the primary metric of `pl_module.latest_metrics`, plain
    floats of the last window: nothing is read from a device.

    Args:
        target_images: the run's length, in images.
        title: stands in front, such as "dcgan digits".
        primary: name of the metric to show, without eval/; empty: none.
    """

    def __init__(self, target_images: int, title: str, primary: str = "") -> None:
        self.target_images, self.title, self.primary = target_images, title, primary
        self._bar: _Bar | None = None
        self._terminal, self._printed_at, self._printed_tenth = False, 0.0, 0

    def on_train_start(self, trainer: Trainer, pl_module: Any) -> None:
        if not trainer.is_global_zero:
            return
        self._terminal = terminal = sys.stdout.isatty()
        self._bar = _Bar(
            total=self.target_images, initial=pl_module.images_shown, desc=self.title,
            file=sys.stdout if terminal else _Nowhere(), mininterval=0.5, miniters=1, dynamic_ncols=terminal,
            bar_format=_FORMAT, ascii=".#",
        )  # fmt: skip
        self._bar.unit_name, self._bar.primary = pl_module.unit, self.primary
        self._printed_at, self._printed_tenth = time.monotonic(), self._tenth()

    def on_train_batch_end(self, trainer: Trainer, pl_module: Any, *args: Any, **kwargs: Any) -> None:
        if self._bar is None:
            return
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

    def _close(self) -> None:
        if self._bar is not None:
            self._bar.close()
            self._bar = None


class _Bar(tqdm):
    """tqdm counting images, with our own fields, which are put together only when it is drawn. `latest` are the newest values;
    the speed is that of the last window, without evaluations, or before the first one that of the run."""

    latest: dict[str, float] = {}  # noqa: RUF012 - never written to
    unit_name = "images"  # or iterations, of a model that draws one image
    primary = ""

    @property
    def format_dict(self) -> dict[str, Any]:
        fields: dict[str, Any] = super().format_dict
        done = fields["n"] - fields["initial"]
        # Over the whole run, evaluations included: a pause must neither read as a standstill nor be left out of what is left.
        rate = done / fields["elapsed"] if fields["elapsed"] and done else 0.0
        left = tqdm.format_interval(max(self.total - self.n, 0) / rate) if rate else "?"
        fast = self.latest.get("train/images_per_sec") or rate
        progress, speed = f"{_kimg(self.n)}/{_kimg(self.total)} kimg", f"{fast:,.0f} img/s"
        if self.unit_name == "iterations":
            progress, speed = f"{self.n}/{self.total} iterations", f"{fast:.3g}/s"
        metrics = _metrics(self.latest, self.primary)
        return fields | {"progress": progress, "speed": speed, "metrics": metrics, "left": left}

    def plain(self) -> str:
        return _FORMAT.replace("  [{bar:16}]", "").format(**self.format_dict | {"desc": self.desc.rstrip(": ")})


class _Nowhere:
    """A stream that tqdm may write to when there is no terminal: its control characters would fill a log file."""

    def write(self, text: str) -> int:
        return len(text)

    def flush(self) -> None:
        pass


def _kimg(images: float) -> str:
    return f"{images / 1000:.0f}" if images >= 10_000 or images % 1000 == 0 else f"{images / 1000:.1f}"


def _metrics(latest: dict[str, float], primary: str) -> str:
    shown = {name: latest.get(f"train/loss/{name}") for name in _LOSSES} | {primary: latest.get(f"eval/{primary}")}
    return "".join(f"  {name} {value:.3g}" for name, value in shown.items() if value is not None)
