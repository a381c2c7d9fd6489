"""What train.py answers to many command lines, each in a process of its own that begins where the imports are done."""

import atexit
import contextlib
import io
import json
import os
import subprocess
import sys
import tempfile
import warnings
from dataclasses import dataclass
from functools import cache
from pathlib import Path

Command = tuple[str, ...]


@dataclass
class Ended:
    """How a command line ended, and the folder in which it was given."""

    returncode: int
    stdout: str
    stderr: str
    torch: bool  # was it imported
    here: Path


HYDRA = ("hydra.main", "difflib")
"""Of a process whose commands are refused before torch is imported."""

TRAINING = (
    "seesaw.training.run",
    "seesaw.training.loggers.wandb_log",
    "seesaw.data.module",
    *(f"seesaw.nets.{name}" for name in ("dcgan", "mlp", "progan")),
    "sklearn.datasets",
)
"""Of a process whose commands get as far as a run."""


@cache
def parent(modules: tuple[str, ...]) -> tuple[subprocess.Popen[str], Path]:
    """The process that has imported these modules, one for all test files, and the file of its standard error."""
    errors = Path(tempfile.mkstemp(prefix="forked-")[1])
    started = [sys.executable, str(Path(__file__).with_name("forked.py")), *modules]
    with errors.open("w", encoding="utf-8") as stderr:
        process = subprocess.Popen(started, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=stderr, text=True)

    def end() -> None:
        process.kill()
        errors.unlink()

    atexit.register(end)
    return process, errors


def forked(folder: Path, commands: list[Command], modules: tuple[str, ...]) -> dict[Command, Ended]:
    """What train.py answers to each, in processes of their own that begin where these modules are imported."""
    process, errors = parent(modules)
    assert process.stdin is not None
    assert process.stdout is not None
    print(json.dumps([str(folder), commands, dict(os.environ)]), file=process.stdin, flush=True)
    line = process.stdout.readline()
    assert errors.read_text(encoding="utf-8") == ""
    found = {}
    for number, (command, (code, torch)) in enumerate(zip(commands, json.loads(line), strict=True)):
        out, err = ((folder / str(number) / name).read_text(encoding="utf-8") for name in ("out", "err"))
        found[command] = Ended(code, out, err, torch, folder / str(number) / "here")
    return found


def answered_here(folder: Path, command: Command) -> Ended:
    """What train.py answers in this process, whose imports are done. A Notice counts as an error: it would be printed."""
    from seesaw.cli.train import main
    from seesaw.errors import Notice

    out, err = io.StringIO(), io.StringIO()
    with (
        contextlib.chdir(folder), contextlib.redirect_stdout(out), contextlib.redirect_stderr(err), warnings.catch_warnings(),
    ):  # fmt: skip
        warnings.simplefilter("error", Notice)
        code = main(list(command))
    return Ended(code, out.getvalue(), err.getvalue(), "torch" in sys.modules, folder)


def refused_in_a_sentence(done: Ended, words: list[str]) -> None:
    """Assert that the command ended with exit code 1 and one line on standard error that has all these words."""
    assert done.returncode == 1, done.stderr
    assert done.stdout == ""
    assert done.stderr.startswith("seesaw: ")
    assert len(done.stderr.splitlines()) == 1, done.stderr
    for word in words:
        assert word in done.stderr
