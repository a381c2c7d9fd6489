"""What killed processes leave in a cache: temporary files and half-made sets. Names are never patterns."""

import contextlib
import os
import re
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

from seesaw.util import is_alive, locked, remove_temporary_files

DOWNLOAD = re.compile(r"download-(\d+)-.*")
"""The folder of a download, with the id of its process."""

OLD = 24 * 3600
"""Seconds after which what a process of another version left is removed: its name holds no process."""


def remove_leftovers(cache_dir: Path) -> None:
    """Remove the temporary files and folders of processes that live no more, as far as permissions allow."""
    prepared = cache_dir / "prepared"
    for place in (cache_dir, cache_dir / "reference", prepared, *_folders(prepared)):
        remove_temporary_files(place)
        for entry in _entries(place):
            match = DOWNLOAD.fullmatch(entry.name)
            if _is_stale(entry) if match is None else not is_alive(int(match[1])):
                remove(Path(entry.path))
    _remove_unlocked(prepared)


def remove_half_made(folder: Path) -> None:
    """Remove what processes that died while they made a prepared set left beside it. The caller holds the set's lock."""
    for entry in _entries(folder.parent):
        if entry.name.startswith(f".{folder.name}."):
            remove(Path(entry.path))


def lock_file(folder: Path) -> Path:
    """The file whose lock a process holds while it makes a prepared set."""
    return folder.with_name(f"{folder.name}.lock")


def _remove_unlocked(prepared: Path) -> None:
    """Remove the half-made sets that no process is making."""
    for name in {entry.name[1:].rpartition(".")[0] for entry in _entries(prepared) if entry.name.startswith(".")}:
        if lock_file(prepared / name).exists():  # else it is none, or its maker has not begun
            with contextlib.suppress(OSError), locked(lock_file(prepared / name), wait=False) as free:
                if free:
                    remove_half_made(prepared / name)


def remove(path: Path) -> None:
    """Remove a file or folder as far as permissions allow."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
        return
    try:
        path.unlink(missing_ok=True)
    except OSError:
        return


def _is_stale(entry: os.DirEntry[str]) -> bool:
    """Whether another version of seesaw left it: a download, or a file `KEY….tmp` of a reference."""
    if not entry.name.startswith("download-") and not (
        entry.path.endswith(".tmp") and "reference" in Path(entry.path).parts[-2:]
    ):
        return False
    try:
        return time.time() - entry.stat(follow_symlinks=False).st_mtime > OLD
    except OSError:
        return False


def _entries(place: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(place) as found:
            return list(found)
    except OSError:
        return []


def _folders(place: Path) -> Iterator[Path]:
    return (Path(entry.path) for entry in _entries(place) if entry.is_dir(follow_symlinks=False))
