"""How many threads a run on the CPU computes with: the option `threads`.

The threads of OpenMP spin while they wait for each other. Beside one busy program on two cores, two threads therefore train
several times slower than one alone; on two free cores they are about 1.6 times as fast. `threads=auto` takes the cores that are
free when the run starts, and `seesaw.training.callbacks.threads` compares that choice with one thread while the run goes on.
"""

import math
import os
import time
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import torch

from seesaw.util import usable_cpus


@cache
def most_threads() -> int:
    """The threads that this process may use: those torch would take (OMP_NUM_THREADS, joblib's share of the cores), at most
    the cores that the affinity mask and the quota of the control group grant."""
    return max(1, min(torch.get_num_threads(), math.ceil(granted_cores())))


def granted_cores(cgroups: Path = Path("/sys/fs/cgroup"), own: Path = Path("/proc/self/cgroup")) -> float:
    """The cores that the system grants this process: those of its affinity mask, less where a control group has a quota.

    Args:
        cgroups: where control groups of version 2, or of version 1 with the controller `cpu`, are mounted.
        own: the file that names this process's group.
    """
    found = float(len(usable_cpus()))
    try:
        lines = own.read_text(encoding="utf-8").splitlines()
    except OSError:
        return found
    for line in lines:
        _, controllers, name = line.split(":", 2)
        if controllers and "cpu" not in controllers.split(","):
            continue
        root = cgroups / "cpu" if controllers else cgroups
        group = root / name.lstrip("/")
        for folder in (group, *group.parents):  # a group has at most what its parents have
            found = min(found, _quota(folder))
            if folder == root:
                break
    return found


def _quota(folder: Path) -> float:
    """The cores of one control group; infinite without a quota."""
    try:
        if (folder / "cpu.max").is_file():
            quota, period = (folder / "cpu.max").read_text(encoding="utf-8").split()
        else:
            quota, period = (
                (folder / f"cpu.cfs_{name}_us").read_text(encoding="utf-8").strip() for name in ("quota", "period")
            )
        return int(quota) / int(period) if quota not in ("max", "-1") else math.inf
    except (OSError, ValueError, ZeroDivisionError):
        return math.inf


class Load:
    """Measures how many cores other programs use.

    Args:
        stat: the kernel's counters for each core; where there is no such file, other programs count as idle.
    """

    def __init__(self, stat: Path = Path("/proc/stat")) -> None:
        self.stat = stat
        self.others()

    def others(self) -> float:
        """Cores that other programs have used, on average, since the last call; of those in the affinity mask."""
        now, own, busy = time.perf_counter(), time.process_time(), self._busy()
        before = getattr(self, "_before", (now, own, busy))
        self._before = now, own, busy
        seconds = now - before[0]
        if seconds <= 0:
            return 0.0
        return max(0.0, (busy - before[2]) - (own - before[1])) / seconds

    def free(self) -> int:
        """`free_threads` by what other programs have used since the last call."""
        return free_threads(self.others())

    def _busy(self) -> float:
        """Seconds that the cores of the affinity mask have worked since the machine started."""
        try:
            lines = self.stat.read_text(encoding="utf-8").splitlines()
        except OSError:
            return 0.0
        names = {f"cpu{number}" for number in usable_cpus()}
        rows = [line.split() for line in lines if line.split(" ", 1)[0] in names]
        # user, nice, system, idle, iowait, irq, softirq, steal: all but idle and iowait
        return sum(sum(map(int, row[1:9])) - int(row[4]) - int(row[5]) for row in rows) / os.sysconf("SC_CLK_TCK")


def free_threads(others: float) -> int:
    """The threads that find a core of their own while other programs use `others` cores; at least 1."""
    return max(1, min(most_threads(), round(min(granted_cores(), len(usable_cpus()) - others))))


def start_threads(option: int | str, exact: bool, processes: int = 1) -> int:
    """Set the number of torch's threads for a run on the CPU, and return it.

    Args:
        option: of the configuration: a number, or `auto`.
        exact: whether the run must be bit-reproducible. Sums depend on the number of threads, so that `auto` then does not
            depend on what else runs.
        processes: of the run on this host; they share the cores.
    """
    most = most_threads()  # before the number is set for the first time in this process
    if option != "auto":
        threads = int(option)
    elif not may_tune(exact, processes):
        threads = max(1, most // processes)
    else:
        load = Load()
        time.sleep(0.2)
        others = load.others()
        threads = free_threads(others)
        print(f"threads: {threads} ({granted_cores():g} cores, {others:.1f} used by other programs)", flush=True)
    torch.set_num_threads(threads)
    return threads


def may_tune(exact: bool, processes: int) -> bool:
    """Whether the number of threads may change while the run goes on: its last bits may, and it does not wait for others."""
    return not exact and processes == 1 and most_threads() > 1


def on_cpu(trainer: Mapping[str, Any]) -> bool:
    """Whether Lightning will train on the CPU."""
    accelerator = trainer.get("accelerator", "auto")
    return accelerator == "cpu" or (accelerator == "auto" and not torch.accelerator.is_available())
