"""Processes of this machine by number and start, so that a number that the system gives out again is not mistaken."""

import contextlib
import os
import signal
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from seesaw.util import is_alive

SECONDS = 0.5
"""Between two looks at a watched process."""


def _stat(pid: int) -> tuple[str, str] | None:
    """State and start of a process by Linux's /proc/<pid>/stat; None where there is no such file."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
    except OSError:
        return None
    return fields[0], fields[19]


def lives(pid: int) -> bool:
    """Whether a process of this machine has the number and has not ended. On systems without /proc one that has ended counts
    as living until its parent has taken notice."""
    stat = _stat(pid)
    return is_alive(pid) if stat is None else stat[0] not in "ZX"


def children() -> list[int]:
    """The processes that this one has started and that have not ended; empty on systems without /proc."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            state, parent = (
                (folder / "stat").read_text(errors="replace", encoding="utf-8").rpartition(")")[2].split()[:2]
            )
            if int(parent) == os.getpid() and state not in "ZX":
                found.append(int(folder.name))
    return found


@dataclass(frozen=True)
class Process:
    """A process of this machine.

    Args:
        pid: its number.
        start: when it began, in the system's own units; empty where the system does not give it.
    """

    pid: int
    start: str

    @classmethod
    def this(cls) -> "Process":
        """The process that calls."""
        stat = _stat(os.getpid())
        return cls(os.getpid(), "" if stat is None else stat[1])

    def lives(self) -> bool:
        """Whether it has not ended."""
        stat = _stat(self.pid)
        return lives(self.pid) and (stat is None or stat[1] == self.start)


_watched = set[Process]()


def end_with(other: Process) -> None:
    """From now on, send this process a SIGTERM when the other one has ended, however it ended. By a thread: Linux's
    PR_SET_PDEATHSIG sends it already when the *thread* that started a process ends, and knows no grandparents."""
    if other in _watched:
        return
    _watched.add(other)
    threading.Thread(target=_watch, args=(other,), daemon=True).start()


def _watch(other: Process) -> None:
    while other.lives():
        time.sleep(SECONDS)
    os.kill(os.getpid(), signal.SIGTERM)
