"""The lock of a run folder: one process writes in it at a time."""

import contextlib
import fcntl
import json
import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from seesaw.errors import UserError

FILE = ".run_lock"
"""In the run folder. The system releases the lock when its holder ends, however it ends; the file stays."""


@contextlib.contextmanager
def held(folder: Path) -> Iterator[None]:
    """Hold the lock of a run folder for the life of a run. The folder is created.

    Raises:
        UserError: another process holds it: which, where, since when.
    """
    folder.mkdir(parents=True, exist_ok=True)
    file = open(folder / FILE, "a+")  # noqa: SIM115  (closed when the run ends)
    try:
        if not _locks(file):
            raise UserError(f"{folder} is in use: {_holder(folder)}; wait for it, stop it, or choose another run_dir")
        file.truncate(0)
        file.write(
            json.dumps({"pid": os.getpid(), "host": socket.gethostname(), "since": time.strftime("%Y-%m-%d %H:%M:%S")})
        )
        file.flush()
        yield
    finally:
        file.close()


def _locks(file: IO[str]) -> bool:
    """Whether the lock was had. A file system without locks gives it to everyone."""
    for attempt in range(5):
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:  # `is_held` of another process may have it for a moment
            time.sleep(0.02 * attempt)
        except OSError:
            return True
        else:
            return True
    return False


def is_held(folder: Path) -> bool:
    """Whether a process, on this host or another that shares the file system, holds the lock of the folder."""
    try:
        with open(folder / FILE) as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


def _holder(folder: Path) -> str:
    """Who holds it, in words."""
    try:
        noted: dict[str, Any] = dict(json.loads((folder / FILE).read_text()))
        return f"process {noted['pid']} on {noted['host']} trains in it since {noted['since']}"
    except (OSError, ValueError, KeyError, TypeError):
        return "another process trains in it"
