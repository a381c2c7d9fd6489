"""Faults laid on real commands, by hundreds: `python tools/fault_campaign.py [PART …] [--count N] [--seed S]`.

Parts: kills (and signals), trackers, disks, inputs, attacks; all of them where none is named. Prints a table, writes counts and
each failure with its command to studies/results/fault_campaign.json (a part that was not run keeps its former entry) and exits
with 1 where a case failed. All draws come from the seed.
"""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # read when torch is imported

import argparse
import json
import platform
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT / "src"), str(ROOT / "tests" / "support")]

from faults import attacks, disks, inputs, kills, trackers  # noqa: E402
from faults.processes import Case, prepare  # noqa: E402

from seesaw.util import atomic_write  # noqa: E402

RESULT = ROOT / "studies" / "results" / "fault_campaign.json"
Part = Callable[[Path, int, random.Random], Iterator[Case]]
PARTS: dict[str, tuple[Part, int]] = {
    "kills": (kills.cases, 50),
    "trackers": (trackers.cases, 18),
    "disks": (disks.cases, 18),
    "inputs": (inputs.cases, 5000),
    "attacks": (attacks.cases, 60),
}
"""Name -> what gives its cases, and how many by default."""


def run_part(name: str, count: int, seed: int, out: Path) -> dict[str, Any]:
    """All cases of a part; its entry in the result, which is written after each case, so that a campaign that is ended early
    has the counts so far."""
    began, bad = time.time(), list[Case]()
    entry: dict[str, Any] = {
        "counts": {},
        "failed": 0,
        "failures": [],
        "seed": seed,
        "asked": count,
        "seconds": 0,
        **where(),
    }
    with tempfile.TemporaryDirectory(prefix=f"seesaw-{name}-") as scratch:
        for case in PARTS[name][0](Path(scratch).resolve(), count, random.Random(f"{name}/{seed}")):
            for kind, number in case.counts.items():
                entry["counts"][kind] = entry["counts"].get(kind, 0) + number
            if case.problems:
                bad.append(case)
                print(f"FAILED {case.name}: {'; '.join(case.problems)}\n       {case.command}", flush=True)
            failures = [{"case": case.name, "problems": case.problems, "command": case.command} for case in bad]
            entry |= {"failed": len(bad), "failures": failures, "seconds": round(time.time() - began)}
            write(out, name, entry)
    return entry


def write(out: Path, name: str, entry: dict[str, Any]) -> None:
    """Put the entry of a part into the result."""
    results = (json.loads(out.read_text(encoding="utf-8")) if out.exists() else {}) | {name: entry}
    ordered = {part: results[part] for part in PARTS if part in results}
    atomic_write(out, json.dumps(ordered, indent=2, ensure_ascii=False) + "\n")


def where() -> dict[str, str]:
    """Machine, date and commit of a result."""
    git = ["git", "-C", str(ROOT)]
    commit = subprocess.run([*git, "rev-parse", "--short", "HEAD"], capture_output=True, text=True).stdout.strip()
    changed = subprocess.run(
        [*git, "status", "--porcelain", "-uno", "src", "conf"], capture_output=True, text=True
    ).stdout
    return {
        "date": time.strftime("%Y-%m-%d"),
        "commit": f"{commit} and changes" if changed.strip() else commit,
        "machine": f"{len(os.sched_getaffinity(0))} CPU cores, {platform.system()}, Python {platform.python_version()}",
    }


def table(parts: dict[str, dict[str, Any]]) -> str:
    """The counts, a line for each part."""
    lines = [f"{'part':<10}{'failed':>7}  {'commit':<22}{'minutes':>8}  tried"]
    for name, part in parts.items():
        tried = ", ".join(f"{number:,} {kind}" for kind, number in part["counts"].items())
        lines.append(f"{name:<10}{part['failed']:>7}  {part['commit']:<22}{part['seconds'] / 60:>8.1f}  {tried}")
    return "\n".join(lines)


def main(argv: list[str] | None = None) -> int:
    """Run the parts; 1 where a case failed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"{', '.join(PARTS)} (all)")
    parser.add_argument("--count", type=int, default=None, help="cases of each part")
    parser.add_argument("--seed", type=int, default=0, help="of all draws (0)")
    parser.add_argument("--out", type=Path, default=RESULT, help="the JSON to write")
    options = parser.parse_args(argv)
    if wrong := [part for part in options.parts if part not in PARTS]:
        parser.error(f"there is no part {wrong[0]!r}; allowed are {', '.join(PARTS)}")
    if options.count is not None and options.count < 1:
        parser.error(f"--count is {options.count}; it must be at least 1")
    prepare()
    failed = 0
    for name in options.parts or PARTS:
        entry = run_part(name, options.count or PARTS[name][1], options.seed, options.out)
        failed += entry["failed"]
        print(table({name: entry}), flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
