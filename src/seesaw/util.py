"""Helpers that every layer shares: files, locks, seeds from keys, colours. Imports neither torch nor numpy."""

import contextlib
import errno
import fcntl
import hashlib
import itertools
import os
import re
import shutil
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

from seesaw.errors import UserError

PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
"""Colours of curves. Okabe and Ito's palette: distinct for every kind of colour vision."""

LUMA = (0.299, 0.587, 0.114)
"""Weights of R, G and B in the luma of ITU-R BT.601, as Pillow's mode L has them."""

TEMPORARY = re.compile(r"\..*\.tmp(\d+)(\.[^.]*)?")
"""The name of a temporary file of `atomic_write`, with the number of its process."""

MAX_DEPTH, MAX_NODES = 60, 100_000
"""Levels and values of a configuration, above which it is not read. Real ones have below 10 levels and 300 values."""

DISK_ERRORS = {
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "the disk quota is used up",
    errno.EROFS: "the file system is read-only",
    errno.EACCES: "permission is denied",
    errno.ENAMETOOLONG: "a name is too long",
    errno.EISDIR: "a folder stands where a file belongs",
    errno.ENOTDIR: "a file stands where a folder belongs",
    errno.EEXIST: "a file stands where a folder belongs",
    errno.ELOOP: "it is a link, or its links go in a circle",
}
"""Errors of a disk, in words."""


TORCH_WRITING = ("unexpected pos", "inline_container", "PytorchStreamWriter")
"""Of these words are torch's errors of a file that it cannot write."""


