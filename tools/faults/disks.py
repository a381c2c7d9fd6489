"""Places that are full, read-only or forbidden: one sentence, nothing older lost, and the run goes on once there is room.

The file systems are real ones of a few megabytes (tmpfs), so this part takes root. A run that goes on must equal an unbroken one.
"""

import ctypes
import os
import random
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from small_disks import can_mount, fill, read_only, small_disk, writable

from faults.kills import COMMON, MLP, differences
from faults.processes import Case, Ended, Running, pictures

TRAIN = ("train", *COMMON, *MLP)


@dataclass
class Site:
    """One case's place.

    Args:
        folder: where commands leave their outputs.
        disk: the small file system.
        cache: of data and statistics, filled already; on another file system.
        images: a folder of pictures.
        whole: an unbroken run of `TRAIN`.
        problems: what went wrong so far.
    """

    folder: Path
    disk: Path
    cache: Path
    images: Path
    whole: Path
    problems: list[str] = field(default_factory=list)
    commands: list[str] = field(default_factory=list)

    def call(self, *arguments: str, before: Callable[[], None] | None = None) -> Ended:
        """Give a command; its process may lay a fault before."""
        running = Running(self.folder / str(len(self.commands)), arguments, before)
        self.commands.append(running.command)
        return running.wait()

    def refused(self, *arguments: str, before: Callable[[], None] | None = None, words: str = "") -> None:
        """The command must end with exit code 1 and a sentence that has these words."""
        ended = self.call(*arguments, before=before)
        self.problems += [f"refusal: {text}" for text in ended.problems(1, sentence=True)]
        if words not in ended.err:
            self.problems.append(f"{words!r} is not in: {ended.last()}")

    def done(self, *arguments: str, before: Callable[[], None] | None = None, words: str = "") -> None:
        """The command must end well, with these words."""
        ended = self.call(*arguments, before=before)
        self.problems += [f"once there is room: {text}" for text in ended.problems(0)]
        if words not in ended.out + ended.err:
            self.problems.append(f"{words!r} is not in: {ended.last()}")

    def train(self, *more: str) -> tuple[str, ...]:
        """The arguments of the run on the small disk."""
        return (*TRAIN, f"cache_dir={self.cache}", f"run_dir={self.disk / 'run'}", *more)


FULL = "the disk is full"


def full_at_once(site: Site, *, words: str = FULL) -> None:
    """The run folder cannot take its first file."""
    filler = fill(site.disk)
    site.refused(*site.train(), words=words)
    filler.unlink()
    site.done(*site.train())
    site.problems += differences(site.whole, site.disk / "run")


def full_at(site: Site, module: str, owner: str, method: str, number: int) -> None:
    """The disk is full from the so-manieth call of a method on."""
    lay = partial(fill_at, site.disk, module, owner, method, number)
    site.refused(*site.train(), before=lay, words=FULL)
    (site.disk / "filler").unlink(missing_ok=True)
    site.done(*site.train("resume=auto"))
    site.problems += differences(site.whole, site.disk / "run")


def read_only_folder(site: Site) -> None:
    """The file system of a run that goes on has become read-only."""
    site.done(*site.train("kimg=0.16"))
    read_only(site.disk)
    site.refused(*site.train("resume=auto"), words="read-only")
    writable(site.disk)
    site.done(*site.train("resume=auto"))
    site.problems += differences(site.whole, site.disk / "run", finished_once=True)


def forbidden(site: Site) -> None:
    """A folder in which this user may not write."""
    os.chmod(site.disk, 0o555)
    site.refused(*site.train(), before=give_up_privileges, words="permission is denied")
    os.chmod(site.disk, 0o755)
    site.done(*site.train())
    site.problems += differences(site.whole, site.disk / "run")


