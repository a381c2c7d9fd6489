"""Training speed beside the textbook's loops: make bench, or python benchmarks/bench.py [ROW …] [--rounds 7]

Each row compares a plain loop, written from the paper as its code does it (benchmarks/loops), with a real seesaw run of the
same networks: the command line's own trainer with statistics, metrics.csv and offline W&B, in float32 (`precision=exact`) and in
bfloat16 (`precision=auto`). That both train the same is asserted first: equal parameters, equal gradients of the first step.

Every loop is a process of its own on one thread. They take turns, one step or half a second each, after a warm-up; what is
compared is their CPU seconds in the same turn, so that other work on the machine touches all alike. Writes
benchmarks/results/bench.json, the rows that were not asked for as they were.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

sys.path.insert(0, str(Path(__file__).parents[1] / "tools"))
import augment
import evaluation
import fid
import torch
from fid import spread
from loops.operations import peak
from loops.rows import ROWS, Row
from origin import ROOT, origin

WORKER = Path(__file__).parent / "loops" / "worker.py"
RESULTS = Path(__file__).parent / "results" / "bench.json"
LOOPS = ("plain", "exact", "bf16")
PARTS = {"augment": augment, "evaluation": evaluation, "fid": fid}
"""Rows that are no training loops."""
EXACT = 3e-3
"""The largest difference of gradients that counts as the same training: rounding, and now and then a ReLU that it turns. The
small nets of tests/gan/test_speed_options.py meet none, and there the bar is 1e-3."""


class Worker:
    """A loop in its process. Leaving it stops the process."""

    def __init__(self, row: str, loop: str) -> None:
        command = [sys.executable, str(WORKER), row, loop]
        pipe = subprocess.PIPE
        self.name = f"{row} {loop}"
        self.process = subprocess.Popen(command, cwd=ROOT, stdin=pipe, stdout=pipe, stderr=pipe, text=True)

    def __enter__(self) -> "Worker":
        return self

    def __exit__(self, *error: object) -> None:
        if error[0] is not None:
            self.process.kill()
        self.process.communicate()

    def ask(self, command: str) -> dict[str, Any]:
        assert self.process.stdin is not None
        self.process.stdin.write(command + "\n")
        self.process.stdin.flush()
        return self.answer()

    def answer(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit(f"bench: {self.name} ended: {self.process.communicate()[1][-2000:]}")
        found: dict[str, Any] = json.loads(line)
        return found


def agreement(worker: Worker) -> dict[str, Any]:
    """Differences of the first gradients from the plain loop's, by precision. Ends the benchmark where exact is not exact."""
    found = worker.answer() | worker.answer()
    worst = max(found["exact"][player] for player in "GD")
    if worst > EXACT:
        raise SystemExit(
            f"bench: {worker.name}: this is not the plain loop's training, its gradients differ by {worst:.1e}"
        )
    return found


def turns(name: str, row: Row, rounds: int) -> dict[str, Any]:
    """CPU milliseconds of a step in each round, ratios to the plain loop's in the same round, operations, memory."""
    with Worker(name, "plain") as plain, Worker(name, "exact") as exact, Worker(name, "bf16") as bf16:
        workers = dict(zip(LOOPS, (plain, exact, bf16), strict=True))
        with Worker(name, "agree") as other:  # while the others get ready
            found: dict[str, Any] = {"gradients": agreement(other)}
        for worker in workers.values():
            worker.ask(f"steps {max(row.batches + 1, row.steps)}")
        counted = {loop: worker.ask("count")["operations"] for loop, worker in workers.items()}
        times: dict[str, list[float]] = {loop: [] for loop in LOOPS}
        memory: dict[str, float] = {}
        for _ in range(rounds):
            for loop, worker in workers.items():
                last = worker.ask(f"steps {row.steps}")
                times[loop].append(last["cpu"] / row.steps)
                memory[loop] = last["mib"]
    return found | {loop: figures(row, loop, times, counted[loop], memory[loop]) for loop in LOOPS}


def figures(row: Row, loop: str, times: dict[str, list[float]], operations: int, mib: float) -> dict[str, Any]:
    seconds = statistics.median(times[loop])
    gflop = operations / row.batch / 1e9
    return {
        "ms": spread([1000 * t for t in times[loop]]),
        "images/s": row.batch / seconds,
        "GFLOP/image": gflop,
        "GFLOP/s": gflop * row.batch / seconds,
        "peak MiB": mib,
        "times the plain loop": spread([p / t for p, t in zip(times["plain"], times[loop], strict=True)]),
        "ms over the plain loop": spread([1000 * (t - p) for p, t in zip(times["plain"], times[loop], strict=True)]),
    }


def table(result: dict[str, Any]) -> str:
    """Markdown, a line a loop."""
    lines = [
        "| | ms a step | images/s | GFLOP an image | share of peak | peak MiB | times the plain loop |",
        "|---|" + "---|" * 6,
    ]
    for title in [row.title for row in ROWS.values() if row.title in result]:
        found = result[title]
        for loop in LOOPS:
            each = found[loop]
            share = each["GFLOP/s"] / found["peak GFLOP/s"]["bf16" if loop == "bf16" else "exact"]
            ratio = each["times the plain loop"]
            lines.append(
                f"| {title}: {loop} | {each['ms']['median']:.4g} | {each['images/s']:.4g} | {each['GFLOP/image']:.3g} "
                f"| {share:.2f} | {each['peak MiB']:.0f} | {ratio['median']:.2f} ({ratio['least']:.2f} to {ratio['most']:.2f}) |"
            )
    for name, part in PARTS.items():
        lines += ["", part.table(result[name])] if name in result else []
    return "\n".join(lines)


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    options.add_argument("rows", nargs="*", metavar="ROW", help=f"{', '.join([*ROWS, *PARTS])}; none: all of them")
    options.add_argument("--rounds", type=int, default=7)
    given = options.parse_args()
    if unknown := sorted(set(given.rows) - {*ROWS, *PARTS}):
        options.error(f"there is no row {unknown[0]}")
    torch.set_num_threads(1)
    command = " ".join(["python benchmarks/bench.py", *sys.argv[1:]])
    for name in given.rows or [*ROWS, *PARTS]:
        if name in PARTS:
            keep({name: {**origin(command, "one thread, CPU seconds"), **PARTS[name].measure(given.rounds)}})
            continue
        row = ROWS[name]
        print(f"{row.title} …", flush=True)
        found: dict[str, Any] = origin(command, "one thread, CPU seconds")
        found["peak GFLOP/s"] = {"exact": peak(torch.float32), "bf16": peak(torch.bfloat16)}
        rounds = given.rounds * row.turns
        keep({row.title: found | {"rounds": rounds, "bars": row.bars, **turns(name, row, rounds)}})
    print(table(kept()))


def kept() -> dict[str, Any]:
    return json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else {}


def keep(found: dict[str, Any]) -> None:
    """Beside what is there, which is read anew: two of these may run at once."""
    RESULTS.write_text(json.dumps(kept() | found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
