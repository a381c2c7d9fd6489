"""The runs behind the figures in README and docs: python studies/studies.py NAME [--only TEXT] [--jobs 2]

Resumable: a finished run is not run again. Writes studies/results/NAME.json with machine, date and versions, and prints the
table. Studies: main_job, mlp, fashion_mnist, skip_d, gaussians, stacked_digits, emoji, families_digits,
families_fashion, families_today, learning_rates, packing, packing_slow, conditional, augment,
transfer, gallery, projected, stacked_relative. Their runs stand in catalogue.py.
"""

import argparse
import json
import os
import shlex
import statistics
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TextIO

sys.path.insert(0, str(Path(__file__).parents[1] / "tools"))
from catalogue import STUDIES
from origin import origin

from seesaw.analysis.compare.reading import read_run, shown

CPU = "cpu_seconds.txt"
"""In a run's folder: a line for each process that trained it, evaluations and the imports included."""

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "studies" / "results"


def run(study: str, name: str, overrides: list[str]) -> dict[str, Any]:
    """One run in a process with one thread, continued if it was interrupted; its figures."""
    folder = ROOT / "runs" / "studies" / study / name.replace(" ", "-").replace("=", "")
    folder.mkdir(parents=True, exist_ok=True)
    if read_run(folder, name).state != "finished":
        train(name, folder, overrides)
    return figures(folder, name, overrides)


def train(name: str, folder: Path, overrides: list[str]) -> None:
    more = [f"run_dir={folder}", "resume=auto", "logger=none", "trainer=cpu"]
    command = [sys.executable, str(ROOT / "train.py"), *overrides, *more]
    with open(folder / "log.txt", "a", encoding="utf-8") as log:
        code, seconds = timed(command, log)
    with open(folder / CPU, "a", encoding="utf-8") as file:
        file.write(f"{seconds:.1f}\n")
    if code:
        raise SystemExit(f"{name} failed: see {folder / 'log.txt'}")


def timed(command: list[str], log: TextIO) -> tuple[int, float]:
    """Run a command with one thread; its exit code, and its CPU seconds."""
    process = subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=log, env=os.environ | {"OMP_NUM_THREADS": "1"})
    _, ended, used = os.wait4(process.pid, 0)
    return os.waitstatus_to_exitcode(ended), used.ru_utime + used.ru_stime


def figures(folder: Path, name: str, overrides: list[str]) -> dict[str, Any]:
    """What a run ended with, and its curve. Names are those of the logs; metrics stand without eval/, as in status.json."""
    found = read_run(folder, name)  # a run of an older version comes under the names of today
    last = {shown(name): found.final(name) for name in found.columns}
    left_out = ("train/loss", "train/lr", "train/images", "images", "kimg")
    return {
        "overrides": overrides,
        "kimg": found.status["kimg"],
        "protocol": found.protocol,
        "best": {key: value for key, value in found.status.items() if key.startswith("best/")},
        "last": {key: value for key, value in last.items() if not key.startswith(left_out)},
        "curve": {f"{kimg:.10g}": value for kimg, value in found.curve(found.primary or "").items()},
        "cpu_seconds": round(sum(map(float, (folder / CPU).read_text(encoding="utf-8").split())), 1)
        if (folder / CPU).exists()
        else None,
        "images_per_sec": statistics.median(found.curve("train/images_per_sec")),
    }


def medians(figures: dict[str, dict[str, Any]]) -> list[str]:
    """A Markdown table of the medians over the seeds: a row for each name without its seed, a column for each metric at the end
    of the run; "-" where a run does not log it."""
    rows: dict[str, list[dict[str, float]]] = {}
    for name, found in figures.items():
        rows.setdefault(name.partition(" seed=")[0], []).append(found["last"])
    columns = sorted({k for runs in rows.values() for run in runs for k in run if "/" not in k})
    lines = [f"| {' | '.join(['median over the seeds', *columns])} |", "|---" * (len(columns) + 1) + "|"]
    for name, runs in rows.items():
        values = [[run[c] for run in runs if c in run] for c in columns]
        cells = [f"{statistics.median(found):.3g}" if found else "-" for found in values]
        lines.append(f"| {' | '.join([name, *cells])} |")
    return lines


def half_floor(overrides: list[str]) -> dict[str, float]:
    """The Fréchet distance of one random half of the reals to the other: mean and range over 20 halvings."""
    program = (
        "import json\n"
        "from seesaw.config.assemble import assemble\n"
        "from seesaw.training.build import construct\n"
        "from seesaw.training.preflight import compose_checked\n"
        f"config = compose_checked({overrides!r})\n"
        "metrics, data = (construct(assemble(config)[group], group) for group in ('metrics', 'data'))\n"
        "metrics.evaluator.prepare(data.prepare(), config['cache_dir'])\n"
        "found = [metrics.evaluator.half_floor(seed) for seed in range(20)]\n"
        "print(json.dumps({'mean': sum(found) / 20, 'min': min(found), 'max': max(found)}))"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    return dict(json.loads(done.stdout.splitlines()[-1]))


def floors(runs: dict[str, list[str]]) -> dict[str, dict[str, float]]:
    """`half_floor` of each set of images in these runs, under the overrides that choose it."""
    sets: dict[str, list[str]] = {}
    for how in runs.values():
        kept = [o for o in how if o.startswith(("model=", "data", "metrics")) and not o.startswith("data.labels")]
        sets.setdefault(" ".join(o for o in kept if not o.startswith("model=")) or "data=digits", kept)
    return {key: half_floor(kept) for key, kept in sets.items()}


def stages(runs: dict[str, list[str]]) -> list[dict[str, list[str]]]:
    """The runs that begin from nothing, then those that begin from the weights of one of them."""
    later = {name: how for name, how in runs.items() if any(override.startswith("init_from=") for override in how)}
    return [part for part in ({n: how for n, how in runs.items() if n not in later}, later) if part]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("study", choices=STUDIES)
    parser.add_argument("--only", default="", help="runs whose names hold this text; rows of others stay in the result")
    parser.add_argument("--jobs", type=int, default=2, help="runs at a time, one thread each")
    args = parser.parse_args()
    runs = {name: how for name, how in STUDIES[args.study].items() if args.only in name}
    if not runs:
        raise SystemExit(f"no run of {args.study} has {args.only!r} in its name: {', '.join(STUDIES[args.study])}")
    found: dict[str, dict[str, Any]] = {}
    for part in stages(runs):
        with ThreadPoolExecutor(args.jobs) as pool:
            found |= zip(part, pool.map(lambda item: run(args.study, *item), part.items()), strict=True)
    file = RESULTS / f"{args.study}.json"
    former = json.loads(file.read_text(encoding="utf-8")) if args.only and file.exists() else {"runs": {}}
    every = former["runs"] | found
    figures = {name: every[name] for name in STUDIES[args.study] if name in every}
    only = f" --only {shlex.quote(args.only)}" if args.only else ""
    result = {
        **origin(
            f"python studies/studies.py {args.study}{only} --jobs {args.jobs}",
            f"{args.jobs} runs at a time with one thread each",
        ),
        "half_floors": former.get("half_floors", {}) | floors(runs),
        "runs": figures,
    }
    RESULTS.mkdir(exist_ok=True)
    file.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print("half of the reals to the other:", result["half_floors"])
    print("\n".join(medians(figures)))
    for name, row in figures.items():
        print(
            name,
            {
                k: round(v, 3)
                for k, v in (row["last"] | row["best"]).items()
                if "/" not in k or k.startswith(("best", "train/updates"))
            },
        )


if __name__ == "__main__":
    main()
