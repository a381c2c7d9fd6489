"""Commands of seesaw in processes of their own, forked from one in which everything is imported already."""

import gc
import importlib
import os
import pkgutil
import shlex
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import numpy as np
from PIL import Image

import seesaw

MOST_SECONDS = 300.0
"""A command that takes longer hangs."""


def prepare() -> None:
    """Import what commands need, so that each of them begins where the imports are done."""
    for module in pkgutil.walk_packages(seesaw.__path__, "seesaw."):
        importlib.import_module(module.name)
    importlib.import_module("sklearn.datasets")
    from composing import compose_faster

    compose_faster()
    gc.collect()
    gc.freeze()


@dataclass(frozen=True)
class Case:
    """One fault that was tried.

    Args:
        name: what was done.
        problems: what went otherwise than promised; empty where all went well.
        command: gives the case again, as far as one command can.
        counts: kind -> how many of it the case was.
    """

    name: str
    problems: tuple[str, ...]
    command: str
    counts: dict[str, int]


@dataclass(frozen=True)
class Ended:
    """How a command ended: exit code (negative: the signal), text of both outputs, whether it hung, its process."""

    code: int
    out: str
    err: str
    hung: bool = False
    pid: int = 0

    def problems(self, *codes: int, sentence: bool = False) -> list[str]:
        """What a user should not have seen; `sentence`: whether exit code 1 needs one line of seesaw's at the end."""
        found = ["it hung"] if self.hung else []
        if self.code not in codes and not self.hung:
            found.append(f"exit code {self.code}, not {' or '.join(map(str, codes))}: {self.last()}")
        found += [f"{word}: {self.last()}" for word in ("Traceback", "unexpected") if word in self.out + self.err]
        if sentence and not self.last().startswith("seesaw: "):
            found.append(f"no sentence: {self.last()!r}")
        return found

    def last(self) -> str:
        """The last line on standard error, else of standard output."""
        lines = self.err.strip().splitlines() or self.out.strip().splitlines() or [""]
        return lines[-1][:300]


class Running:
    """A command that runs in a forked process.

    Args:
        folder: a new folder for its outputs; `folder`/here is made its current folder unless `here` is given.
        arguments: of `seesaw`, the name of the command first.
        before: called in the process before the command, to lay a fault.
        environment: variables to set.
        here: its current folder.
    """

    def __init__(
        self,
        folder: Path,
        arguments: Iterable[str],
        before: Callable[[], None] | None = None,
        environment: Mapping[str, str] | None = None,
        here: Path | None = None,
    ) -> None:
        self.folder, self.arguments = folder, list(arguments)
        here = folder / "here" if here is None else here
        folder.mkdir(parents=True, exist_ok=True)
        here.mkdir(parents=True, exist_ok=True)
        sys.stdout.flush()
        self.began = time.monotonic()
        self.pid = os.fork()
        if self.pid == 0:
            _command(folder, here, self.arguments, before, environment or {})

    def send(self, number: int) -> None:
        """A signal; the process is there until `wait` was called."""
        os.kill(self.pid, number)

    def wait(self, seconds: float = MOST_SECONDS) -> Ended:
        """Wait for the end; what takes longer than so many seconds is killed."""
        status = self._end(seconds)
        hung = status is None
        if status is None:
            self.send(signal.SIGKILL)
            status = os.waitpid(self.pid, 0)[1]
        out, err = (_text(self.folder / name) for name in ("out", "err"))
        return Ended(os.waitstatus_to_exitcode(status), out, err, hung, self.pid)

    def _end(self, seconds: float) -> int | None:
        while time.monotonic() - self.began < seconds:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                return status
            time.sleep(0.005)
        return None

    @property
    def command(self) -> str:
        """What a person would type."""
        return shlex.join(["seesaw", *self.arguments])


def pictures(folder: Path, count: int = 24) -> Path:
    """A folder of pictures of noise, 32x32."""
    folder.mkdir(parents=True)
    for number in range(count):
        pixels = np.random.default_rng(number).integers(0, 256, (32, 32, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{number}.png")
    return folder


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""


def _command(
    folder: Path, here: Path, arguments: list[str], before: Callable[[], None] | None, environment: Mapping[str, str]
) -> NoReturn:
    code = 99
    try:
        os.chdir(here)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        for stream, name in ((1, "out"), (2, "err")):
            os.dup2(os.open(folder / name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), stream)
        for number in (signal.SIGTERM, signal.SIGHUP):  # the campaign itself may run under nohup
            signal.signal(number, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        os.environ.update(environment)
        sys.argv = ["seesaw", *arguments]
        if before is not None:
            before()
        from seesaw.cli.main import main

        code = main()
    except KeyboardInterrupt:  # after the command has done its work
        code = 130
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 2
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
