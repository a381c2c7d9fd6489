"""Runs of every family that are killed and go on: the end must be the unbroken run's, bit for bit."""

import csv
import os
import random
import re
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import torch

from faults.processes import Case, Ended, Running, pictures
from seesaw.config.options import config_dir, groups
from seesaw.training.run_folder import read_status

COMMON = (
    "precision=exact", "threads=1", "trainer=cpu", "logger=none", "kimg=0.4", "log_kimg=0.032", "sample_kimg=0.128",
    "checkpoint_kimg=0.064",
)  # fmt: skip
GAN = ("evaluate_kimg=0.144", "batch_size=16")
MEASURED = (*GAN, "metrics.n=64")
MLP = ("model=mlp", "model.G.widths=[8]", "model.D.widths=[8]", "data.resolution=8", *MEASURED)
DCGAN = ("model=dcgan_small", "model.G.width=4", "model.D.width=4", "data.resolution=16", *MEASURED)
NARROW = (
    *(f"model.{net}.{size}" for net in "GD" for size in ("max_width=8", "base=64")),
    "data.resolution=16",
    *MEASURED,
)
FAMILIES: dict[str, tuple[str, ...]] = {
    "mlp": MLP,
    "mlp_points": ("model=mlp_points", "data=gaussians_ring", *MEASURED),
    "dcgan_small": DCGAN,
    "dcgan, folder": ("model=dcgan", *DCGAN[1:4], "data=folder", "data.root=IMAGES", "metrics=none", *GAN),
    "progan_small": ("model=progan_small", *NARROW, "model.growth.fade=96", "model.growth.stabilise=64"),
    "msggan_small": ("model=msggan_small", *NARROW),
    "stylegan2_small": ("model=stylegan2_small", *NARROW),
    "style_transfer": ("model=style_transfer", "data.content=IMAGES/0.png", "data.style=IMAGES/1.png", "data.size=64",
                       "model.scales=2", "kimg=0.02", "log_kimg=0.002", "checkpoint_kimg=0.003", "sample_kimg=0.005"),
}  # fmt: skip
"""Overrides of a small run of each family; IMAGES is a folder of pictures."""

TIMED = re.compile(r"train/(images|iterations)_per_sec")
TRAINED = ("state_dict.G", "state_dict.D", "optimizer")
WITH_SPEED = "meter.statistics._extra_state"
KINDS = ("time", "set-up", "half", "renamed", "evaluation", "torn row")
FILES = (r"last\.ckpt", r"best\.ckpt", r".*\.png", r"status\.json", r"metrics\.csv", r"config\.yaml")


def variants() -> dict[str, tuple[str, ...]]:
    """Every family, then every balance and every augmentation on the family that is fastest."""
    found = dict(FAMILIES)
    for group in ("balance", "augment", "penalty"):
        for option in groups(config_dir()).get(group, []):
            if option not in ("none", "path_length"):  # the latter needs a G that takes w
                found[f"{group}={option}"] = (*(DCGAN if group == "augment" else MLP), f"{group}={option}")
    found["balance=[ttur,skip_d]"] = (*DCGAN, "balance=[ttur,skip_d]")
    return found


def cases(scratch: Path, count: int, draw: random.Random) -> Iterator[Case]:
    """Run folders of every variant in turn, until so many kills by SIGKILL were counted."""
    kills, names = Kills(scratch, pictures(scratch / "images"), draw), list(variants())
    done = number = 0
    while done < count:
        case = kills.run(names[number % len(names)], number)
        done, number = done + case.counts.get("SIGKILL", 0), number + 1
        yield case
        if number >= 3 * count:
            return


