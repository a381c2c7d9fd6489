"""`monitor.on_unhealthy=rollback`: a run that stays unhealthy goes back to its best checkpoint, with one remedy.

A rollback is a fork in the same folder. What the run leaves behind lies in `before-1` (then `before-2`, …), which is a run
folder itself: config.yaml, metrics.csv, status.json, checkpoints/last.ckpt, and checkpoints/best.ckpt, from which the run goes
on. status.json of the run keeps every rollback: its moments, the verdict, the remedy, and the overrides that it added. So the
first command, with resume=auto, goes on behind it.

The steps can be cut off anywhere: all is copied, then status.json is written, which decides, then last.ckpt is moved; a run that
finds the decision and last.ckpt still in its place moves it.
"""

import contextlib
import json
import os
import re
import shlex
import shutil
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import torch.distributed as dist
from omegaconf import DictConfig
from pytorch_lightning.utilities.rank_zero import rank_zero_only

from seesaw.config.command_line import key_of, override
from seesaw.config.compose import compose
from seesaw.errors import UserError
from seesaw.monitor.monitor import Monitor
from seesaw.monitor.verdict import Verdict
from seesaw.training.launcher import launch_info
from seesaw.training.lock import is_held
from seesaw.training.preflight import check_run
from seesaw.training.run_folder import Job, latest, read_status, strict, write
from seesaw.util import atomic_write

Change = Callable[[Mapping[str, Any], Mapping[str, str]], list[str]]
"""From a resolved configuration and its choices to overrides; none where the remedy does not fit."""


def lower_d_lr(config: Mapping[str, Any], choices: Mapping[str, str]) -> list[str]:
    """Half of D's learning rate."""
    lr = ((config.get("optimizer") or {}).get("D") or {}).get("lr")
    return [f"optimizer.D.lr={lr / 2:.6g}"] if isinstance(lr, int | float) else []


def raise_gamma(config: Mapping[str, Any], choices: Mapping[str, str]) -> list[str]:
    """Four times the weight of each penalty that has one as a plain number."""
    found = {name: node.get("gamma") for name, node in (config.get("penalty") or {}).items()}
    return [f"penalty.{name}.gamma={4 * gamma:.6g}" for name, gamma in found.items() if isinstance(gamma, int | float)]


def skip_d(config: Mapping[str, Any], choices: Mapping[str, str]) -> list[str]:
    """D rests while it is ahead."""
    chosen = [name for name in choices.get("balance", "none").split("+") if name != "none"]
    if "balance" not in config or "skip_d" in chosen:
        return []
    return [f"balance=[{','.join([*chosen, 'skip_d'])}]"]


def augment(config: Mapping[str, Any], choices: Mapping[str, str]) -> list[str]:
    """DiffAugment, where nothing is augmented yet and the data are images."""
    fits = config.get("augment") == {} and (config.get("data") or {}).get("resolution") != 1
    return ["augment=diffaugment"] if fits else []


REMEDIES: dict[str, Change] = {
    "lower_d_lr": lower_d_lr,
    "raise_gamma": raise_gamma,
    "skip_d": skip_d,
    "augment": augment,
}
"""By the names that `monitor.remedies` takes."""


CHANGED = re.compile(r"optimizer\.D\.lr|penalty\.\w+\.gamma|balance|augment|fork_from|run_dir")
"""The keys that a rollback sets."""


class Plan(NamedTuple):
    """A rollback that can be made: the remedy and its overrides, and the checked configuration with them."""

    remedy: str
    overrides: list[str]
    cfg: DictConfig
    config: dict[str, Any]
    job: Job


