"""Run folders as runs leave them, without running any."""

import json

import yaml

from seesaw.analysis.compare import text
from seesaw.analysis.compare.groups import compare_runs
from seesaw.analysis.compare.page import page
from seesaw.analysis.compare.reading import column_of, find, parent_of, read
from seesaw.training.loggers.csv_log import CSVLog
from seesaw.training.loggers.tracker import RunInfo
from seesaw.training.run_folder import Status

VALUES = {("none", 1): [40, 12, 20], ("none", 2): [50, 30, 25], ("none", 3): [45, 16, 18], ("ttur", 1): [30, 9, 35]}
"""(balance, seed) -> the distances of a run."""

HIGHER = {"frechet_digits": False, "modes_digits": True}


def leave(folder, config, distances=(), state="finished", protocol="digits, 1797 against 1797", **more):
    """A run folder as a run leaves it, with one evaluation every 10 kimg."""
    folder.mkdir(parents=True)
    (folder / "config.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    log = CSVLog(RunInfo(folder, "run"))
    for i in range(1, 10 * max(len(distances), 1) + 1):
        values = {"loss/D": 1 / i, "loss/G": i, "updates/G": 16 * i, "updates/D": 8 * i, "images_per_sec": 100 + i}
        log.log_metrics({f"train/{name}": value for name, value in values.items()}, 1000 * i)
    for i, value in enumerate(distances, start=1):
        log.log_metrics({"eval/frechet_digits": value, "eval/modes_digits": 10 - value // 10}, 10_000 * i)
    log.finish(0)
    best = {"best/frechet_digits": min(distances), "best/kimg": 0.0, "protocol": protocol} if distances else {}
    own = {"higher_is_better": HIGHER} | (best if state == "finished" else {})
    Status(folder).update(state, 10_000 * len(distances), **own, **more)


def note(folder, **more):
    """Add to the status."""
    status = json.loads((folder / "status.json").read_text(encoding="utf-8"))
    (folder / "status.json").write_text(json.dumps(status | more), encoding="utf-8")


def config(balance="none", seed=1, **more):
    parts = {} if balance == "none" else {balance: {"_target_": f"seesaw.gan.balance.{balance.upper()}", "D": 2.0}}
    return {
        "seed": seed,
        "kimg": 30,
        "loss": {},
        "penalty": {},
        "balance": parts,
        "run_dir": f"{balance}{seed}",
        **more,
    }


def compared(*paths, metric=None):
    folders = find(paths)
    runs, broken = read(folders)
    return compare_runs(parent_of(folders), runs, broken, None if metric is None else column_of(metric, runs))


def report(*paths, metric=None):
    """What `seesaw compare` prints of the runs, without drawing anything."""
    return text.report(compared(*paths, metric=metric))


def page_without_plots(folder):
    """compare.html of the runs in a folder, without drawing anything."""
    comparison = compared(folder)
    return page(comparison, [[] for _ in comparison.tables], folder)
