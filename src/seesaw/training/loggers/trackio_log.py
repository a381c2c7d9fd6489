"""Trackio as a tracker (extra `trackio`). Its step is images shown."""

import contextlib
import importlib
import io
import re
import secrets
from collections.abc import Mapping
from typing import Any

from pytorch_lightning.loggers.logger import rank_zero_experiment
from pytorch_lightning.utilities.rank_zero import rank_zero_only
from torch import Tensor

from seesaw.errors import UserError
from seesaw.training.loggers.naming import configuration_name
from seesaw.training.loggers.tracker import RunInfo, Tracker, check_picture
from seesaw.training.provenance import provenance
from seesaw.util import atomic_write


class TrackioLog(Tracker):
    """One run of Trackio, in a file on this machine (TRACKIO_DIR, else Trackio's cache) that `trackio show` reads, or on the
    server that TRACKIO_SERVER_URL or TRACKIO_SPACE_ID names. A resumed run goes on under its name (`<run_dir>/trackio/name`), and
    rows of metrics.csv that the file has not are sent. Trackio takes no point back: those past the checkpoint stay.

    Args:
        run: the run folder, name, configuration, and whether it continues.
        project: Trackio's project; null: seesaw.
        name: shown name, behind which six random digits stand; null takes the run's.

    Raises:
        UserError: the package is missing.
    """

    title = "Trackio"

    def __init__(self, run: RunInfo, project: str | None = None, name: str | None = None) -> None:
        super().__init__(run)
        try:
            self._module = importlib.import_module("trackio")
        except ImportError as error:
            install = "pip install 'seesaw-gan[trackio]'"
            raise UserError(f"logger=trackio: the package trackio is missing; install it with `{install}`") from error
        self.project, self.shown_name = project or "seesaw", name or run.name
        self._run: Any = None
        self._step = 0

    @property
    @rank_zero_experiment
    def experiment(self) -> Any:
        """The `trackio.Run`."""
        if self._run is None:
            same = configuration_name(self.run.choices, self.run.config)
            about = {"choices": self.run.choices, "configuration": same, "overrides": self.run.overrides,
                     "provenance": provenance(), "parent": self.run.parent, "tags": self.run.tags}  # fmt: skip
            with contextlib.redirect_stdout(io.StringIO()):  # while the run waits for this
                self._run = self._module.init(
                    self.project, name=self._stored_name(), group=self.run.group, config={**self.run.config, **about},
                    resume="allow", embed=False, auto_log_gpu=False, auto_log_cpu=False,
                )  # fmt: skip
            self.send_lost()
        return self._run

    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        at = step or 0
        self._step = max(self._step, at)
        self.experiment.log({**metrics, "kimg": at / 1000}, step=at)

    @rank_zero_only
    def log_picture(self, name: str, image: Tensor, step: int, caption: str = "") -> None:
        pixels = check_picture(image).permute(1, 2, 0).numpy()
        run = self.experiment  # before the picture, which belongs to it
        picture = self._module.Image(pixels[..., 0] if pixels.shape[2] == 1 else pixels, caption=caption or None)
        run.log({name: picture}, step=step)

    @rank_zero_only
    def log_text(self, name: str, text: str, step: int, alert: bool = False) -> None:
        self.experiment.log({name: text}, step=step)
        if alert:
            title, _, _ = text.partition(":")
            self.experiment.alert(f"{self.shown_name}: {title}", text, step=step)

    @rank_zero_only
    def summarise(self, values: dict[str, float]) -> None:
        """As points at the newest step: Trackio has no summary."""
        self.experiment.log(dict(values), step=self._step)

    @rank_zero_only
    def finish(self, exit_code: int) -> None:
        if self._run is None:
            return
        run, self._run = self._run, None
        run.log({"exit_code": exit_code}, step=self._step)
        with contextlib.redirect_stdout(io.StringIO()):
            run.finish()
        print(f'Trackio: {run.name}; `trackio show --project "{self.project}"` shows it', flush=True)

    def known(self) -> dict[int, set[str]]:
        storage = importlib.import_module("trackio.sqlite_storage").SQLiteStorage
        found: dict[int, set[str]] = {}
        for row in storage.get_logs(self.project, run_id=self._run.id):
            found.setdefault(int(row["step"]), set()).update(row)
        return found

    def _stored_name(self) -> str:
        """The name of the run that goes on, else a new one, which no other run of the project has."""
        file = self.run.run_dir / "trackio" / "name"
        if self.run.resume and file.is_file():
            return file.read_text(encoding="utf-8").strip()
        made = f"{re.sub('[^A-Za-z0-9_.=-]+', '-', self.shown_name).strip('-')[:80] or 'run'}-{secrets.token_hex(3)}"
        atomic_write(file, made + "\n")
        return made