def key(*parts: int | str) -> int:
    """A 63-bit seed from its parts: equal parts give equal seeds on every machine, different ones unrelated seeds."""
    digest = hashlib.blake2b("/".join(map(str, parts)).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little") >> 1


def atomic_write(path: Path, content: str | bytes | Callable[[BinaryIO], object], hint: str = "") -> None:
    """Write a file so that a reader, or a run after a crash, finds either the former content or the whole new one.

    The content goes to a temporary file in the same folder, is synced to the disk, and is renamed. The folder is created.

    Args:
        path: the file.
        content: text (as UTF-8), bytes, or a function that writes into the open file that it receives.
        hint: what the user can do when it fails, such as "choose another place by run_dir=…"; part of the error's sentence.

    Raises:
        UserError: the disk is full, or the place cannot be written. The former content is untouched.
    """
    temporary = temporary_of(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(temporary, "wb") as file:
            if callable(content):
                _write_by(content, file)
            else:
                file.write(content.encode() if isinstance(content, str) else content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError as error:
        raise UserError(f"{path} cannot be written: {disk_error(error)}{f'; {hint}' if hint else ''}") from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink()


@contextlib.contextmanager
def whole_folder(path: Path, hint: str) -> Iterator[Path]:
    """A new folder to write into, whose files then become those of `path`: all, or where writing ends early, none. It is made
    beside `path`, and where that exists in it, since it may be a mount point or stand in a folder that is not the user's.

    Args:
        path: a folder that may exist; files of other names stay in it.
        hint: what to do where it cannot be written, for the error.

    Raises:
        UserError: it cannot be written.
    """
    exists = path.is_dir()
    temporary = temporary_of(path / "folder" if exists else path.absolute())
    try:
        temporary.mkdir(parents=True)
        yield temporary
        if exists:
            for file in sorted(temporary.iterdir()):
                os.replace(file, path / file.name)
        else:
            os.replace(temporary, path)
    except OSError as error:
        raise UserError(f"{path} cannot be written: {disk_error(error)}; {hint}") from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def temporary_of(path: Path) -> Path:
    """Where this process writes what becomes the file or folder `path`: beside it, under a name that `TEMPORARY` fits."""
    return path.with_name(f".{path.stem}.tmp{os.getpid()}{path.suffix}")


def _write_by(content: Callable[[BinaryIO], object], file: BinaryIO) -> None:
    """Call a function that writes. torch reports a write that fails as a RuntimeError without the system's number; any other one
    is of what is written, such as a network that fails, and passes."""
    try:
        content(file)
    except RuntimeError as error:
        if not any(words in str(error) for words in TORCH_WRITING):
            raise
        raise OSError(errno.EIO, "the disk is full, or the file system refused the file") from error


def is_damaged(path: Path) -> bool:
    """Whether a part of the archive does not fit the checksum beside it. Raises zipfile.BadZipFile where it is no archive."""
    with zipfile.ZipFile(path) as archive:
        try:
            return archive.testzip() is not None
        except zipfile.BadZipFile:  # the head of a part does not fit the list of parts
            return True


def disk_error(error: OSError) -> str:
    """Why a file could not be written, in words."""
    return DISK_ERRORS.get(error.errno or 0, error.strerror or type(error).__name__)


def check_size(node: object) -> None:
    """ValueError where nested mappings and lists are too deep or hold too much: aliases of YAML, and shared objects of a
    checkpoint, can contain themselves and multiply."""
    level: list[object] = [node]
    seen = 0
    for _ in range(MAX_DEPTH + 1):
        seen += len(level)
        if seen > MAX_NODES:
            raise ValueError(f"it holds more than {MAX_NODES:,} values")
        below = (n.values() if isinstance(n, dict) else n for n in level if isinstance(n, dict | list | tuple))
        level = list(itertools.islice(itertools.chain.from_iterable(below), MAX_NODES + 1))
        if not level:
            return
    raise ValueError(f"it is nested more than {MAX_DEPTH} levels deep")


def is_full_disk(error: BaseException | None) -> bool:
    """Whether what failed, or the cause of its cause, is a disk that takes nothing more."""
    while error is not None:
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO):
            return True
        error = error.__cause__
    return False


def no_link(path: str, flags: int) -> int:
    """An opener for `open`: OSError (ELOOP) where the file is a link, through which a stranger's folder would lead elsewhere."""
    return os.open(path, flags | os.O_NOFOLLOW, 0o666)


def remove_temporary_files(folder: Path, of_live_processes: bool = False) -> None:
    """Remove what `atomic_write` and `whole_folder` left in a folder when their process was killed, as far as permissions allow.

    Args:
        folder: its sub-folders are left alone.
        of_live_processes: remove also those whose number a process of this machine has: where the caller alone writes.
    """
    with contextlib.suppress(OSError):
        for path in list(folder.iterdir()):
            match = TEMPORARY.fullmatch(path.name)
            if match is not None and (of_live_processes or not is_alive(int(match[1]))):
                remove(path)


def remove(path: Path) -> None:
    """Remove a file, a link, or a folder with all that it holds, as far as permissions allow."""
    with contextlib.suppress(OSError):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink()


def remove_temporary_of(path: Path) -> None:
    """Remove what a killed process left of a file or folder `path` that it was writing, and of those in such a folder."""
    remove_temporary_files(path)
    head, tail = f".{path.stem}.tmp", path.suffix
    with contextlib.suppress(OSError):
        for found in list(path.parent.iterdir()):
            number = found.name.removeprefix(head).removesuffix(tail)
            if found.name == f"{head}{number}{tail}" and number.isdecimal() and not is_alive(int(number)):
                remove(found)


def is_alive(process: int) -> bool:
    """Whether a process of this machine has the number."""
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return True


@contextlib.contextmanager
def locked(path: Path, wait: bool = True) -> Iterator[bool]:
    """A lock among processes, which the system releases when its holder ends, however it ends.

    Args:
        path: the file that is locked; it may be another user's. It is made where there is none, and stays.
        wait: whether to wait for the present holder.

    Yields:
        Whether the lock was had.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(os.open(path, os.O_RDONLY | os.O_CREAT, 0o666), encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            yield False
        else:
            yield True


def usable_cpus() -> set[int]:
    """The numbers of the cores that this process may use: its affinity mask, or all where the system has none."""
    return os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else set(range(os.cpu_count() or 1))
