"""The run folder: where it lies, what it holds of a former attempt, and its status."""

import glob
import json
import math
import os
import secrets
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from seesaw.errors import UserError
from seesaw.training.checkpoint_file import checkpoint_of
from seesaw.training.differences import MAY_DIFFER, OF_A_PLACE, differences
from seesaw.training.saved_config import Sieve, saved_config, text_of
from seesaw.util import atomic_write, no_link

MOST_KEYS = 3
"""How many differing keys a refusal names."""

RUN_FOLDER = "run folder: "
"""Begins the note on an exception that names the folder of the run that it ended."""


def never(images_shown: int, distance: float) -> bool:
    """The judge of runs outside a search: goes on."""
    return False


@dataclass(frozen=True)
class Job:
    """What the entry knows of a run. `run_dir` as the user gave it; `choices`: group -> chosen option; `varied`: of a sweep,
    the overrides in which its jobs differ; `kind`: train, or search for one of its trials; `judge`: from images shown and
    distance to whether the run is hopeless and ends; `rollbacks`: the times that the run went back, as
    `seesaw.training.rollback` describes them, whose changes are among the overrides."""

    choices: dict[str, str]
    overrides: list[str] = field(default_factory=list)
    run_dir: str | None = None
    sweep_dir: Path | None = None
    number: int | None = None
    varied: list[str] = field(default_factory=list)
    kind: str = "train"
    judge: Callable[[int, float], bool] = never
    rollbacks: list[dict[str, Any]] = field(default_factory=list)

    @property
    def title(self) -> str:
        """What a progress bar shows."""
        return f"{self.choices['model']} {self.choices['data']}"

    @property
    def name(self) -> str:
        """The overrides that distinguish the job from the others of its sweep."""
        return " ".join(self.varied or self.overrides) or "defaults"

    @property
    def folder(self) -> Path | None:
        """In a sweep the job's folder; else None, since `decide` finds it."""
        return None if self.sweep_dir is None else self.sweep_dir / str(self.number)

    @property
    def group(self) -> str | None:
        """The heading under which a tracker shows the jobs of one sweep: the name of its folder."""
        return None if self.sweep_dir is None else self.sweep_dir.resolve().name

    def prefix(self, seed: int) -> str:
        """The run's name without its time: model, data, balance and seed."""
        return "-".join([self.choices["model"], self.choices["data"], self.choices["balance"], f"s{seed}"])


@dataclass(frozen=True)
class RunFolder:
    """A run's folder, and the checkpoint to go on from, or None. `forks`: that checkpoint is of another run, from which this one
    begins with changes."""

    path: Path
    checkpoint: Path | None = None
    forks: bool = False


def decide(cfg: DictConfig, job: Job) -> RunFolder:
    """The one place that decides where a run lives and from where it goes on. Creates and writes nothing.

    An explicit run_dir; else, in a sweep, <sweep dir>/<job number>; else a new folder under runs/. Raises UserError where
    a folder holds another run, or one that `resume` does not mention.
    """
    path = job.folder
    if path is not None:
        if job.run_dir is not None:
            raise UserError(f"run_dir={job.run_dir} in a sweep would give all jobs one folder; leave it out")
    else:
        path = None if job.run_dir is None else Path(job.run_dir).expanduser()
    if cfg.resume not in (None, "auto"):
        if cfg.get("fork_from") is not None:
            raise UserError(f"resume={cfg.resume} beside fork_from={cfg.fork_from}: both name what to go on from; give one")
        return from_checkpoint(cfg, job, path)
    if path is None:
        path = latest(cfg, job) if cfg.resume == "auto" else None
        path = path or new_folder(job.prefix(cfg.seed))
    last = path / "checkpoints" / "last.ckpt"
    if not last.is_file():
        refuse_folder_of_runs(path)
        fork_from = cfg.get("fork_from")
        return RunFolder(path) if fork_from is None else RunFolder(path, fork_checkpoint(fork_from), forks=True)
    if cfg.resume is None:
        raise UserError(f"{path} already holds a run; go on with it by resume=auto, or choose another run_dir")
    refuse_differences(cfg, saved_config(path), path, job.choices)
    return RunFolder(path, last)


def refuse_folder_of_runs(path: Path) -> None:
    """UserError where a run would begin in a folder that holds others: they could not be compared any more."""
    for inner in (file.parent for file in path.glob("*/config.yaml")):
        rolled_back = inner.name.startswith("before-")
        if (inner / "status.json").is_file() and not rolled_back:
            raise UserError(f"{path} holds other runs, as {inner.name}; choose another run_dir, such as {path / 'mine'}")


def from_checkpoint(cfg: DictConfig, job: Job, path: Path | None) -> RunFolder:
    """resume=PATH: the weights and the state of that file, in a new folder unless run_dir names one: the file's own, or one
    that holds no other run. Its configuration is in the file, so it is compared when that is read."""
    checkpoint = given_checkpoint(cfg.resume)
    assert checkpoint is not None
    origin = checkpoint.resolve().parent.parent
    path = path or new_folder(job.prefix(cfg.seed))
    if (path / "checkpoints" / "last.ckpt").is_file() and path.resolve() != origin:
        raise UserError(f"{path} already holds another run than resume={cfg.resume}; choose another run_dir")
    return RunFolder(path, checkpoint)


def given_checkpoint(resume: str | None) -> Path | None:
    """The file that resume=PATH names, None for null and auto. UserError where there is none."""
    if resume in (None, "auto"):
        return None
    checkpoint = Path(str(resume)).expanduser()
    if not checkpoint.is_file():
        raise UserError(
            f"resume={resume}: there is no such file or run folder; give null, auto, a run folder or the path of a checkpoint"
        )
    return checkpoint


