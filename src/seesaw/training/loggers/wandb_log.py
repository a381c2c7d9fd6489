"""Weights & Biases, online where there is a key, offline otherwise, and never the reason why a run ends or hangs."""

import importlib
import math
import netrc
import os
import re
import secrets
import shlex
import shutil
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, cast
from urllib.parse import urlsplit

from pytorch_lightning.loggers.logger import rank_zero_experiment
from pytorch_lightning.utilities.rank_zero import rank_zero_only
from torch import Tensor

from seesaw.training.loggers.naming import configuration_name
from seesaw.training.loggers.tracker import Artifacts, RunInfo, Tracker, check_picture, wanted_artifact
from seesaw.training.loggers.wandb_helper import end_helper, is_shared, refusal, refuse_full_disk
from seesaw.training.loggers.wandb_history import missing_rows
from seesaw.training.provenance import provenance
from seesaw.util import atomic_write

PINNED = ("configuration", "overrides")
"""Keys of the configuration that stand at the top of the run's page."""

LONGEST_NAME, LONGEST_TAG = 128, 64
"""Characters that W&B's server takes."""

SECONDS_TO_STOP = 5.0
"""For W&B's helper process to stop after the upload has ended or was given up."""


class WandbLog(Tracker):
    """One W&B run under `<run_dir>/wandb`, on the axis `kimg`. Beside the configuration it keeps `choices`, the names of the
    chosen options (choices.balance: ttur), and `configuration`, a name that runs share which differ in their seed alone, to
    group by, the `overrides` of the command, `provenance`, and the `parent` of a fork.

    Online when a key is found (environment or netrc: never the configuration), else offline; the variable WANDB_MODE and
    `mode` decide before that. A server that does not answer costs `init_timeout` seconds, then the run goes on offline; at
    the end the upload gets `finish_timeout` seconds, and what was not sent stays in the folder. A resumed run continues
    under its id and sends the rows of metrics.csv that W&B's process lost when it was killed, but not lost pictures; the
    points that it had sent past the checkpoint cannot be taken back from the server.

    What the configuration leaves null is taken from W&B's variable (WANDB_PROJECT, WANDB_NAME, WANDB_RUN_GROUP, WANDB_TAGS,
    WANDB_JOB_TYPE), else from the run.

    Args:
        run: the run folder, name, configuration, and whether it continues.
        project: W&B's project; null: WANDB_PROJECT, else seesaw.
        name: shown name; null takes the run's: model, data, balance, seed and overrides; in a sweep the overrides that vary.
            At most 128 characters are shown.
        group: runs under one heading; null: in a sweep the sweep's folder, else the configuration without its seed.
        tags: words to filter by, beside model=…, data=…, balance=…, loss=…, penalty=…, schedule=… and seed=…
        job_type: null: train, or search for the trials of a search.
        id: null makes a readable one, `<name>-<6 random hex digits>`, and keeps it in `<run_dir>/wandb/id`.
        mode: null decides by itself.
        init_timeout: seconds at the start.
        finish_timeout: seconds for the upload at the end. W&B's own process is killed where it does not stop soon after.
        artifacts: checkpoints that become versions of the artifact `<id>-checkpoint`: none, best.ckpt, or all; under the aliases
            best or last, and such as 25kimg.
        table: single samples of each moment that are added to the table `samples/table`, with kimg and class; 0: no table.
    """

    title = "W&B"

    def __init__(
        self,
        run: RunInfo,
        project: str | None = None,
        name: str | None = None,
        group: str | None = None,
        tags: Sequence[str] = (),
        job_type: str | None = None,
        id: str | None = None,
        mode: Literal["online", "offline", "disabled"] | None = None,
        init_timeout: float = 30.0,
        finish_timeout: float = 40.0,
        artifacts: Artifacts = "none",
        table: int = 0,
    ) -> None:
        super().__init__(run)
        # W&B's reports about itself are flushed at the interpreter's exit, up to 90 s where the server drips bytes.
        os.environ.setdefault("WANDB_ERROR_REPORTING", "false")
        importlib.import_module("wandb")  # takes a second: only for a run that is tracked, and not within its time limits
        self.project = project or os.environ.get("WANDB_PROJECT") or "seesaw"
        self.group = group or os.environ.get("WANDB_RUN_GROUP") or run.group
        self.job_type = job_type or os.environ.get("WANDB_JOB_TYPE") or run.kind
        of_the_environment = tags_of_the_environment()
        more = tags or of_the_environment
        self.tags = [_at_most(tag, LONGEST_TAG) for tag in dict.fromkeys([*run.tags, *more]) if tag.strip()]
        alone = None if run.of_sweep else os.environ.get("WANDB_NAME")  # else the jobs of a sweep would have one name
        self.shown_name = _at_most(name or alone or run.name, LONGEST_NAME)
        self.mode = mode
        self.init_timeout, self.finish_timeout = init_timeout, finish_timeout
        self.start_limit, self.finish_limit = init_timeout + 10, finish_timeout + 8  # within 40 and 60 s by default
        self._id = id
        self._run: Any = None
        self._folder: Path | None = None
        self.artifacts, self.table = artifacts, table
        self._table: Any = None

    @property
    def run_id(self) -> str:
        """The id given, else the stored one of a run that continues, else WANDB_RUN_ID, which W&B's own sweep agent sets, but
        for the jobs of our sweeps, else a new one."""
        if self._id is None:
            stored = (
                self._id_file.read_text(encoding="utf-8").strip()
                if self.run.resume and self._id_file.exists()
                else None
            )
            given = None if self.run.of_sweep else os.environ.get("WANDB_RUN_ID")
            self._id = stored or given or _readable_id(self.shown_name)
        return self._id

    @property
    @rank_zero_experiment
    def experiment(self) -> Any:
        """The `wandb.Run`; started when first asked for, which Lightning does before training. `seesaw` needs none of W&B's
        globals, so several runs in one process stay apart."""
        if self._run is None:
            chosen_now = not self._id_file.exists()
            atomic_write(self._id_file, self.run_id + "\n")  # first: a run that is killed now goes on under it
            self._run = self._start()
            self._folder = _from_here(Path(self._run.dir).parent)
            # At once, before the first row: W&B's own step restarts on an offline resume and counts calls, not images.
            self._run.define_metric("*", step_metric="kimg", step_sync=True)
            for name, higher in self.run.higher_is_better.items():
                self._run.define_metric(f"eval/{name}", step_metric="kimg", summary="max" if higher else "min")
            self._run.pin_config_keys(PINNED)
            received = math.inf if self._run.offline else self._run.starting_step
            for row in missing_rows(self.run.run_dir, self.run_id, self.goes_on_from, received):
                self._run.log(row)
            if chosen_now and self.goes_on_from >= 0:
                self.send_grids()
        return self._run

    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        if step is None:
            raise ValueError("W&B: step is None; it must be the number of images shown")
        self.experiment.log({**metrics, "kimg": step / 1000})
        assert self._folder is not None
        refuse_full_disk(self._folder)

    @rank_zero_only
    def log_picture(self, name: str, image: Tensor, step: int, caption: str = "") -> None:
        import wandb

        pixels = check_picture(image).permute(1, 2, 0).numpy()
        picture = wandb.Image(pixels[..., 0] if pixels.shape[2] == 1 else pixels, caption=caption or None)
        self.experiment.log({name: picture, "kimg": step / 1000})

    @rank_zero_only
    def log_samples(self, images: Tensor, step: int, labels: list[str] | None = None) -> None:
        """Rows of the table `samples/table`: kimg, number of the sample, class and picture. Only what is new is uploaded."""
        if not self.table:
            return
        import wandb

        run = self.experiment
        if self._table is None:
            self._table = wandb.Table(columns=["kimg", "sample", "class", "picture"], log_mode="INCREMENTAL")
        for number, image in enumerate(images[: self.table]):
            pixels = check_picture(image).permute(1, 2, 0).numpy()
            picture = wandb.Image(pixels[..., 0] if pixels.shape[2] == 1 else pixels)
            self._table.add_data(step / 1000, number, labels[number] if labels else "", picture)
        run.log({"samples/table": self._table, "kimg": step / 1000})

    @rank_zero_only
    def log_checkpoint(self, kind: Literal["best", "last", "kept"], path: Path, step: int) -> None:
        if not wanted_artifact(self.artifacts, kind) or not path.is_file():
            return
        import wandb

        run, kimg = self.experiment, step / 1000
        artifact = wandb.Artifact(f"{self.run_id}-checkpoint", type="model", metadata={"kimg": kimg, "kind": kind})
        artifact.add_file(str(path), name="model.ckpt")
        run.log_artifact(artifact, aliases=[*([] if kind == "kept" else [kind]), f"{kimg:g}kimg"])

    @rank_zero_only
    def log_text(self, name: str, text: str, step: int, alert: bool = False) -> None:
        """Into the summary; an alert goes to the user's e-mail or Slack, as set at W&B."""
        self.experiment.summary.update({name: text})
        if alert:
            title, _, _ = text.partition(":")
            self.experiment.alert(title=f"{self.shown_name}: {title}", text=text)

    @rank_zero_only
    def summarise(self, values: dict[str, float]) -> None:
        self.experiment.summary.update(values)

    @rank_zero_only
    def finish(self, exit_code: int) -> None:
        """Ends the run and W&B's process within `finish_timeout` and some seconds, and prints in one line where to look."""
        if self._run is None:
            return
        run, self._run = self._run, None
        folder, began = self._folder, time.monotonic()
        assert folder is not None
        run.finish(exit_code=exit_code)
        late = time.monotonic() - began >= self.finish_timeout
        if not is_shared():
            late |= not end_helper(SECONDS_TO_STOP)
        if run.settings.mode == "disabled":
            return
        named = shlex.quote(str(folder))
        again = f"`wandb sync --include-online {named}`"
        if run.offline:
            print(f"W&B (offline): view with `wandb leet {named}`, upload with `wandb sync {named}`", flush=True)
        elif late:
            print(f"W&B: the upload took too long; send the rest with {again}", flush=True)
        elif reason := refusal(folder):
            print(f"W&B: the server took no more of this run ({reason}); send the rest with {again}", flush=True)
        else:
            print(f"W&B: {run.url}", flush=True)

    def remedy(self) -> str:
        rows = "metrics.csv has every row"
        if self._folder is None:
            return rows
        return f"{rows}, `wandb sync --include-online {shlex.quote(str(self._folder))}` sends W&B's part"

    def abandon(self) -> None:
        end_helper(0)

    @property
    def _id_file(self) -> Path:
        return self.run.run_dir / "wandb" / "id"

    def _start(self) -> Any:
        import wandb

        self.run.run_dir.mkdir(parents=True, exist_ok=True)
        silent = wandb.Settings(silent=True)  # of W&B's own chatter, the lines that help are printed here
        base = wandb.setup(settings=silent).settings.base_url
        mode = self.mode or os.environ.get("WANDB_MODE") or ("online" if has_key(base) else "offline")
        if mode != "online":
            return self._init(mode)
        before = set(self._attempts())
        try:
            run = self._init("online")
        except wandb.errors.Error as error:
            end_helper(SECONDS_TO_STOP)  # W&B's process still holds the failed run's id: "run ID is in use"
            for folder in set(self._attempts()) - before:
                shutil.rmtree(folder, ignore_errors=True)  # an empty run, which viewers would list
            reason = str(error).strip().splitlines()[0][:160] if str(error).strip() else type(error).__name__
            print(f"W&B: no connection, so this run is kept offline ({reason})", file=sys.stderr, flush=True)
            wandb.setup(settings=silent)
            return self._init("offline")
        print(f"W&B: {run.url}", flush=True)
        return run

    def _init(self, mode: str) -> Any:
        import wandb

        settings = wandb.Settings(
            init_timeout=self.init_timeout,
            finish_timeout=self.finish_timeout,
            console="off",  # the capture would store every redraw of the progress bar
            reinit="create_new",  # each job of a sweep is a run of its own
            disable_code=True,
            stop_fn=self._stopped,
        )
        same = configuration_name(self.run.choices, self.run.config)
        return wandb.init(
            project=self.project, name=self.shown_name, group=self.group, tags=self.tags, job_type=self.job_type,
            id=self.run_id, resume="allow", dir=str(self.run.run_dir.resolve()), mode=cast(Any, mode),
            config={**self.run.config, "choices": self.run.choices, "configuration": same, "overrides": self.run.overrides,
                    "provenance": provenance(), "parent": self.run.parent},
            allow_val_change=True, settings=settings,
        )  # fmt: skip

    def _stopped(self) -> None:
        """Stop was pressed on the run's page: the run ends as by Ctrl-C, with everything saved."""
        print("W&B: the run was stopped on its page; it saves and ends", file=sys.stderr, flush=True)
        from wandb.sdk.lib import interrupt

        interrupt.interrupt_main()

    def _attempts(self) -> list[Path]:
        return list((self.run.run_dir / "wandb").glob("run-*"))


