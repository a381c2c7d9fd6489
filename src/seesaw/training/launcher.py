"""The processes of a data-parallel run on this host: how they start, what they inherit, and what happens when one dies."""

import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch.distributed as dist
from pytorch_lightning.strategies.launchers.subprocess_script import _SubprocessScriptLauncher

from seesaw.errors import Notice, UserError
from seesaw.training.error_messages import error_message
from seesaw.training.run_folder import RunFolder
from seesaw.training.signals import SIGNALS

PROGRAM = "import sys; from seesaw.cli.train import main; sys.exit(main(sys.argv[1:]))"
LAUNCH_INFO = "SEESAW_LAUNCHED"
"""The environment variable in which a started process finds what the first one decided, as JSON."""
LAUNCH = ("LOCAL_RANK", "NODE_RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")
GRACE_SECONDS = 20.0
"""Seconds in which a run may end by itself after one of its processes has died; then it is ended."""
EXPECTED_EXIT_CODES = (0, *(128 + number for number in SIGNALS))


def launch_info() -> dict[str, Any]:
    """What the process that started this one decided: `folder`, `checkpoint`, `forks`, `metrics`, `parent`, `error_file`; empty
    where none did."""
    return dict(json.loads(os.environ.get(LAUNCH_INFO, "{}")))


def inherited_folder() -> RunFolder | None:
    """The run folder that the process that started this one decided on; None where none did."""
    info = launch_info()
    if not info:
        return None
    checkpoint = None if info["checkpoint"] is None else Path(info["checkpoint"])
    return RunFolder(Path(info["folder"]), checkpoint, forks=bool(info.get("forks")))


def inherited_metrics() -> str | None:
    """The option of the group `metrics` that the process that started this one chose; None where none did."""
    chosen: str | None = launch_info().get("metrics")
    return chosen


def lost_connection(error: BaseException) -> bool:
    """Whether the error of a collective operation means that another process went away."""
    if isinstance(error, dist.DistError):
        return True
    return isinstance(error, RuntimeError) and any(w in str(error).lower() for w in ("gloo", "nccl", "connection"))


@contextmanager
def report_child_error() -> Iterator[None]:
    """In a started process, hand what ended it to the first one, which prints it, so that each mistake is printed once."""
    started = launch_info()
    if not started:
        yield
        return
    warnings.simplefilter("ignore", Notice)
    threading.Thread(target=_end_with_parent, args=(started["parent"],), daemon=True).start()
    try:
        yield
    except Exception as error:
        message = "" if lost_connection(error) else error_message(error, sys.argv[1:])
        Path(started["error_file"]).write_text(message, encoding="utf-8")
        if not message:  # time to see whether it was the first process
            time.sleep(2)
        raise SystemExit(1) from None


def _end_with_parent(parent: int) -> None:
    """End this process when the first one has ended: nobody else would, and it may hang in a reduction."""
    while os.getppid() == parent:
        time.sleep(0.5)
    rank = os.environ["LOCAL_RANK"]
    print(f"seesaw: rank 0 (process {parent}) has ended, so rank {rank} ends too", file=sys.stderr, flush=True)
    os._exit(1)


