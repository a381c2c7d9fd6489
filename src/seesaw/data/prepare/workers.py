"""The processes that decode: `python -m seesaw.data.prepare.workers`, fed by a thread each.

Not `multiprocessing`: its spawned workers import the caller's main module anew, which costs seconds where that imports torch and
fails where it came by standard input or lacks its `if __name__ == "__main__"`; forked ones copy the locks of torch's threads.
"""

import os
import pickle
import signal
import subprocess
import sys
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
from PIL import Image

from seesaw.data.prepare.decode import Decoding, decode
from seesaw.data.prepare.tree import Tree
from seesaw.errors import UserError

CHUNK = 64  # images that a worker takes at once

Done = Callable[[int, list[str]], None]
"""Called with the first row of a chunk, and for each of its images the reason why it is bad, or ""."""


def decode_rows(tree: Tree, how: Decoding, path: Path, start: int) -> list[str]:
    """Decode the chunk of images that begins with number `start`, and write each to its row of the file.

    One call writes them all; a full disk raises here, where a memory map would kill the process.
    """
    names = tree.names[start : start + CHUNK]
    rows = np.zeros((len(names), how.channels, how.resolution, how.resolution), dtype=np.uint8)
    reasons = []
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module="PIL")
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        for k, name in enumerate(names):
            try:
                rows[k] = decode(tree.read(name), name, how)
                reasons.append("")
            except Exception as error:  # a hostile file makes Pillow raise nearly anything, SyntaxError included
                reasons.append(" ".join(str(error).split()) or type(error).__name__)
    with open(path, "r+b") as file:
        os.pwrite(file.fileno(), rows.data, start * rows[0].nbytes)
    return reasons


def decode_all(tree: Tree, how: Decoding, path: Path, jobs: int, done: Done) -> None:
    """Decode every image of the tree in `jobs` processes, with one in this.

    Raises:
        UserError: a worker died.
        OSError: a worker could not write.
    """
    starts = iter(range(0, len(tree.names), CHUNK))
    if jobs == 1:
        for start in starts:
            done(start, decode_rows(tree, how, path, start))
        return
    workers = [_start(tree, how, path) for _ in range(jobs)]
    lock = Lock()

    def serve(worker: subprocess.Popen[bytes]) -> None:
        while True:
            with lock:
                start = next(starts, None)
            if start is None:
                return
            reasons = _ask(worker, start)
            with lock:
                done(start, reasons)

    try:
        with ThreadPoolExecutor(jobs) as pool:
            try:
                for _ in pool.map(serve, workers):
                    pass
            except BaseException:
                with lock:
                    starts = iter(())
                raise
    finally:
        for worker in workers:
            worker.kill()
            worker.communicate()


def _start(tree: Tree, how: Decoding, path: Path) -> subprocess.Popen[bytes]:
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    command = [sys.executable, "-m", "seesaw.data.prepare.workers"]
    worker = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment)
    assert worker.stdin is not None
    pickle.dump((tree, how, path), worker.stdin)
    worker.stdin.flush()
    return worker


def _ask(worker: subprocess.Popen[bytes], start: int) -> list[str]:
    assert worker.stdin is not None
    assert worker.stdout is not None
    try:
        pickle.dump(start, worker.stdin)
        worker.stdin.flush()
        answer: Any = pickle.load(worker.stdout)
    except (EOFError, BrokenPipeError, pickle.UnpicklingError):
        raise UserError(
            f"a process that decodes images ended with exit code {worker.wait()}, perhaps for want of memory; "
            "close other programs, or prepare with fewer processes (seesaw prepare --jobs 1 …)"
        ) from None
    if isinstance(answer, OSError):
        raise answer
    return list(answer)


def main() -> None:
    """The worker: its job, then numbers of rows, until the pipe is closed. Ctrl-C is the parent's to answer."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    tree, how, path = pickle.load(sys.stdin.buffer)
    while True:
        try:
            start = pickle.load(sys.stdin.buffer)
        except EOFError:
            return
        try:
            answer: Any = decode_rows(tree, how, path, start)
        except OSError as error:
            answer = error
        pickle.dump(answer, sys.stdout.buffer)
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
