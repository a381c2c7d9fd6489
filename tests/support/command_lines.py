"""What train.py answers to many command lines, each in a process of its own that begins where the imports are done."""

import json
import subprocess
import sys
from dataclasses import dataclass
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


def forked(folder: Path, commands: list[Command], *modules: str) -> dict[Command, Ended]:
    """What train.py answers to each, in processes of their own that begin where these modules are imported."""
    started = [sys.executable, str(Path(__file__).with_name("forked.py")), str(folder), *modules]
    done = subprocess.run(started, input=json.dumps(commands), capture_output=True, text=True, timeout=600)
    assert (done.returncode, done.stderr) == (0, "")
    found = {}
    for number, (command, (code, torch)) in enumerate(zip(commands, json.loads(done.stdout), strict=True)):
        out, err = ((folder / str(number) / name).read_text() for name in ("out", "err"))
        found[command] = Ended(code, out, err, torch, folder / str(number) / "here")
    return found


def refused_in_a_sentence(done: Ended, words: list[str]) -> None:
    """Assert that the command ended with exit code 1 and one line on standard error that has all these words."""
    assert done.returncode == 1, done.stderr
    assert done.stdout == ""
    assert done.stderr.startswith("seesaw: ")
    assert len(done.stderr.splitlines()) == 1, done.stderr
    for word in words:
        assert word in done.stderr