class Launcher(_SubprocessScriptLauncher):
    """Starts the other processes of this host, unless torchrun, SLURM or the like has, and looks after them.

    Lightning's own would run `sys.argv` again (in a sweep: the whole sweep) and, when a process dies, kill the first one
    without a message. Here each process gets the arguments of one run, and the death of one gives a sentence that names its rank.
    """

    def __init__(
        self, cluster_environment: Any, num_processes: int, num_nodes: int, arguments: list[str],
        decided: dict[str, Any], on_lost: Callable[[str], None],
    ) -> None:  # fmt: skip
        super().__init__(cluster_environment, num_processes, num_nodes)
        self.arguments, self.decided, self.on_lost = arguments, decided, on_lost
        self.first_rank, self.ended = 0, threading.Event()

    def launch(self, function: Callable[..., Any], *args: Any, trainer: Any = None, **kwargs: Any) -> Any:
        self.cluster_environment.validate_settings(num_devices=self.num_processes, num_nodes=self.num_nodes)
        if self.cluster_environment.creates_processes_externally:
            return self._joined(function, *args, **kwargs)
        before = {name: os.environ.get(name) for name in LAUNCH}
        self.error_folder = Path(tempfile.mkdtemp(prefix="seesaw-ranks-"))
        good = False
        try:
            self._call_children_scripts()
            threading.Thread(target=self._watch, daemon=True).start()
            result = function(*args, **kwargs)
            good = True
            return result
        except Exception as error:
            reason = None if isinstance(error, UserError) else self._lost(seconds=5) or self._left_alone(error)
            if reason is None:
                raise
            raise UserError(reason) from error
        finally:
            self.ended.set()
            self._end(seconds=60 if good else 3)
            for name, value in before.items():  # a sweep's next job begins anew
                os.environ.pop(name, None) if value is None else os.environ.update({name: value})

    def _joined(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        try:
            return function(*args, **kwargs)
        except Exception as error:
            reason = None if launch_info() else self._left_alone(error)
            if reason is None:
                raise
            raise UserError(reason) from error

    def _left_alone(self, error: Exception) -> str | None:
        """The sentence where a process that this one has not started went away."""
        rank = self.cluster_environment.global_rank()
        lost = f"rank {rank} lost another process of the run, which has ended; so this one ends"
        return lost if lost_connection(error) else None

    def _call_children_scripts(self) -> None:
        """The name is Lightning's. It starts the processes of this host but the first."""
        env = self.cluster_environment
        first = env.node_rank() * self.num_processes
        self.first_rank = first
        os.environ |= {
            "MASTER_ADDR": env.main_address, "MASTER_PORT": str(env.main_port), "NODE_RANK": str(env.node_rank()),
            "LOCAL_RANK": str(env.local_rank()), "WORLD_SIZE": str(self.num_processes * self.num_nodes),
        }  # fmt: skip
        path = os.pathsep.join(p for p in sys.path if p)  # they import what this one does
        for local in range(1, self.num_processes):
            info = self.decided | {"parent": os.getpid(), "error_file": str(self.error_folder / str(local))}
            more = {"LOCAL_RANK": str(local), "PYTHONPATH": path, LAUNCH_INFO: json.dumps(info)}
            self.procs.append(subprocess.Popen([sys.executable, "-P", "-c", PROGRAM, *self.arguments], env=os.environ | more))

    def _watch(self) -> None:
        """Where the run cannot end by itself, since it hangs in a reduction: end it, with the sentence."""
        while not self.ended.wait(0.5):
            if self._dead() and not self.ended.wait(GRACE_SECONDS):
                reason = self._lost(0) or "a process of the run has died"
                print(f"seesaw: {reason}", file=sys.stderr, flush=True)
                self.on_lost(reason)
                self.kill(signal.SIGKILL)
                os._exit(1)

    def _dead(self) -> list[int]:
        """The local ranks of those that ended and should not have."""
        codes = ((k, proc.poll()) for k, proc in enumerate(self.procs, 1))
        return [k for k, code in codes if code is not None and code not in EXPECTED_EXIT_CODES]

    def _lost(self, seconds: float) -> str | None:
        """Which process has died and how, waiting so long for one to do so; None where all live."""
        end = time.monotonic() + seconds
        while not (dead := self._dead()) and time.monotonic() < end:
            time.sleep(0.1)
        if not dead:
            return None
        errors = {k: self._child_error(k) for k in dead}
        # One that was killed, else one that gave a reason, before those that only lost the others.
        local = min(dead, key=lambda k: (self.procs[k - 1].returncode > 0, not errors[k]))
        proc, rank = self.procs[local - 1], self.first_rank + local
        if errors[local]:
            return f"rank {rank}: {errors[local]}"
        code = proc.returncode
        how = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
        return f"rank {rank} (process {proc.pid}) {how}, so the run ends; go on from its last checkpoint by resume=auto"

    def _child_error(self, local: int) -> str:
        path = self.error_folder / str(local)
        return path.read_text(encoding="utf-8") if path.exists() else ""

    def _end(self, seconds: float) -> None:
        """Wait so long for the started processes, end those that stay, and leave their group."""
        end = time.monotonic() + seconds
        for proc in self.procs:
            try:
                proc.wait(max(end - time.monotonic(), 0.1))
            except subprocess.TimeoutExpired:
                proc.kill()
                proc.wait()
        for path in self.error_folder.glob("*"):
            path.unlink()
        self.error_folder.rmdir()
        if dist.is_initialized():
            dist.destroy_process_group()