class Kills:
    """Kills runs of each variant in turn: twice by SIGKILL and once by a signal that can be caught, each time another."""

    def __init__(self, scratch: Path, images: Path, draw: random.Random) -> None:
        self.scratch, self.images, self.draw = scratch, images, draw
        self.whole: dict[str, float] = {}  # variant -> seconds of the unbroken run

    def run(self, variant: str, number: int) -> Case:
        """One run folder."""
        overrides = [text.replace("IMAGES", str(self.images)) for text in (*COMMON, *variants()[variant])]
        problems = [] if variant in self.whole else self._unbroken(variant, overrides)
        if problems:
            return Case(f"{variant}: unbroken", tuple(problems), " ".join(["seesaw", "train", *overrides]), {})
        folder = self.scratch / f"kill{number}"
        moments, counts = list[str](), {"runs": 1, "SIGKILL": 0, "SIGTERM, SIGHUP, SIGINT": 0}
        caught = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)[number % 3]
        for attempt, sent in enumerate((signal.SIGKILL, signal.SIGKILL, caught)):
            moment, ended = self._strike(folder, attempt, overrides, self.whole[variant], sent)
            hit = ended.code == -signal.SIGKILL if sent == signal.SIGKILL else ended.code != 0
            counts["SIGKILL" if sent == signal.SIGKILL else "SIGTERM, SIGHUP, SIGINT"] += hit
            moments.append(moment if hit else f"{moment} (too late)")
            problems += [f"{moment}: {text}" for text in after(folder / "run", ended, sent)]
        ended = self._start(folder / "last", folder / "run", overrides, None).wait()
        problems += [f"going on: {text}" for text in ended.problems(0)]
        problems += differences(self.scratch / "whole" / _name(variant), folder / "run")
        if not problems:
            shutil.rmtree(folder)
        command = " ".join(["seesaw", "train", *overrides])
        return Case(f"{variant}: {', '.join(moments)}", tuple(problems), command, counts)

    def _unbroken(self, variant: str, overrides: list[str]) -> list[str]:
        run = self.scratch / "whole" / _name(variant)
        for again in (False, True):  # the second one finds the caches, as those that are killed do
            shutil.rmtree(run, ignore_errors=True)
            began = time.monotonic()
            ended = self._start(self.scratch / "of whole" / f"{_name(variant)}{again}", run, overrides, None).wait()
            if found := ended.problems(0):
                return found
        self.whole[variant] = time.monotonic() - began
        return []

    def _strike(
        self, folder: Path, attempt: int, overrides: list[str], seconds: float, sent: signal.Signals
    ) -> tuple[str, Ended]:
        """Start or go on, and send the signal; the moment, and how it ended."""
        kind = self.draw.choice(KINDS) if sent == signal.SIGKILL else self.draw.choice(("time", "set-up"))
        share = self.draw.random() * (0.25 if kind == "set-up" else 0.9)
        before, moment = self._fault(kind)
        running = self._start(folder / str(attempt), folder / "run", overrides, before)
        if before is None:
            moment = f"{sent.name} at {100 * share:.0f} %"
            time.sleep(share * seconds)
            running.send(sent)
        return moment, running.wait()

    def _fault(self, kind: str) -> tuple[Callable[[], None] | None, str]:
        if kind in ("half", "renamed"):
            name, time_ = self.draw.choice(FILES), self.draw.randint(1, 3)
            return partial(
                kill_at_rename, name, time_, kind == "renamed"
            ), f"{kind} {name.replace(chr(92), '')} #{time_}"
        if kind == "evaluation":
            return partial(kill_in, "seesaw.training.callbacks.evaluate", "Evaluate", "measure", 1), "in an evaluation"
        if kind == "torn row":
            row = self.draw.randint(2, 5)
            return partial(tear_row, row), f"in row {row} of metrics.csv"
        return None, kind

    def _start(self, folder: Path, run: Path, overrides: list[str], before: Callable[[], None] | None) -> Running:
        alone = read_status(run).get("overrides") is not None and self.draw.random() < 0.5
        own = [f"resume={run}"] if alone else [*overrides, "resume=auto", f"run_dir={run}"]
        own += [f"cache_dir={self.scratch / 'cache'}"]
        return Running(folder, ["train", *own], before)


def after(run: Path, ended: Ended, sent: signal.Signals) -> list[str]:
    """What is wrong after a signal: a caught one leaves its exit code, no trace, and a status that is not running."""
    if ended.code == 0:  # it came too late
        return ended.problems(0)
    if sent == signal.SIGKILL:
        return ended.problems(-sent)
    found = ended.problems(128 + sent, -sent)  # the second: before the command has taken over the signals
    status = read_status(run)
    if status.get("pid") == ended.pid and status["state"] == "running":
        found.append("the status is running")
    return found


