"""The runs behind docs/forks.md: python studies/forks.py effects|rollback [--only TEXT] [--jobs 2]

effects: five seeds of dcgan_small, each forked at 12 kimg by three balances for 12 kimg more. It asks how much of the spread
between runs a comparison of forks of one point leaves out: the variance of the paired effect beside that of the unpaired one.

rollback: runs of four families in which the players learn up to a hundred times faster from 45 % on, each once with
monitor.on_unhealthy=report, which lets it go on, and once with rollback. The two are compared at equal images in all: what a
run that went back had left behind counts, so its value is that at the length of the other less these images.

Resumable: a finished run is not run again. Many runs share a process. Writes studies/results/forks_NAME.json and prints the
table.
"""

import argparse
import json
import math
import multiprocessing
import os
import sys
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

sys.path.insert(0, str(Path(__file__).parents[1] / "tools"))
import monitor_corpus as corpus
from origin import origin

ROOT = Path(__file__).parents[1]
RESULTS, FOLDER = ROOT / "studies" / "results", ROOT / "runs" / "studies" / "forks"
ALWAYS = ["logger=none", "trainer=cpu", "threads=1", "resume=auto", "sample_kimg=1000"]

SEEDS = (1, 2, 3, 4, 5)
POINT, END = 12, 24
PARENT = ["model=dcgan_small", "data=digits", f"kimg={END}", f"checkpoints=[{POINT}]", "evaluate_kimg=3"]
BALANCES = ("ttur", "skip_d", "instance_noise")

FAMILIES = ("mlp", "dcgan_small", "ring", "grid")
FAST = {"both x 30": (30, 30), "D x 30": (1, 30), "G x 30": (30, 1), "both x 100": (100, 100)}
"""How much faster G and D learn from 45 % of the run on: what a schedule or a resumed run gone wrong does."""


def bad() -> dict[str, list[str]]:
    """Runs that go bad, by family and fault, with the settings of the labelled corpus."""
    found = {}
    for fault, (g, d) in FAST.items():
        for family in FAMILIES:
            kimg, how = corpus.FAMILIES[family]
            length = [f"kimg={kimg}", f"evaluate_kimg={kimg / 20:g}", f"log_kimg={kimg / 40:g}"]
            found[f"{family} {fault}"] = [*how, *length, *corpus.planted("Faster", 0.45, kimg, g=g, d=d)]
    return found


BAD = bad()
FINAL = ("coverage", "reverse_kl", "modes")
"""Beginnings of the metrics that are compared at the end, beside the primary one."""


class Case(NamedTuple):
    """One run: its folder below the study's, and its command. `after`: a run that must have finished before."""

    name: str
    command: list[str]
    after: str = ""


def cases(study: str) -> list[Case]:
    """All runs of a study, parents before forks."""
    if study == "effects":
        found = [Case(f"parent-{seed}", ["train", *PARENT, f"seed={seed}"]) for seed in SEEDS]
        for seed in SEEDS:
            parent = str(FOLDER / study / f"parent-{seed}")
            for balance in BALANCES:
                command = ["fork", parent, f"at={POINT}", f"balance={balance}"]
                found.append(Case(f"{balance}-{seed}", command, f"parent-{seed}"))
        return found
    return [
        Case(f"{name}-{action}-{seed}".replace(" ", "_"), ["train", *how, f"monitor.on_unhealthy={action}", f"seed={seed}"])
        for seed in SEEDS
        for name, how in BAD.items()
        for action in ("report", "rollback")
    ]


def run(study: str, case: Case) -> str:
    """One run to its end, unless it has finished; its state."""
    from seesaw.analysis.compare.reading import read_run
    from seesaw.cli.main import main as seesaw

    folder = FOLDER / study / case.name
    folder.mkdir(parents=True, exist_ok=True)
    if read_run(folder, case.name).state not in ("finished", "failed"):
        with open(folder / "log.txt", "a", encoding="utf-8") as log:
            sys.stdout = sys.stderr = log
            sys.argv = ["seesaw"]
            try:
                seesaw([*case.command, *ALWAYS, f"run_dir={folder}"])
            finally:
                sys.stdout, sys.stderr = sys.__stdout__, sys.__stderr__
    return read_run(folder, case.name).outcome