class Rollbacks:
    """What a run needs to go back: asked once it is unhealthy, and carried out when its training has ended.

    Args:
        config: of the run, resolved.
        job: of the run.
        folder: of the run.
        monitor: gives how often, and the remedies.
    """

    def __init__(self, config: dict[str, Any], job: Job, folder: Path, monitor: Monitor) -> None:
        self.config, self.job, self.folder, self.monitor = config, job, folder, monitor
        self.plan: Plan | None = None
        self.verdict: Verdict | None = None
        """For which the training has ended, to go back."""
        self.shown = False

    def possible(self, verdict: Verdict) -> bool:
        """Whether there are rollbacks left, a best checkpoint, and a remedy that fits; that it is not is printed once."""
        done = self.job.rollbacks
        best = (self.folder / "checkpoints" / "best.ckpt").is_file()
        why = "" if best else "there is no best checkpoint to go back to"
        if len(done) >= self.monitor.rollbacks:
            why = f"monitor.rollbacks={self.monitor.rollbacks} are made"
        if not why:
            self.plan = self.next_plan({str(one.get("remedy")) for one in done})
            why = "" if self.plan else "none of monitor.remedies is left that fits"
        if why and not self.shown:
            self.shown = True
            rank_zero_only(print)(f"monitor: {verdict.words}, and the run goes on as it is: {why}", flush=True)
        return not why

    def next_plan(self, tried: Iterable[str]) -> Plan | None:
        """The first remedy that was not tried and fits, composed and checked."""
        for name in self.monitor.remedies:
            changes = [] if name in tried else REMEDIES[name](self.config, self.job.choices)
            if changes:
                start = self.folder / before(self.job) / "checkpoints" / "best.ckpt"
                place = [("fork_from", start), *([] if self.job.folder else [("run_dir", self.folder)])]
                added = [*changes, *(shlex.split(override(key, value))[0] for key, value in place)]
                with contextlib.suppress(UserError):
                    return Plan(name, added, *composed(self.job, [*added, "resume=auto"]))
        return None

    def carry_out(self, reached: float) -> Plan:
        """Keep what the run leaves behind, and note the rollback in its status; returns the plan with which it goes on.

        Args:
            reached: thousands of images shown.
        """
        plan, verdict, status = self.plan, self.verdict, read_status(self.folder)
        assert plan is not None
        assert verdict is not None
        name = before(self.job)
        noted: dict[str, Any] = {
            "before": name, "at_kimg": reached, "to_kimg": status.get("best/kimg"), "verdict": verdict.state,
            "reason": verdict.reason, "remedy": plan.remedy, "overrides": plan.overrides,
            "command": command_of(self.job),
        }  # fmt: skip
        if is_first():
            keep(self.folder, name)
            rollbacks = [*self.job.rollbacks, noted]
            write(self.folder / "status.json", json.dumps(strict(status | {"rollbacks": rollbacks}), indent=2) + "\n")
            move_last(self.folder, noted)
            shown = " ".join(plan.overrides[: len(plan.overrides) - (1 if self.job.folder else 2)])
            print(
                f"rolled back from {reached:g} to {noted['to_kimg']:g} kimg ({verdict.words}) with {shown}; what was left "
                f"behind is in {self.folder / name}",
                flush=True,
            )
        if dist.is_available() and dist.is_initialized():  # processes that torchrun or the like has started go on together
            dist.barrier()
        return plan._replace(job=replace(plan.job, rollbacks=[*self.job.rollbacks, noted]))


def is_first() -> bool:
    """Whether this process is the first of its run, which writes."""
    return not getattr(rank_zero_only, "rank", 0)


def before(job: Job) -> str:
    """The folder, below the run's, for what the next rollback leaves behind."""
    return f"before-{len(job.rollbacks) + 1}"


def command_of(job: Job) -> list[str]:
    """The overrides with which the run was begun, before any rollback."""
    return list(job.rollbacks[0]["command"]) if job.rollbacks else job.overrides


def replaced(arguments: Iterable[str], given: Iterable[str]) -> list[str]:
    """The arguments, those given in the place of those of equal keys."""
    given = list(given)
    keys = {key_of(one) for one in given}
    return [*(one for one in arguments if one.startswith("-") or key_of(one) not in keys), *given]


