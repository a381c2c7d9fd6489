"""Generated command lines with a mistake in them: each ends with exit code 0, or 1 and one sentence."""

import random
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from command_lines import TRAINING, Command, Ended, forked
from odd_inputs import inputs, wrong

from faults.processes import MOST_SECONDS, Case, pictures

TRAIN = Path(__file__).parents[2] / "train.py"
AT_ONCE = 100
REAL = 25
"""One command line in so many is given to a new Python, as a user does; the others begin where the imports are done."""


def cases(scratch: Path, count: int, draw: random.Random) -> Iterator[Case]:
    """A case for each command line that ended badly, and one for each hundred that ended well."""
    images = pictures(scratch / "reals", 12)
    commands = [tuple(a.replace("REALS", str(images)) for a in one) for one in inputs(count, draw.randrange(2**32))]
    for number, start in enumerate(range(0, count, AT_ONCE)):
        part = commands[start : start + AT_ONCE]
        real, rest = part[::REAL], [command for k, command in enumerate(part) if k % REAL]
        folder = scratch / str(number)
        folder.mkdir()
        ended = forked(folder, rest, TRAINING)
        ended |= {command: alone(folder / "alone" / str(k), command) for k, command in enumerate(real)}
        counts = {"in a process that has imported all": len(rest), "in a new Python": len(real)}
        counts["refused in a sentence"] = sum(done.returncode == 1 for done in ended.values())
        yield Case(f"command lines from {start}", (), "", counts)
        for command, done in ended.items():
            if (what := wrong(done)) is not None:
                last = (done.stderr.strip().splitlines() or done.stdout.strip().splitlines() or [""])[-1]
                yield Case("command line", (f"{what}: {last[:300]}",), shlex.join(["python", "train.py", *command]), {})


def alone(folder: Path, command: Command) -> Ended:
    """What `python train.py` answers in a folder of its own."""
    folder.mkdir(parents=True)
    arguments = [sys.executable, str(TRAIN), *command]
    with open(folder / "out", "w", encoding="utf-8") as out, open(folder / "err", "w", encoding="utf-8") as err:
        try:
            code = subprocess.run(arguments, cwd=folder, stdout=out, stderr=err, timeout=MOST_SECONDS).returncode
        except subprocess.TimeoutExpired:  # it was killed
            code = -signal.SIGKILL
    texts = [(folder / name).read_text(encoding="utf-8", errors="replace") for name in ("out", "err")]
    return Ended(code, *texts, True, folder)
