"""The file of a search's study, a line of JSON for each change, as Optuna's journal has it: its lock, and its mending after a
crash."""

import contextlib
import json
import os
import warnings
from pathlib import Path
from typing import Any

from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

from seesaw.errors import Notice, UserError
from seesaw.util import locked


class JournalLock:
    """In place of Optuna's link, which a process that is killed while it writes leaves behind: with a relative path the next one
    then waited for ever (Optuna 5.0.0, seen in a test). Who gets it finds a file that ends with a whole line.

    Args:
        path: the file that is locked.
        log: the journal that it guards.
    """

    def __init__(self, path: Path, log: Path) -> None:
        self.path, self.log, self.held = path, log, contextlib.ExitStack()

    def acquire(self) -> bool:
        self.held.enter_context(locked(self.path))
        if not _ends_with_a_line(self.log):  # another process was killed in between
            cut_torn_tail(self.log)
        return True

    def release(self) -> None:
        self.held.close()


def open_journal(out: Path) -> JournalStorage:
    """The storage of the study in <out>/study.log. A torn end is cut off first, with a notice.

    Raises:
        UserError: a line within the file cannot be read, or the file is a link that leads nowhere.
    """
    log = out / "study.log"
    if log.is_symlink() and not log.exists():
        raise UserError(f"{log} is a link to a file that is not there; put that back, or choose another --out")
    with locked(out / "study.lock"):
        cut_torn_tail(log)
    lock: Any = JournalLock(out / "study.lock", log)
    return JournalStorage(JournalFileBackend(str(log), lock))


def _ends_with_a_line(log: Path) -> bool:
    """Whether the last byte ends a line; also of a file that is empty or not there."""
    with contextlib.suppress(FileNotFoundError), open(log, "rb") as file:
        if file.seek(0, os.SEEK_END) > 0:
            file.seek(-1, os.SEEK_END)
            return file.read() == b"\n"
    return True


def cut_torn_tail(log: Path) -> None:
    """Cut off what a process that was killed, or a computer that stopped, has left of the last lines. The caller holds the lock.

    Raises:
        UserError: a line that cannot be read has whole ones behind it, which depend on it.
    """
    try:
        lines = log.read_bytes().splitlines(keepends=True)
    except FileNotFoundError:
        return
    first = next((number for number, line in enumerate(lines) if not _is_whole(line)), None)
    if first is None:
        return
    if any(_is_whole(line) for line in lines[first:]):
        raise UserError(
            f"{log}: line {first + 1} cannot be read, and the lines behind it depend on it; put the file back from a copy, or "
            "choose another --out"
        )
    os.truncate(log, sum(map(len, lines[:first])))
    warnings.warn(
        f"{log}: its last line was torn when a process or the computer stopped; it is cut off", Notice, stacklevel=2
    )


def _is_whole(line: bytes) -> bool:
    """Whether it is a line of the journal, to its end."""
    try:
        return line.endswith(b"\n") and isinstance(json.loads(line), dict)
    except ValueError:
        return False
