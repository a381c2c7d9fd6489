"""MLflow as a tracker (extra `mlflow`). Its step is images shown; pictures are its images of that step."""

import importlib
import logging
import os
import re
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

import yaml
from pytorch_lightning.loggers.logger import rank_zero_experiment
from pytorch_lightning.utilities.rank_zero import rank_zero_only
from torch import Tensor

from seesaw.errors import UserError
from seesaw.training.differences import flat
from seesaw.training.loggers.naming import configuration_name
from seesaw.training.loggers.tracker import Artifacts, RunInfo, Tracker, check_picture, wanted_artifact
from seesaw.training.provenance import provenance
from seesaw.util import atomic_write, locked

DEFAULTS = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",  # MLflow's own seven take some minutes
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "20",
}
"""MLflow's variables, where they are not set: a server that does not answer is given up within the limits of a tracker."""

LONGEST = 5000
"""Characters of a value of a parameter or tag that every store of MLflow's takes."""

MOST_AT_ONCE = 100
"""Parameters that a call takes."""


class MLflowLog(Tracker):
    """One MLflow run. The store is MLFLOW_TRACKING_URI, else `mlflow.db` in the current folder, with pictures under `mlruns`:
    what `mlflow ui` shows there. The run's configuration is its parameters and `config.yaml`; choices, provenance and the
    monitor's sentence are tags; best and last values are metrics. A store in a file keeps the largest float for infinity.

    A resumed run goes on under its id (`<run_dir>/mlflow/id`), and rows of metrics.csv that the store has not are sent. MLflow
    takes no point back: those past the checkpoint stay.

    Args:
        run: the run folder, name, configuration, and whether it continues.
        project: MLflow's experiment; null: MLFLOW_EXPERIMENT_NAME, else seesaw.
        name: shown name; null takes the run's.
        artifacts: checkpoints that are copied into the store: none, best.ckpt, or all.

    Raises:
        UserError: the package is missing.
    """

    title = "MLflow"

    def __init__(
        self, run: RunInfo, project: str | None = None, name: str | None = None, artifacts: Artifacts = "none"
    ) -> None:
        super().__init__(run)
        for variable, value in DEFAULTS.items():
            os.environ.setdefault(variable, value)
        try:
            importlib.import_module("sqlalchemy")  # of a store in a file
            self._module = importlib.import_module("mlflow")
        except ImportError as error:
            install = "pip install 'seesaw-gan[mlflow]'"
            raise UserError(f"logger=mlflow: a package is missing ({error.name}); install it with `{install}`") from error
        self.project = project or os.environ.get("MLFLOW_EXPERIMENT_NAME") or "seesaw"
        self.shown_name, self.artifacts = name or run.name, artifacts
        self.uri = os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{Path.cwd() / 'mlflow.db'}"
        if self._is_file and (odd := next((c for c in self.uri if c in "?%"), "")):  # special in an address
            raise UserError(f"logger=mlflow: {self._file.parent} has a {odd} in its name, which the address of MLflow's store "
                            "cannot hold; set MLFLOW_TRACKING_URI, or give the command in another folder")  # fmt: skip
        self._client: Any = None
        self._id = ""

    @property
    @rank_zero_experiment
    def experiment(self) -> Any:
        """The `mlflow.MlflowClient`; the run's id is `run_id`."""
        if self._client is None:
            for name in ("mlflow", "alembic"):
                logging.getLogger(name).setLevel(logging.WARNING)
            with locked(self.run.run_dir / "mlflow" / "lock") if not self._is_file else locked(Path(f"{self._file}.lock")):
                self._client = self._module.MlflowClient(tracking_uri=self.uri)
                self._id = self._resumed() or self._created()
            self.send_lost()
        return self._client

    @property
    def run_id(self) -> str:
        """MLflow's id of the run; empty before it has started."""
        return self._id

    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        client, now = self.experiment, int(time.time() * 1000)
        Metric = self._module.entities.Metric
        points = [Metric(allowed_name(name), float(value), now, step or 0) for name, value in metrics.items()]
        client.log_batch(self._id, metrics=points)

    @rank_zero_only
    def log_picture(self, name: str, image: Tensor, step: int, caption: str = "") -> None:
        pixels = check_picture(image).permute(1, 2, 0).numpy()
        self.experiment.log_image(self._id, pixels, key=allowed_name(name), step=step)

    @rank_zero_only
    def log_text(self, name: str, text: str, step: int, alert: bool = False) -> None:
        self.experiment.set_tag(self._id, allowed_name(name), text[:LONGEST])

    @rank_zero_only
    def log_checkpoint(self, kind: Literal["best", "last", "kept"], path: Path, step: int) -> None:
        if wanted_artifact(self.artifacts, kind) and path.is_file():
            self.experiment.log_artifact(self._id, str(path), "checkpoints")

    @rank_zero_only
    def summarise(self, values: dict[str, float]) -> None:
        self.log_metrics(values, 0)

    @rank_zero_only
    def finish(self, exit_code: int) -> None:
        if self._client is None:
            return
        client, self._client = self._client, None
        client.set_terminated(self._id, "FINISHED" if exit_code == 0 else "KILLED" if exit_code > 128 else "FAILED")
        where = f"`mlflow ui --backend-store-uri {self.uri}` shows it" if self._is_file else self.uri
        print(f"MLflow: {self.shown_name} in the experiment {self.project}; {where}", flush=True)

    def known(self) -> dict[int, set[str]]:
        found: dict[int, set[str]] = {}
        for name in self._client.get_run(self._id).data.metrics:
            for point in self._client.get_metric_history(self._id, name):
                found.setdefault(point.step, set()).add(name)
        return found

    def stored_name(self, name: str) -> str:
        return allowed_name(name)

    @property
    def _is_file(self) -> bool:
        return self.uri.startswith("sqlite:///")

    @property
    def _file(self) -> Path:
        return Path(self.uri.removeprefix("sqlite:///"))

    @property
    def _id_file(self) -> Path:
        return self.run.run_dir / "mlflow" / "id"

    def _resumed(self) -> str:
        """The id of the run that goes on, where the store still has it; else nothing."""
        if not self.run.resume or not self._id_file.is_file():
            return ""
        found = self._id_file.read_text(encoding="utf-8").strip()
        try:
            self._client.update_run(found, status="RUNNING")
        except self._module.exceptions.MlflowException:  # of another store
            return ""
        return found

    def _created(self) -> str:
        """The id of a new run, with its configuration."""
        known = self._client.get_experiment_by_name(self.project)
        folder = self._file.parent / "mlruns" / re.sub(r"[^\w\- ]", "_", self.project)  # a project `../x` leads nowhere else
        place = {"artifact_location": folder.as_uri()} if self._is_file else {}
        experiment = self._client.create_experiment(self.project, **place) if known is None else known.experiment_id
        created: str = self._client.create_run(experiment, tags=self._tags(), run_name=self.shown_name).info.run_id
        Param = self._module.entities.Param
        params = [Param(key, value) for key, value in self._parameters()]
        for begin in range(0, len(params), MOST_AT_ONCE):
            self._client.log_batch(created, params=params[begin : begin + MOST_AT_ONCE])
        text = yaml.safe_dump(self.run.config, sort_keys=False, allow_unicode=True)
        self._client.log_text(created, text, "config.yaml")
        atomic_write(self._id_file, created + "\n")
        return created

    def _parameters(self) -> Iterator[tuple[str, str]]:
        for key, value in flat(self.run.config).items():
            yield allowed_name(key)[:250], str(value)[:LONGEST]

    def _tags(self) -> dict[str, str]:
        same = configuration_name(self.run.choices, self.run.config)
        named = {f"choices.{allowed_name(group)}": option for group, option in self.run.choices.items()}
        more = {"group": self.run.group or same, "configuration": same, "kind": self.run.kind, "overrides": self.run.overrides,
                "provenance": provenance(), "parent": self.run.parent, "tags": self.run.tags}  # fmt: skip
        return named | {key: str(value)[:LONGEST] for key, value in more.items() if value is not None}


def allowed_name(name: str) -> str:
    """The name with `_` for what MLflow's names may not hold."""
    return re.sub(r"[^\w\-./ ]", "_", name)