def initial_checkpoint(init_from: str) -> Path:
    """The checkpoint that init_from=RUN names: itself, or the last one of a run folder. UserError: there is none."""
    try:
        return checkpoint_of(Path(init_from).expanduser(), "last")
    except UserError as error:
        raise UserError(f"init_from={init_from}: {error}") from None


def fork_checkpoint(fork_from: str) -> Path:
    """The file that fork_from=FILE names. UserError: there is none."""
    path = Path(str(fork_from)).expanduser()
    if not path.is_file():
        raise UserError(f"fork_from={fork_from}: there is no such checkpoint; `seesaw fork RUN at=KIMG` finds those of a run")
    return path


def new_folder(prefix: str) -> Path:
    """A name that two runs begun in one second do not share."""
    return Path("runs") / f"{prefix}-{time.strftime('%Y%m%d-%H%M%S')}-{secrets.token_hex(2)}"


def latest(cfg: DictConfig, job: Job) -> Path | None:
    """The newest run of the same name and configuration, for resume=auto without run_dir. A folder whose configuration cannot
    be read is passed over."""
    files = Path("runs").glob(f"{glob.escape(job.prefix(cfg.seed))}-*/config.yaml")
    written = {f.parent: f.lstat().st_mtime for f in files}
    sieve = Sieve(dict(OmegaConf.to_container(cfg, resolve=False)))  # type: ignore[arg-type]
    for folder in sorted(written, key=lambda folder: written[folder], reverse=True):
        if (folder / "checkpoints" / "last.ckpt").is_file() and _same(folder, cfg, sieve):
            return folder
    return None


def _same(path: Path, cfg: DictConfig, sieve: Sieve) -> bool:
    """Whether the run in the folder has this configuration."""
    try:
        first = path / "before-1"  # of a run that went back, as it was begun
        path = first if first.is_dir() else path
        return sieve.may_be(text_of(path)) and not differences(saved_config(path), cfg, ())
    except (UserError, OSError, ValueError):  # unreadable, or of an earlier version
        return False


def begun_alike(cfg: DictConfig, path: Path) -> bool:
    """Whether the folder holds the configuration of a run, and it is this one's."""
    try:
        return not differences(saved_config(path), cfg)
    except UserError:  # there is none, or it cannot be read
        return False


def refuse_differences(cfg: DictConfig, saved: dict[str, Any], path: Path, choices: dict[str, str]) -> None:
    """UserError where the folder or checkpoint `path` was begun with another configuration: with the groups that were chosen
    otherwise, as far as its status has them, and a few of the differing keys, but for those of these groups.

    Args:
        choices: group -> option chosen now.
    """
    wrong = differences(saved, cfg)
    if not wrong:
        return
    begun = read_status(path if path.is_dir() else path.parent.parent).get("choices", {})
    groups = [g for g, was in begun.items() if g not in MAY_DIFFER and choices.get(g, was) != was]
    lines = [f"{group} was {begun[group]}, now {choices[group]}" for group in groups]
    inner = tuple(f"{group.replace('/', '.')}." for group in groups)
    keys = [line for line in wrong if not line.startswith(inner)]
    lines += keys[:MOST_KEYS] + ([f"… and {len(keys) - MOST_KEYS} more"] if len(keys) > MOST_KEYS else [])
    may = ", ".join([*MAY_DIFFER, *OF_A_PLACE])
    raise UserError(f"{path} was begun with another configuration: {'; '.join(lines)}; only {may} may change")


def write(path: Path, text: str) -> None:
    """Write a text whole or not at all. UserError when the disk is full or the folder cannot be written."""
    atomic_write(path, text, "choose another place by run_dir=…")


def strict(node: Any) -> Any:
    """The same for JSON, which knows no number that is not finite: null in its place."""
    if isinstance(node, dict):
        return {key: strict(child) for key, child in node.items()}
    if isinstance(node, list | tuple):
        return [strict(child) for child in node]
    return None if isinstance(node, float) and not math.isfinite(node) else node


def read_status(path: Path) -> dict[str, Any]:
    """status.json of a run folder; empty when there is none, or another file of that name."""
    try:
        return dict(json.loads((path / "status.json").read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError, RecursionError):
        return {}


def keep_trace(folder: Path, error: BaseException) -> Path:
    """Add the error's whole trace, with the time, to <folder>/log.txt; returns that file."""
    path = folder / "log.txt"
    folder.mkdir(parents=True, exist_ok=True)
    with open(path, "a", encoding="utf-8", opener=no_link) as file:
        file.write(f"{now()}\n{''.join(traceback.format_exception(error))}\n")
    return path


class Status:
    """status.json: state (running, finished, interrupted, failed; pruned, of a search's trial; rolled_back, of what a run left
    behind), progress, the reason of a
    failure, distances; from the first moment also the overrides of the command line, commit and versions, the chosen options,
    the metric and its protocol.

    Args:
        path: the run folder.
        writes: False in all processes of a run but the first.
    """

    def __init__(self, path: Path, writes: bool = True) -> None:
        self.path, self.writes = path, writes  # of several processes only the first one writes
        self.values: dict[str, Any] = {"pid": os.getpid(), "started": now()}

    def update(self, state: str, images_shown: int, **more: Any) -> None:
        self.values |= {
            "state": state,
            "images_shown": images_shown,
            "kimg": images_shown / 1000,
            "updated": now(),
            **more,
        }
        if self.writes:
            write(self.path / "status.json", json.dumps(strict(self.values), indent=2, allow_nan=False) + "\n")


def now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S%z")
