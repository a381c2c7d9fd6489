"""One loop in a process of its own, which another process paces: python benchmarks/loops/worker.py ROW plain|exact|bf16|agree.

Lines on standard input ask, lines of JSON on standard output answer: `steps N` runs N steps and answers with their CPU seconds
and wall seconds, `count` runs one and answers with its operations, `stop` ends the process. `agree` takes no input and answers
with the differences.
"""

import json
import os
import resource
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

import torch
from loops.operations import Operations
from loops.rows import ROWS, Row

PRECISION = {"exact": "exact", "bf16": "auto"}


class Line:
    """The asking process. What the loop itself prints goes to standard error."""

    def __init__(self) -> None:
        self.out = os.fdopen(os.dup(1), "w", encoding="utf-8")
        os.dup2(2, 1)
        self.counting: Operations | None = None

    def answer(self, found: dict[str, Any]) -> None:
        self.out.write(json.dumps(found) + "\n")
        self.out.flush()

    def wait(self) -> int:
        """The steps that are asked for next; 0 to stop."""
        command, _, number = (sys.stdin.readline().strip() or "stop").partition(" ")
        if command == "count":
            self.counting = Operations()
            self.counting.__enter__()
        self.cpu, self.wall = time.process_time(), time.perf_counter()
        return {"steps": int(number or 1), "count": 1, "stop": 0}[command]

    def done(self) -> None:
        """Answer with what the steps took. Memory is the most that the process ever held."""
        answer: dict[str, Any] = {"cpu": time.process_time() - self.cpu, "wall": time.perf_counter() - self.wall}
        if self.counting is not None:
            self.counting.__exit__(None, None, None)
            answer["operations"], self.counting = self.counting.total, None
        self.answer({**answer, "mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024})


def plain(row: Row, line: Line) -> None:
    """The loop on uint8 reals that lie in memory; each batch is drawn from them, as a loader would."""
    torch.manual_seed(0)
    loop, reals = row.plain(), torch.randint(0, 256, (512, *row.shape), dtype=torch.uint8)
    while steps := line.wait():
        for _ in range(steps):
            loop.step(reals[torch.randint(len(reals), (row.batch,))])
        line.done()


def main() -> None:
    name, what = sys.argv[1:]
    row, line = ROWS[name], Line()
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        if what == "plain":
            plain(row, line)
            return
        from loops.agreement import differences  # seesaw and what it imports: the plain loop does without
        from loops.seesaw_run import Gate, first_gradients, start

        if what == "agree":
            for precision, option in PRECISION.items():
                run = first_gradients([*row.overrides, f"precision={option}"], folder, row.batches)
                line.answer({precision: differences(row.plain, run)})
        else:
            start([*row.overrides, f"precision={PRECISION[what]}"], Gate(line.wait, line.done), folder)
        os.chdir("/")


if __name__ == "__main__":
    main()
