"""Trackers that fail while a run trains: it ends well and in time, with every row and one line about the tracker."""

import contextlib
import os
import random
import shlex
import socket
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from small_disks import can_mount, small_disk
from tracked_runs import SHORT, Ended
from wandb_server import FAULTS, serving

from faults.processes import Case


def local(folder: Path, when: str, fault: str, *more: str) -> Ended:
    """A run without a server."""
    return Ended(folder, when, fault, *SHORT, *more)


def on_small_disk(folder: Path, when: str, fault: str) -> Ended:
    """A run with a file system of 400 kB for W&B's part."""
    with small_disk(folder / "run" / "wandb", 400):
        return local(folder, when, fault)


def served(folder: Path, when: str, fault: str) -> Ended:
    """A run with a server that gets the fault at that moment, or has it from the start."""
    with serving() as server:
        if when == "start":
            server.fault = fault
            return Ended(folder, "end", "none", *SHORT, url=server.url)
        return Ended(folder, when, f"{server.url}/fault/{fault}", *SHORT, url=server.url)


def unreachable(folder: Path) -> Ended:
    """A run whose server does not listen."""
    with contextlib.closing(socket.socket()) as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
    return Ended(folder, "end", "none", *SHORT, url=url)


def mlflow_unreachable(folder: Path) -> Ended:
    """A run whose MLflow server does not listen."""
    with contextlib.closing(socket.socket()) as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
    before = os.environ.get("MLFLOW_TRACKING_URI")
    os.environ["MLFLOW_TRACKING_URI"] = url
    try:
        return Ended(folder, "end", "none", "logger=mlflow")
    finally:
        os.environ.pop("MLFLOW_TRACKING_URI")
        if before is not None:
            os.environ["MLFLOW_TRACKING_URI"] = before


TENSORBOARD = "logger=tensorboard"
FAILED, OFFLINE, QUIET = "failed (", "this run is kept offline", ""
"""What the one line on standard error says; the last: a server that fails in mid-run may be found out at the end only."""

MOMENTS = ("first", "middle", "end")
LAID = {
    **{f"W&B's process is killed: {when}": (partial(local, when=when, fault="KILL"), FAILED) for when in MOMENTS},
    **{f"W&B's process is stopped: {when}": (partial(local, when=when, fault="STOP"), FAILED) for when in MOMENTS},
    "W&B's disk is full: first": (partial(on_small_disk, when="first", fault="fill"), FAILED),
    "W&B's disk is full: middle": (partial(on_small_disk, when="middle", fault="fill"), FAILED),
    "TensorBoard's disk is full: first": (lambda folder: local(folder, "first", "disk", TENSORBOARD), FAILED),
    "TensorBoard's disk is full: middle": (lambda folder: local(folder, "middle", "disk", TENSORBOARD), FAILED),
    "the tracker raises": (partial(local, when="middle", fault="raises"), FAILED),
    "the tracker exits": (partial(local, when="first", fault="exits"), FAILED),
    **{f"the server in mid-run: {fault}": (partial(served, when="middle", fault=fault), QUIET) for fault in FAULTS},
    **{f"the server at the start: {fault}": (partial(served, when="start", fault=fault), OFFLINE) for fault in FAULTS},
    "nobody listens": (unreachable, OFFLINE),
    "nobody listens for MLflow": (mlflow_unreachable, FAILED),
}  # fmt: skip
"""Fault -> what gives a run with it, and what its line says."""


def cases(scratch: Path, count: int, draw: random.Random) -> Iterator[Case]:
    """So many faults, in an order drawn anew; all of them come before one comes again."""
    names = [name for name in LAID if can_mount() or "W&B's disk" not in name]
    order = [name for _ in range(0, count, len(names)) for name in draw.sample(names, len(names))]
    for number, name in enumerate(order[:count]):
        folder = scratch / str(number)
        folder.mkdir()
        lay, words = LAID[name]
        run = lay(folder)
        problems, lines = run.problems(), run.err.splitlines()
        if len(lines) > 1 or not all(words in line for line in lines) or (words != QUIET and not lines):
            problems.append(f"standard error: {lines}")
        command = shlex.join(["python", "tests/support/faulty_run.py", *run.arguments])
        yield Case(name, tuple(problems), command, {"faults": 1})