def full_cache(site: Site) -> None:
    """The statistics of the reals find no room."""
    filler = fill(site.disk)
    run = site.folder / "run"
    own = (*TRAIN, f"cache_dir={site.disk}", f"run_dir={run}")
    site.refused(*own, words=FULL)
    filler.unlink()
    site.done(*own, "resume=auto")
    site.problems += differences(site.whole, run)


def full_prepare(site: Site, command: str) -> None:
    """A set of images finds no room in the cache, when it is prepared ahead or at a run's start."""
    filler = fill(site.disk)
    data = ("data=folder", f"data.root={site.images}", "data.resolution=32", f"cache_dir={site.disk}")
    run = (
        *MLP[:3],
        "metrics=none",
        "kimg=0.032",
        "batch_size=16",
        "logger=none",
        "trainer=cpu",
        f"run_dir={site.folder / 'run'}",
    )
    arguments = (command, *data, *(run if command == "train" else ()))
    site.refused(*arguments, words=FULL)
    filler.unlink()
    site.done(*arguments)


def full_sweep(site: Site) -> None:
    """The records of a sweep's jobs find no room: each job is named, and the sweep has failed."""
    sweep = ("train", "-m", *COMMON, *MLP, "kimg=0.064", "seed=1,2", f"cache_dir={site.cache}")
    place = f"hydra.sweep.dir={site.disk / 'sweep'}"
    ended = site.call(*sweep, place, before=partial(fill_at, site.disk, *RECORDS, 1))
    site.problems += ended.problems(1)
    if "2 of 2 jobs failed" not in ended.err or FULL not in ended.err:
        site.problems.append(f"no report of the jobs: {ended.err[-300:]}")
    (site.disk / "filler").unlink(missing_ok=True)
    site.done(*sweep, place)


RECORDS = ("seesaw.sweeps.multirun", "SweepCallback", "on_job_start")


def full_study(site: Site) -> None:
    """A search finds no room at its start, and after its first trial: it ends, and goes on to all of its trials."""
    short = ("kimg=0.064", "evaluate_kimg=0.032", "batch_size=16")
    search = ("search", "learning_rates", *COMMON[:4], *MLP, *short, "--trials", "3")
    place = (f"cache_dir={site.cache}", "--out", str(site.disk / "search"))
    filler = fill(site.disk)
    site.refused(*search, *place, words=FULL)
    filler.unlink()
    lay = partial(fill_at, site.disk, "seesaw.training.loggers.csv_log", "CSVLog", "finish", 1)
    site.refused(*search, *place, before=lay, words=FULL)
    (site.disk / "filler").unlink(missing_ok=True)
    site.done(*search, *place, words="search: 3 finished")


def full_compare(site: Site, out: bool) -> None:
    """compare.html finds no room."""
    shutil.copytree(site.whole, site.disk / "a" / "run")
    filler = fill(site.disk)
    arguments = ("compare", str(site.disk / "a"), *(("--out", str(site.disk / "page")) if out else ()))
    site.refused(*arguments, words=FULL)
    filler.unlink()
    site.done(*arguments, words="compare.html")


def full_evaluation(site: Site, lock: bool) -> None:
    """evaluations.jsonl finds no room, or is on a read-only disk: the values are printed, with a notice."""
    shutil.copytree(site.whole, site.disk / "run")
    read_only(site.disk) if lock else fill(site.disk)
    site.done("evaluate", str(site.disk / "run"), f"cache_dir={site.cache}", words="the values are only printed")


def full_sample(site: Site) -> None:
    """The picture of `seesaw sample` finds no room."""
    fill(site.disk)
    site.refused("sample", str(site.whole), "--out", str(site.disk / "a.png"), words=FULL)


def full_stylize(site: Site) -> None:
    """The picture of `seesaw stylize` finds no room."""
    fill(site.disk)
    photographs = (str(site.images / "0.png"), str(site.images / "1.png"))
    run = ("--size", "64", "--iterations", "2", "trainer=cpu", "model.scales=1", f"run_dir={site.folder / 'style'}")
    site.refused("stylize", *photographs, "--out", str(site.disk / "a.jpg"), *run, words=FULL)


