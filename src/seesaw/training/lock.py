"""The lock of a run folder: one process writes in it at a time."""

import fcntl
import json
import os
import socket
import time
from pathlib import Path
from typing import IO, Any

from seesaw.errors import UserError
from seesaw.util import disk_error, remove_temporary_files

FILE = ".run_lock"
"""In the run folder. The system releases the lock when its holder ends, however it ends; the file stays."""


class RunLock:
    """Holds the lock of a run folder for the life of a run: a context manager.

    A folder that is there is locked at once, one that is not when `create` makes it, so that a run that is refused before
    leaves no folder.

    Args:
        folder: the run folder.
        wanted: False: of a process that does not write, such as rank 1 or a dry run; nothing is locked.

    Raises:
        UserError: another process holds the lock: which, where, since when. A part of the folder is a link that leads out of it.
    """

    def __init__(self, folder: Path, wanted: bool = True) -> None:
        self.folder, self.wanted = folder, wanted
        self.file: IO[str] | None = None

    def __enter__(self) -> "RunLock":
        if self.folder.is_dir():
            self.create()
        return self

    def __exit__(self, *error: object) -> None:
        if self.file is not None:
            self.file.close()
            self.file = None

    def create(self) -> None:
        """Make the folder where there is none, and hold its lock; nothing where it is held already."""
        if not self.wanted or self.file is not None:
            return
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            refuse_links(self.folder)
            file = open(self.folder / FILE, "a+", encoding="utf-8")  # noqa: SIM115  (closed when the run ends)
        except OSError as error:
            reason = f"{self.folder} cannot be written: {disk_error(error)}; choose another place by run_dir=…"
            raise UserError(reason) from error
        if not _locks(file):
            file.close()
            raise UserError(
                f"{self.folder} is in use: {_holder(self.folder)}; wait for it, stop it, or choose another run_dir"
            )
        self.file = file
        file.truncate(0)
        noted = {"pid": os.getpid(), "host": socket.gethostname(), "since": time.strftime("%Y-%m-%d %H:%M:%S")}
        file.write(json.dumps(noted))
        file.flush()
        for folder in (self.folder, self.folder / "checkpoints", self.folder / "samples"):
            remove_temporary_files(folder, of_live_processes=True)


def refuse_links(folder: Path) -> None:
    """UserError where an entry of a run folder is a link that leads out of it. The folder may come from a stranger, and what a
    run writes, cuts and removes in it would be files elsewhere."""
    home = folder.resolve()
    for path in sorted(folder.iterdir()):
        if path.is_symlink() and not Path(os.path.realpath(path)).is_relative_to(home):
            raise UserError(
                f"{path} is a link that leads out of the run folder, to {os.path.realpath(path)}, and a run writes nothing "
                "there: put what it leads to in its place, or move the whole folder"
            )


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


def was_locked(folder: Path) -> bool:
    """Whether a run has ever held the lock; versions before 0.2 took none."""
    return (folder / FILE).is_file()


def is_held(folder: Path) -> bool:
    """Whether a process, on this host or another that shares the file system, holds the lock of the folder."""
    try:
        with open(folder / FILE, encoding="utf-8") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


def _holder(folder: Path) -> str:
    """Who holds it, in words."""
    try:
        noted: dict[str, Any] = dict(json.loads((folder / FILE).read_text(encoding="utf-8")))
        return f"process {noted['pid']} on {noted['host']} trains in it since {noted['since']}"
    except (OSError, ValueError, KeyError, TypeError):
        return "another process trains in it"
