"""TensorBoard as a tracker (extra `tensorboard`). Its step is images shown: it has no other axis."""

import importlib
import json
import threading
from collections.abc import Mapping
from typing import Any

from pytorch_lightning.loggers.logger import rank_zero_experiment
from pytorch_lightning.utilities.rank_zero import rank_zero_only
from torch import Tensor

from seesaw.training.loggers.tracker import RunInfo, Tracker, check_picture
from seesaw.training.provenance import provenance
from seesaw.types import UserError


class TensorBoardLog(Tracker):
    """Event files under `<run_dir>/tensorboard`. Raises UserError where the package is missing."""

    title = "TensorBoard"

    def __init__(self, run: RunInfo) -> None:
        super().__init__(run)
        try:
            self._module = importlib.import_module("torch.utils.tensorboard")
        except ImportError as error:
            install = "pip install 'seesaw-gan[tensorboard]'"
            raise UserError(
                f"logger=tensorboard: the package tensorboard is missing; install it with `{install}`"
            ) from error
        self._writer: Any = None
        self._purge: int | None = None

    @property
    @rank_zero_experiment
    def experiment(self) -> Any:
        """The `SummaryWriter`."""
        if self._writer is None:
            folder = str(self.run.run_dir / "tensorboard")
            _quiet_writer_threads()
            self._writer = self._module.SummaryWriter(folder, purge_step=self._purge)
            self._writer.add_text("config", f"```\n{json.dumps(self.run.config, indent=2, default=str)}\n```")
            origin = {"overrides": self.run.overrides, **provenance()}
            self._writer.add_text("origin", f"```\n{json.dumps(origin, indent=2)}\n```")
            self.send_lost()
        return self._writer

    @rank_zero_only
    def cut(self, images: int) -> None:
        """Hides the points past `images` that the interrupted run had written; call it before the first row."""
        super().cut(images)
        self._purge = images + 1

    def known(self) -> dict[int, set[str]]:
        """Of the event files of former attempts, up to where these are hidden."""
        module = importlib.import_module("tensorboard.backend.event_processing.event_accumulator")
        events = module.EventAccumulator(str(self.run.run_dir / "tensorboard"), {"scalars": 0, "images": 1, "tensors": 1})
        events.Reload()
        found: dict[int, set[str]] = {}
        for name in events.Tags()["scalars"]:
            for point in events.Scalars(name):
                found.setdefault(point.step, set()).add(name)
        return found

    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        for name, value in metrics.items():
            self.experiment.add_scalar(name, value, step)

    @rank_zero_only
    def log_picture(self, name: str, image: Tensor, step: int, caption: str = "") -> None:
        self.experiment.add_image(name, check_picture(image), step)

    @rank_zero_only
    def log_text(self, name: str, text: str, step: int, alert: bool = False) -> None:
        self.experiment.add_text(name, text, step)

    @rank_zero_only
    def summarise(self, values: dict[str, float]) -> None:
        self.experiment.add_text("summary", "\n\n".join(f"{k}: {v:.6g}" for k, v in values.items()))

    @rank_zero_only
    def finish(self, exit_code: int) -> None:
        if self._writer is not None:
            self._writer.close()
            self._writer = None


def _quiet_writer_threads() -> None:
    """TensorBoard's writer thread keeps the error that ends it, such as a full disk, and the next call raises that error again:
    no trace is printed beside it."""
    usual = threading.excepthook
    if getattr(usual, "quiet_writer", False):
        return

    def hook(failed: threading.ExceptHookArgs) -> None:
        if type(failed.thread).__module__ != "tensorboard.summary.writer.event_file_writer":
            usual(failed)

    hook.quiet_writer = True  # type: ignore[attr-defined]
    threading.excepthook = hook
