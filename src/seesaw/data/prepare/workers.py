"""Decoding on all cores: a pool of processes in which each chunk of images is decoded and written to its rows of the file."""

import multiprocessing
import os
import signal
import sys
import threading
import warnings
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

import numpy as np

from seesaw.data.prepare.decode import Decoding, decode
from seesaw.data.prepare.tree import Tree
from seesaw.errors import UserError

CHUNK = 64
"""Images that a process decodes at once."""


def decode_rows(tree: Tree, how: Decoding, path: Path, start: int) -> list[str]:
    """Decode the chunk of images that begins with number `start`, and write each to its row of the .npy file at `path`.

    Returns:
        For each image of the chunk the reason why it is bad, or "".
    """
    names = tree.names[start : start + CHUNK]
    rows = np.zeros((len(names), how.channels, *how.size), dtype=how.dtype)
    reasons = []
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module="PIL")
        for k, name in enumerate(names):
            try:
                rows[k] = decode(tree.read(name), name, how)
                reasons.append("")
            except Exception as error:  # a hostile file makes Pillow raise nearly anything, SyntaxError included
                reasons.append(" ".join(str(error).split()) or type(error).__name__)
    first = np.load(path, mmap_mode="r").offset
    with open(path, "r+b") as file:  # a full disk raises here; it would kill a process that writes to a map
        file.seek(first + start * rows[0].nbytes)
        file.write(rows.data)
    return reasons


def decode_all(tree: Tree, how: Decoding, path: Path, jobs: int) -> Iterator[list[str]]:
    """Decode every image of the tree in `jobs` processes; with one job in this process.

    Yields:
        The reasons of `decode_rows`, chunk after chunk.

    Raises:
        UserError: a process of the pool died.
        OSError: the file cannot be written.
    """
    starts = range(0, len(tree.names), CHUNK)
    if jobs == 1:
        yield from (decode_rows(tree, how, path, start) for start in starts)
        return
    pool = ProcessPoolExecutor(jobs, multiprocessing.get_context("spawn"), _begin, (tree, how, path))
    try:
        with _hidden_main():
            found = pool.map(_decode_chunk, starts)
        yield from found
    except BrokenProcessPool:
        raise UserError(
            "a process that decodes images ended, perhaps for want of memory; close other programs, or prepare with "
            "fewer processes (seesaw prepare --jobs 1 …)"
        ) from None
    finally:
        pool.shutdown(cancel_futures=True)


@contextmanager
def _hidden_main() -> Iterator[None]:
    """Processes that start meanwhile do not import the program's main module, which may take seconds (torch) or may start
    its work anew where nothing guards it by `if __name__ == "__main__"`."""
    main = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main


def _begin(tree: Tree, how: Decoding, path: Path) -> None:
    """Start of a process of the pool. It leaves Ctrl-C to its parent, and ends when the parent does, however that ends."""
    global _job
    _job = tree, how, path
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)


def _decode_chunk(start: int) -> list[str]:
    return decode_rows(*_job, start)


_job: tuple[Tree, Decoding, Path]