def composed(job: Job, added: list[str]) -> tuple[DictConfig, dict[str, Any], Job]:
    """The configuration and the job of a run with these overrides besides. UserError where they do not fit."""
    overrides = replaced(job.overrides, added)
    cfg, choices = compose(overrides)
    if choices.get("metrics") == "auto":
        choices["metrics"] = job.choices["metrics"]
        overrides = replaced(overrides, [f"metrics={job.choices['metrics']}"])
        cfg, choices = compose(overrides)
    run_dir = None if job.folder else cfg.run_dir
    made = replace(job, overrides=overrides, choices=choices, run_dir=run_dir)
    return cfg, check_run(cfg, made), made


def keep(folder: Path, name: str) -> None:
    """Copy what the run leaves behind into the folder of that name below its own, over what a cut off attempt left there."""
    kept = folder / name
    for file in ("config.yaml", "metrics.csv", "status.json"):
        if (folder / file).is_file():
            atomic_write(kept / file, (folder / file).read_bytes())
    best = kept / "checkpoints" / "best.ckpt"
    best.parent.mkdir(parents=True, exist_ok=True)
    with contextlib.suppress(FileNotFoundError):
        best.unlink()
    try:
        os.link(folder / "checkpoints" / "best.ckpt", best)
    except OSError:  # a file system without links
        with open(folder / "checkpoints" / "best.ckpt", "rb") as source:
            atomic_write(best, lambda file: shutil.copyfileobj(source, file))


def move_last(folder: Path, noted: Mapping[str, Any]) -> None:
    """Move last.ckpt to what was left behind, unless that has happened."""
    last, there = folder / "checkpoints" / "last.ckpt", folder / str(noted["before"]) / "checkpoints" / "last.ckpt"
    if last.is_file() and not there.exists():
        os.replace(last, there)


def as_rolled_back(cfg: DictConfig, config: dict[str, Any], job: Job) -> tuple[DictConfig, dict[str, Any], Job]:
    """The run as its rollbacks have left it, where it goes on (resume=auto) and its folder notes some; else as it is."""
    if cfg.resume != "auto" or launch_info():  # a started process is given all that its first one knows
        return cfg, config, job
    path = job.folder or (Path(job.run_dir).expanduser() if job.run_dir is not None else latest(cfg, job))
    rollbacks = noted_rollbacks(path) if path is not None else []
    if path is None or not rollbacks:
        return cfg, config, job
    if is_first() and not config["dry_run"] and not is_held(path):
        move_last(path, rollbacks[-1])
    added: list[str] = []
    for one in rollbacks:
        added = replaced(added, one["overrides"])
    return continued(*composed(replace(job, rollbacks=rollbacks), [*added, "resume=auto"]))


def noted_rollbacks(path: Path) -> list[dict[str, Any]]:
    """The rollbacks in the status of a run folder. It may come from a stranger: remedies alone count, and its own folders.

    Raises:
        UserError: they are none that a rollback writes.
    """
    found = read_status(path).get("rollbacks") or []
    for number, one in enumerate(found if isinstance(found, list) else [None], start=1):
        one = one if isinstance(one, dict) else {}
        given, lists = one.get("overrides"), isinstance(one.get("command"), list)
        given = given if isinstance(given, list) else [None]
        right = lists and all(isinstance(text, str) and CHANGED.fullmatch(text.partition("=")[0]) for text in given)
        if not right or one.get("before") != f"before-{number}":
            raise UserError(f"{path / 'status.json'}: its rollbacks cannot be read, so the run cannot go on")
        place = {"fork_from": path / f"before-{number}" / "checkpoints" / "best.ckpt", "run_dir": path}
        own = [text for text in given if key_of(text) not in place]
        had = [key for key in place if key in map(key_of, given)]
        one["overrides"] = [*own, *(shlex.split(override(key, place[key]))[0] for key in had)]  # it may have been moved
    return list(found)


def continued(cfg: DictConfig, config: dict[str, Any], job: Job) -> tuple[DictConfig, dict[str, Any], Job]:
    """The same, once the processes that a data-parallel run starts will be given these overrides."""
    if job.sweep_dir is None:
        sys.argv[1:] = replaced(sys.argv[1:], job.overrides)
    return cfg, config, job
