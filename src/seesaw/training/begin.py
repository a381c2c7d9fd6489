"""What a run begins from: nothing, its own checkpoint, that of another run with changes, or another run's weights."""

import warnings
from typing import Any, NamedTuple

from omegaconf import DictConfig
from pytorch_lightning.utilities.rank_zero import rank_zero_only

from seesaw.errors import Notice, UserError
from seesaw.experiment import Experiment
from seesaw.training.checkpoint_file import load
from seesaw.training.forks import Fork, begin_fork
from seesaw.training.run_folder import Job, RunFolder, begun_alike, read_status, refuse_differences
from seesaw.training.transfer import start_from

rank_zero_print = rank_zero_only(print)

ORIGINS = ("init_from", "parent", "rollbacks")
"""Entries of status.json that a run keeps when it goes on."""


class Former(NamedTuple):
    """How far the checkpoint to go on from has come, the fingerprint of its data (None where it has none), and whether the run
    that the folder holds goes on, so that trackers keep it."""

    images_shown: int = 0
    data: str | None = None
    goes_on: bool = False


def former_progress(cfg: DictConfig, job: Job, folder: RunFolder) -> Former:
    """What the folder's checkpoint knows. UserError where it is of another configuration, and the run is no fork of it."""
    # A run that was killed before its first checkpoint starts anew in its folder, as the same run of a tracker.
    alike = cfg.resume == "auto" and begun_alike(cfg, folder.path)
    if folder.checkpoint is None:
        if cfg.resume == "auto":
            own = job.run_dir is not None or job.folder is not None
            where = f"{folder.path} holds no checkpoint" if own else "runs/ holds no run of this configuration"
            rank_zero_print(f"resume=auto: {where} to go on from, so it starts anew", flush=True)
        return Former(goes_on=alike)
    saved = load(folder.checkpoint)
    if not folder.forks:
        refuse_differences(cfg, saved["config"], folder.checkpoint, job.choices)
    in_place = folder.checkpoint.parent.parent == folder.path
    return Former(int(saved["progress"]["images_shown"]), saved.get("data"), in_place or (folder.forks and alike))


class Beginning(NamedTuple):
    """What a run begins from: the entries of its status, and the fork that it is, where it begins as one."""

    status: dict[str, Any]
    fork: Fork | None = None


def begin(
    model: Experiment, cfg: DictConfig, config: dict[str, Any], overrides: list[str], folder: RunFolder
) -> Beginning:
    """Take the weights that `init_from` names, or read what `fork_from` does, unless the run goes on from a checkpoint of its
    own. UserError where they do not fit."""
    if folder.forks:
        fork = begin_fork(cfg, config, overrides, folder, model)
        return Beginning({"parent": fork.parent}, fork)
    if folder.checkpoint is not None:
        return Beginning({key: value for key, value in read_status(folder.path).items() if key in ORIGINS})
    if config["init_from"] is None:
        return Beginning({})
    started = start_from(model, config)
    rank_zero_print(started.message(), flush=True)
    return Beginning({"init_from": started.status()})


def compare_data(before: str | None, now: str, precision: str, forks: bool = False) -> None:
    """A Notice where a run goes on with other data than those of its checkpoint; UserError where it is to be exact, or forks."""
    if before is None or before == now:
        return
    changed = f"the data have changed since the checkpoint: {before} then, {now} now"
    if forks:
        raise UserError(f"a fork keeps the data, and {changed}; give those, or begin a new run with init_from=RUN")
    if precision == "exact":
        raise UserError(f"{changed}; precision=exact goes on with the same alone: restore them, or begin a new run")
    advice = "the run goes on with these, and distances to the two sets do not compare"
    rank_zero_only(warnings.warn)(f"{changed}; {advice}", Notice, stacklevel=2)
