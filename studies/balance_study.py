"""The study of docs/balance.md: python studies/balance_study.py [--seeds 3] [--jobs 2]

Every strategy (and R1 beside them) x two losses x three tasks x seeds, at equal images, without a penalty of the model's own,
so that the balance is what holds the game together. Resumable: a finished run is not run again; seeds are the outermost
loop, so that an interrupted study has whole rounds. Writes studies/results/balance_study.csv and .json;
studies/balance_plots.py draws.

A run is what `python train.py OVERRIDES` does, and the overrides stand in the table; one process makes many, because starting
Python and Lightning would take as long as half a run.
"""

import argparse
import csv
import json
import multiprocessing
import os
import sys
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "tools"))
from origin import origin

from seesaw.analysis.compare.reading import read_rows

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "studies" / "results"
FOLDER = ROOT / "runs" / "studies" / "balance"

NARROW = ["model.G.widths=[128,128,128]", "model.D.widths=[128,128,128]"]
TASKS = {  # each takes some 15 to 35 seconds of one core
    "grid": {
        "kimg": 500,
        "overrides": ["model=mlp_points", "data=gaussians_grid", "batch_size=128", "precision=exact", *NARROW],
        "judged_by": "reverse_kl_gaussians_grid",
    },
    "stacked": {
        "kimg": 48,
        "overrides": [
            "model=dcgan_small", "data=stacked_digits", "model.G.z_dim=18", "model.G.width=16", "model.D.width=16",
            "metrics.n=5000",
        ],
        "judged_by": "valid_reverse_kl_stacked_digits",
    },
    "digits": {
        "kimg": 32,
        "overrides": ["model=dcgan_small", "data=digits", "model.G.width=16", "model.D.width=16"],
        "judged_by": "frechet_digits",
    },
}  # fmt: skip
LOSSES = ("non_saturating", "hinge")


def strategies(kimg: float) -> dict[str, list[str]]:
    """Name -> overrides. Knobs are those of the files but for lengths of time, which follow the length of the run."""
    plain = (
        "none", "ttur", "skip_d", "n_critic", "change_rate", "gap_aware", "label_smoothing", "instance_noise", "lecam",
        "pac", "topk",
    )  # fmt: skip
    out = {name: [f"balance={name}", "penalty=none"] for name in plain}
    out["lecam"].append(f"balance.lecam.start_kimg={kimg / 8:g}")
    out["topk"].append(f"balance.topk.epoch_kimg={kimg / 70:g}")  # 0.99^70 is 1/2, where k stays
    return out | {"R1": ["balance=none", "penalty=r1"]}  # the model's own gamma


def cells(seeds: int) -> list[dict[str, Any]]:
    """The runs, seed by seed."""
    return [
        {"task": task, "loss": loss, "strategy": strategy, "seed": seed}
        for seed in range(1, seeds + 1)
        for task in TASKS
        for loss in LOSSES
        for strategy in strategies(1)
        if (strategy, loss) != ("label_smoothing", "hinge")  # a hinge has no labels: refused
    ]


def overrides_of(cell: dict[str, Any]) -> list[str]:
    task = TASKS[cell["task"]]
    kimg: Any = task["kimg"]
    return [
        *task["overrides"], f"loss={cell['loss']}", *strategies(kimg)[cell["strategy"]], f"seed={cell['seed']}",
        f"kimg={kimg}", f"evaluate_kimg={kimg}", f"sample_kimg={kimg}", f"log_kimg={kimg / 40:g}",
        "checkpoint_kimg=10000", "logger=csv", "trainer=cpu",
    ]  # fmt: skip


def folder_of(cell: dict[str, Any]) -> Path:
    return FOLDER / "-".join(str(v) for v in cell.values())


def play(cell: dict[str, Any]) -> dict[str, Any]:
    """One run, unless it is there already; its figures. Called in a worker process."""
    folder = folder_of(cell)
    state = read_json(folder / "status.json").get("state")
    if state not in ("finished", "failed"):
        train(cell, folder)
    return figures(cell, folder)


def train(cell: dict[str, Any], folder: Path) -> None:
    import shutil

    import torch

    from seesaw.config.compose import compose
    from seesaw.training.preflight import checked
    from seesaw.training.run import run
    from seesaw.training.run_folder import Job

    torch.set_num_threads(1)
    shutil.rmtree(folder, ignore_errors=True)  # of an interrupted study: half a minute is not worth a resume
    os.chdir(ROOT)
    overrides = [*overrides_of(cell), f"run_dir={folder}"]
    cfg, choices = compose(overrides)
    config = checked(cfg, overrides, choices)
    try:
        run(cfg, config, Job(choices=choices, run_dir=str(folder)))
    except Exception as error:  # a run that diverges is a result
        print(f"{folder.name}: {error}")


def figures(cell: dict[str, Any], folder: Path) -> dict[str, Any]:
    """The row of the table: what the run ended with, and what its balance did."""
    status, config = read_json(folder / "status.json"), " ".join(overrides_of(cell))
    row = {**cell, "state": status.get("state"), "kimg": status.get("kimg"), "protocol": status.get("protocol")}
    judged_by = str(TASKS[cell["task"]]["judged_by"])
    short = {
        "modes": ("modes_", "valid_modes_"),
        "high_quality": ("high_quality_",),
        "valid": ("valid_stacked_", "valid_digits"),
        "frechet": ("frechet_",),
    }
    last = {k.removeprefix("last/"): v for k, v in status.items() if k.startswith("last/")}
    row |= {"judged_by": judged_by, "value": last.get(judged_by)}
    row |= {name: next((v for k, v in last.items() if k.startswith(start)), None) for name, start in short.items()}
    rows = read_rows(folder / "metrics.csv")
    updates = {p: rows[f"train/updates/{p}"].dropna() for p in "GD" if f"train/updates/{p}" in rows}
    row |= {f"updates_{p}": round(values.iloc[-1]) for p, values in updates.items() if len(values)}
    return row | {"overrides": config}


def read_json(path: Path) -> dict[str, Any]:
    return dict(json.loads(path.read_text(encoding="utf-8"))) if path.is_file() else {}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--jobs", type=int, default=2, help="runs at a time, one thread each")
    args = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = "1"
    FOLDER.mkdir(parents=True, exist_ok=True)
    with ProcessPoolExecutor(args.jobs, multiprocessing.get_context("spawn")) as pool:
        rows = list(pool.map(play, cells(args.seeds)))
    names = list(dict.fromkeys(key for row in rows for key in row))
    RESULTS.mkdir(exist_ok=True)
    with open(RESULTS / "balance_study.csv", "w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, names)
        writer.writeheader()
        writer.writerows(rows)
    how = origin(
        f"python studies/balance_study.py --seeds {args.seeds} --jobs {args.jobs}",
        f"{args.jobs} runs at a time with one thread each",
    )
    (RESULTS / "balance_study.json").write_text(
        json.dumps({**how, "runs": len(rows)}, indent=1) + "\n", encoding="utf-8"
    )
    failed = [row for row in rows if row["state"] != "finished"]
    print(f"{len(rows)} runs, {len(failed)} did not finish: {[folder_of_row(row) for row in failed]}")


def folder_of_row(row: dict[str, Any]) -> str:
    return "-".join(str(row[key]) for key in ("task", "loss", "strategy", "seed"))


if __name__ == "__main__":
    main()