def _name(variant: str) -> str:
    return re.sub(r"\W+", "-", variant)


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def kill_at_rename(pattern: str, number: int, after: bool) -> None:
    """In this process: die at the so-manieth rename of a file of the run, when it is half written or just renamed."""
    replace, seen = os.replace, [0]

    def replaced(source: Any, target: Any) -> None:
        hit = re.fullmatch(pattern, Path(target).name) is not None
        seen[0] += hit
        if hit and seen[0] == number and not after:
            os.truncate(source, os.path.getsize(source) // 2)
            die()
        replace(source, target)
        if hit and seen[0] == number:
            die()

    os.replace = replaced  # type: ignore[assignment]


def kill_in(module: str, owner: str, method: str, number: int) -> None:
    """In this process: die at the so-manieth call of a method."""
    import importlib

    found = getattr(importlib.import_module(module), owner)
    inner, seen = getattr(found, method), [0]

    def called(*args: Any, **kwargs: Any) -> Any:
        result = inner(*args, **kwargs)
        seen[0] += 1
        if seen[0] == number:
            die()
        return result

    setattr(found, method, called)


def tear_row(number: int) -> None:
    """In this process: die when half of a row has reached metrics.csv."""
    from seesaw.training.loggers.csv_log import CSVLog

    inner, seen = CSVLog.log_metrics, [0]

    def torn(self: CSVLog, *args: Any, **kwargs: Any) -> None:
        inner(self, *args, **kwargs)
        seen[0] += 1
        if seen[0] == number:
            os.truncate(self.path, os.path.getsize(self.path) - 12)
            die()

    CSVLog.log_metrics = torn  # type: ignore[method-assign]


def differences(whole: Path, run: Path, finished_once: bool = False) -> list[str]:
    """In what a run that was killed and went on differs from the unbroken one.

    Args:
        whole: the folder of the unbroken run.
        run: the folder of the other.
        finished_once: whether it finished earlier at a smaller kimg, and so has one evaluation more and a window cut short.
    """
    found = []
    for name in ("last", "best"):
        one, other = (folder / "checkpoints" / f"{name}.ckpt" for folder in (whole, run))
        if one.exists() != other.exists():
            found.append(f"only one has {name}.ckpt")
        elif one.exists():
            found += [f"{name}.ckpt: {key} differs" for key in _differing(_content(one), _content(other))]
    if finished_once:
        return [text for text in found if text.startswith(tuple(f"last.ckpt: .{part}" for part in TRAINED))]
    if rows(whole) != rows(run):
        found.append(f"metrics.csv differs: {_first_difference(rows(whole), rows(run))}")
    one, other = (
        {p.relative_to(f): p.read_bytes() for p in f.rglob("*.png") if p.name != "curves.png"} for f in (whole, run)
    )
    found += [
        f"{name} differs" for name in sorted(one) if one[name] != other.get(name)
    ]  # an interrupted run draws one more
    found += [f"{path.name} was left" for path in run.rglob(".*.tmp*")]
    kept = ("state", "images_shown", "exit_code")
    one, other = (
        {k: v for k, v in read_status(f).items() if k in kept or k[:5] in ("best/", "last/")} for f in (whole, run)
    )
    return found + ([f"status.json: {other}, not {one}"] if one != other else [])


def rows(run: Path) -> list[dict[str, str]]:
    """The rows of metrics.csv without the speed."""
    path = run / "metrics.csv"
    if not path.exists():
        return []
    with open(path, encoding="utf-8", newline="") as file:
        return [{k: v for k, v in row.items() if not TIMED.fullmatch(k)} for row in csv.DictReader(file)]


def _first_difference(one: list[dict[str, str]], other: list[dict[str, str]]) -> str:
    for left, right in zip(one, other, strict=False):
        if left != right:
            names = [name for name in left.keys() | right.keys() if left.get(name) != right.get(name)]
            return f"at {left.get('images')} {sorted(names)[:3]}"
    return f"{len(one)} rows against {len(other)}"


def _content(path: Path) -> dict[str, Any]:
    content = torch.load(path, weights_only=True)
    content["state_dict"] = {k: v for k, v in content["state_dict"].items() if k != WITH_SPEED}
    return {key: content.get(key) for key in ("state_dict", "optimizer_states", "progress", "callbacks", "data")}


def _differing(one: Any, other: Any, path: str = "") -> list[str]:
    if isinstance(one, torch.Tensor) and isinstance(other, torch.Tensor):
        return [] if torch.equal(one, other) else [path]
    if isinstance(one, dict) and isinstance(other, dict):
        keys = [*one, *(key for key in other if key not in one)]
        return [found for key in keys for found in _differing(one.get(key), other.get(key), f"{path}.{key}")]
    if isinstance(one, list | tuple) and isinstance(other, list | tuple) and len(one) == len(other):
        return [
            found for k, pair in enumerate(zip(one, other, strict=True)) for found in _differing(*pair, f"{path}.{k}")
        ]
    return [] if type(one) is type(other) and (one == other or one != one) else [path]