EVALUATE, CHECKPOINT = "seesaw.training.callbacks.evaluate", "seesaw.training.callbacks.checkpoint"
PLACES: dict[str, Callable[[Site], None]] = {
    "run folder, from the start": full_at_once,
    "metrics.csv": partial(full_at, module="seesaw.training.loggers.csv_log", owner="CSVLog", method="log_metrics", number=3),
    "last.ckpt, the first": partial(full_at, module=CHECKPOINT, owner="Checkpoints", method="save_last", number=1),
    "last.ckpt, a later one": partial(full_at, module=CHECKPOINT, owner="Checkpoints", method="save_last", number=3),
    "best.ckpt": partial(full_at, module=EVALUATE, owner="Evaluate", method="evaluate", number=1),
    "samples": partial(full_at, module="seesaw.training.callbacks.samples", owner="Samples", method="draw", number=2),
    "status.json": partial(full_at, module="seesaw.training.run_folder", owner="Status", method="update", number=3),
    "run folder, read-only": read_only_folder,
    "run folder, no permission": forbidden,
    "cache: statistics": full_cache,
    "cache: seesaw prepare": partial(full_prepare, command="prepare"),
    "cache: images at a run's start": partial(full_prepare, command="train"),
    "sweep: records of jobs": full_sweep,
    "search: study.log": full_study,
    "compare.html": partial(full_compare, out=False),
    "compare --out": partial(full_compare, out=True),
    "evaluations.jsonl, full": partial(full_evaluation, lock=False),
    "evaluations.jsonl, read-only": partial(full_evaluation, lock=True),
    "sample --out": full_sample,
    "stylize --out": full_stylize,
}  # fmt: skip


def cases(scratch: Path, count: int, draw: random.Random) -> Iterator[Case]:
    """So many places in order, again from the first where there are more."""
    if not can_mount():
        yield Case("all", ("this part needs root, for file systems of a few megabytes",), "", {})
        return
    images, cache, whole = pictures(scratch / "images"), scratch / "cache", scratch / "whole"
    site = Site(scratch / "of whole", scratch, cache, images, whole)
    site.done(*TRAIN, f"cache_dir={cache}", f"run_dir={whole}")
    if site.problems:
        yield Case("the unbroken run", tuple(site.problems), site.commands[0], {})
        return
    names = list(PLACES)
    for number in range(count):
        name = names[number % len(names)]
        with small_disk(scratch / f"disk{number}", 4096) as disk:
            site = Site(scratch / str(number), disk, cache, images, whole)
            PLACES[name](site)
        yield Case(name, tuple(site.problems), "; ".join(site.commands), {"places": 1})


def fill_at(disk: Path, module: str, owner: str, method: str, number: int) -> None:
    """In this process: the disk is full before the so-manieth call of a method."""
    call_at(lambda: fill(disk), module, owner, method, number)


def call_at(fault: Callable[[], Any], module: str, owner: str, method: str, number: int) -> None:
    """In this process: lay the fault before the so-manieth call of a method."""
    import importlib

    found = getattr(importlib.import_module(module), owner)
    inner, seen = getattr(found, method), [0]

    def called(*args: Any, **kwargs: Any) -> Any:
        seen[0] += 1
        if seen[0] == number:
            fault()
        return inner(*args, **kwargs)

    setattr(found, method, called)


def give_up_privileges() -> None:
    """In this process: root obeys permissions like any other user (capset(2), all capabilities dropped)."""
    version, nothing = 0x20080522, (ctypes.c_uint32 * 6)()
    if ctypes.CDLL(None, use_errno=True).capset((ctypes.c_uint32 * 2)(version, 0), nothing) != 0:
        raise OSError(ctypes.get_errno(), "capset")