def effects() -> dict[str, Any]:
    """The effects of the balances over all points that are there."""
    from seesaw.analysis.compare.forks import effects as found_effects
    from seesaw.analysis.compare.reading import find, read

    runs, _ = read(find([FOLDER / "effects"]))
    primary = next(run.primary for run in runs if run.primary)
    rows = {}
    for effect in found_effects(runs, primary):
        paired, unpaired = effect.variances
        ratio = unpaired / paired if paired else None  # a balance that never acted changes nothing
        rows[effect.change] = effect._asdict() | {"metric": primary, "variance unpaired / paired": ratio}
    return rows


def rollback() -> dict[str, Any]:
    """Each pair: whether and why the one went back, and both values at equal images in all."""
    from seesaw.analysis.compare.reading import Run, read_run

    def value(run: Run, metric: str, until: float) -> float | None:
        curve = run.curve(metric)
        curve = curve[curve.index <= until]
        return None if run.diverged and until >= run.kimg else float(curve.iloc[-1]) if len(curve) else None

    rows: dict[str, Any] = {}
    for seed in SEEDS:
        for name in BAD:
            names = (f"{name}-{action}-{seed}".replace(" ", "_") for action in ("report", "rollback"))
            folders = [FOLDER / "rollback" / one for one in names]
            if not all(folder.is_dir() for folder in folders):
                continue
            on, back = (read_run(folder, folder.name) for folder in folders)
            noted = back.status.get("rollbacks") or []
            lost = sum(one["at_kimg"] - one["to_kimg"] for one in noted)
            metrics = [c for c in on.columns if c == on.primary or c.startswith(tuple(f"eval/{f}" for f in FINAL))]
            end = on.config.get("kimg", math.inf)
            rows[f"{name} seed={seed}"] = {
                "rollbacks": [{key: one[key] for key in ("at_kimg", "to_kimg", "verdict", "remedy")} for one in noted],
                "images left behind": lost, "outcomes": [on.outcome, back.outcome], "verdict without": on.verdict[0],
                "better when larger": {metric: on.higher_is_better(metric) for metric in metrics},
                "goes on": {metric: value(on, metric, end) for metric in metrics},
                "rolled back": {metric: value(back, metric, end - lost) for metric in metrics},
            }  # fmt: skip
    return rows


def better(row: dict[str, Any]) -> bool | None:
    """Whether the run that went back ended better by its coverage, modes or reverse KL, the first that both have; None where it
    did not go back, or there is nothing to compare. A run that diverged is worse than any other."""
    names = [name for form in FINAL for name in row["goes on"] if name.startswith(f"eval/{form}")]
    if not row["rollbacks"] or not names:
        return None
    on, back = (row[key].get(names[0]) for key in ("goes on", "rolled back"))
    if on is None or back is None:
        return None if on is None and back is None else on is None
    return bool(back > on) if row["better when larger"][names[0]] else bool(back < on)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("study", choices=("effects", "rollback"))
    parser.add_argument("--only", default="", help="runs whose names hold this text, with those that they come from")
    parser.add_argument("--jobs", type=int, default=2, help="processes, one thread each")
    args = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = "1"
    os.chdir(ROOT)
    every = cases(args.study)
    chosen = [case for case in every if args.only in case.name]
    needed = {case.after for case in chosen}
    with ProcessPoolExecutor(args.jobs, mp_context=multiprocessing.get_context("spawn")) as pool:
        first = [case for case in every if (case in chosen or case.name in needed) and not case.after]
        for stage in (first, [case for case in chosen if case.after]):
            for case, outcome in zip(stage, pool.map(run, [args.study] * len(stage), stage), strict=True):
                print(case.name, outcome, flush=True)
    rows = effects() if args.study == "effects" else rollback()
    verdicts = [better(row) for row in rows.values()] if args.study == "rollback" else []
    summary = {
        "went back": sum(bool(row.get("rollbacks")) for row in rows.values()),
        "compared": sum(verdict is not None for verdict in verdicts),
        "better": sum(verdict is True for verdict in verdicts),
    } if verdicts else {}  # fmt: skip
    only = f" --only {args.only}" if args.only else ""
    command = f"python studies/forks.py {args.study}{only} --jobs {args.jobs}"
    result = {**origin(command, f"{args.jobs} runs at a time with one thread each"), **summary, "rows": rows}
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"forks_{args.study}.json").write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    for name, row in rows.items():
        print(name, row)
    print(summary)


if __name__ == "__main__":
    main()