def has_key(base_url: str) -> bool:
    """Whether W&B will find credentials without asking: in the environment, or in netrc for its server."""
    if os.environ.get("WANDB_API_KEY") or os.environ.get("WANDB_IDENTITY_TOKEN_FILE"):
        return True
    file = os.environ.get("NETRC") or next(
        (p for p in (Path.home() / ".netrc", Path.home() / "_netrc") if p.exists()), None
    )
    if file is None:
        return False
    try:
        hosts = netrc.netrc(str(file)).hosts
    except (OSError, netrc.NetrcParseError):
        return False
    # api.wandb.ai is the name under which older versions stored the key of W&B's own service.
    return urlsplit(base_url).netloc in hosts or ("WANDB_BASE_URL" not in os.environ and "api.wandb.ai" in hosts)


def tags_of_the_environment() -> list[str]:
    """The tags of WANDB_TAGS. W&B reads the variable too, and would refuse the run for an empty tag or a long one: it gets those
    that it takes."""
    if (given := os.environ.pop("WANDB_TAGS", None)) is None:
        return []
    found = [_at_most(tag.strip(), LONGEST_TAG) for tag in given.split(",") if tag.strip()]
    if found:
        os.environ["WANDB_TAGS"] = ",".join(found)
    return found


def _readable_id(name: str) -> str:
    # `wandb leet` lists runs by their id. `secrets` leaves the seeded generators alone.
    return f"{re.sub('[^A-Za-z0-9_-]+', '-', name).strip('-')[:48] or 'run'}-{secrets.token_hex(3)}"


def _at_most(text: str, characters: int) -> str:
    """The text with its middle left out where it is too long: the jobs of a sweep differ at the ends of their names."""
    half = (characters - 1) // 2
    return text if len(text) <= characters else f"{text[:half]}…{text[-half:]}"


def _from_here(path: Path) -> Path:
    path, here = path.resolve(), Path.cwd().resolve()
    return path.relative_to(here) if path.is_relative_to(here) else path
