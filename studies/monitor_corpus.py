"""The labelled runs behind docs/monitor.md: python studies/monitor_corpus.py [--part short] [--limit 30] [--jobs 2]

Every run is healthy by construction (a shipped recipe, made small) or has one fault of studies/monitor_faults.py, so the
truth comes from what was done to it and from no figure that the monitor reads. The short families set the thresholds of
conf/monitor/default.yaml; the held-out families test them, and run after those are committed. Resumable: a finished run is not
run again, and the figures of each are kept, so that the monitor can judge them once more (--judge judges, and runs nothing).
Writes studies/results/monitor_corpus.json, and the figures of all runs, to four digits, into monitor_corpus.jsonl.gz beside
it: a clone judges these, and makes only the runs that are missing. Runs are made many to a process, since starting one would
take as long as a run.
"""

import argparse
import gzip
import json
import math
import multiprocessing
import os
import random
import shutil
import sys
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

sys.path.insert(0, str(Path(__file__).parents[1] / "tools"))
from intervals import wilson
from origin import origin

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "studies" / "results"
FOLDER = ROOT / "runs" / "studies" / "monitor_corpus"
KEPT = RESULTS / "monitor_corpus.jsonl.gz"
EVALUATIONS = 24
"""Of each run; a verdict needs two that agree, so fewer could not be quick in shares of a run."""

POINTS = [  # modes ten times as wide as published are learned in seconds
    "model=mlp_points", "model.G.widths=[128,128]", "model.D.widths=[128,128]", "batch_size=128", "data.n=1000", "metrics.n=1000",
]  # fmt: skip
DIGITS = ["data=digits", "data.limit=300", "data.resolution=16"]
PROGRESSIVE = [f"model.{net}.{size}" for net in "GD" for size in ("max_width=16", "base=128")]
FAMILIES: dict[str, tuple[float, list[str]]] = {  # kimg, overrides
    "ring": (80, [*POINTS, "data=gaussians_ring", "data.std=0.05"]),
    "grid": (80, [*POINTS, "data=gaussians_grid", "data.std=0.2"]),
    "mlp": (12, [*DIGITS, "model=mlp", "batch_size=32", "model.G.widths=[128,256]", "model.D.widths=[128,64]", "penalty=r1"]),
    "dcgan_small": (10, [*DIGITS, "model=dcgan_small", "model.G.width=12", "model.D.width=12", "batch_size=32"]),
}
HELD_OUT: dict[str, tuple[float, list[str]]] = {
    "progan": (24, ["data=digits", "model=progan_small", "model.growth.fade=2000", "model.growth.stabilise=2000", *PROGRESSIVE]),
    "msggan": (16, ["data=digits", "model=msggan_small", *PROGRESSIVE]),
    "stylegan2": (16, ["data=digits", "model=stylegan2_small", *PROGRESSIVE, "model.G.w_dim=16"]),
    "r3gan": (16, ["data=digits", "model=r3gan_small"]),
    "sngan": (16, ["data=digits", "model=sngan_small"]),
    "vae": (16, ["data=digits", "model=vae_small"]),
}  # fmt: skip
LOSSES = {  # healthy pairs of a loss and a penalty; wgan_gp needs five steps of D for one of G, too long for a minute
    "recipe": [],
    "hinge": ["loss=hinge", "penalty=r1"],
    "rpgan": ["loss=rpgan", "penalty=r1_r2"],
    "least_squares": ["loss=least_squares", "penalty=r1"],
    "relativistic_hinge": ["loss=relativistic_hinge", "penalty=r1"],
}


def planted(kind: str, start: float, kimg: float, **options: Any) -> list[str]:
    """The overrides that plant a fault."""
    values = {"start": start, "kimg": kimg, **options}
    at = "+callbacks.fault"
    given = [f"{at}.{name}={value}".replace(" ", "") for name, value in values.items()]
    return ["packages=[monitor_faults]", f"{at}._target_=monitor_faults.{kind}", *given]


def faults(family: str, kimg: float) -> dict[str, tuple[str, float, list[str]]]:
    """Name -> expected state, share of the run at which it begins, overrides."""
    points, half = family in ("ring", "grid"), 0.45
    modes = [0, 1, 2] if points or family in FAMILIES else [3, 7]

    def one(state: str, start: float, kind: str, **options: Any) -> tuple[str, float, list[str]]:
        return state, start, planted(kind, start, kimg, **options)

    found = {
        "one image": one("collapsed", half, "Repeats", k=1),
        "one image at once": one("collapsed", 0.0, "Repeats", k=1),
        "ten images": one("collapsed", half, "Repeats", k=3 if points else 10),
        "few modes": one("mode_dropping", half, "Repeats", modes=modes),
        "copies": one("memorising", half, "Repeats", noise=0.001),
        "dead layer of D": one("g_dominates", half, "Pinned", player="D", dead="true"),
        "frozen D": one("g_dominates", 0.0, "Pinned", player="D"),
        "frozen G": one("stalled", 0.0, "Pinned", player="G"),
        "lr x 3000": one("diverging", half, "Faster", g=3000, d=3000),
        "lr x 3000 at once": one("diverging", 0.0, "Faster", g=3000, d=3000),
        "strong D": ("d_dominates", 0.0, [*planted("Faster", 0.0, kimg, g=0.02, d=10), "penalty=none"]),
    }
    if points:  # no two points of a mode are copies of each other in any sense that a set of 2,000 could show
        del found["copies"]
    else:
        found["by heart"] = ("memorising", 0.0, ["data.limit=60", "data.holdout=0.3", "penalty=none"])
    if family == "vae":
        found = {name: f for name, f in found.items() if "player" not in str(f) and "Faster" not in str(f) and name != "by heart"}
    return found


class Case(NamedTuple):
    """A labelled run. `state`: what was planted; healthy: nothing. `start`: share of the run at which the fault begins."""

    part: str
    family: str
    what: str
    seed: int
    state: str
    start: float
    overrides: list[str]

    @property
    def name(self) -> str:
        return f"{self.family}-{self.what}-{self.seed}".replace(" ", "_")


def cases() -> list[Case]:
    """All runs, in an order in which every beginning has all kinds: shuffled by a fixed key within each part."""
    found = []
    for part, families, healthy, faulty in (("short", FAMILIES, 5, 3), ("held_out", HELD_OUT, 5, 1)):
        for family, (kimg, how) in families.items():
            common = [*how, f"kimg={kimg}", f"evaluate_kimg={kimg / EVALUATIONS:g}", f"log_kimg={kimg / EVALUATIONS / 2:g}"]
            for seed in range(1, healthy + 1):
                for loss, more in (LOSSES if part == "short" else {"recipe": []}).items():
                    found.append(Case(part, family, loss, seed, "healthy", 1.0, [*common, *without(common, more)]))
            for seed in range(1, faulty + 1):
                for what, (state, start, more) in faults(family, kimg).items():
                    kept = [one for one in common if one.partition("=")[0] not in {m.partition("=")[0] for m in more}]
                    found.append(Case(part, family, what, seed, state, start, [*kept, *more]))
    random.Random(18).shuffle(found)
    return found


def without(common: list[str], more: list[str]) -> list[str]:
    """What `more` adds; what it sets again leaves `common`."""
    for one in [c for c in common if c.partition("=")[0] in {m.partition("=")[0] for m in more}]:
        common = common.copy()
        common.remove(one)
    return more


def play(case: Case) -> dict[str, Any]:
    """One run, unless its figures are there; in a worker process."""
    kept = FOLDER / f"{case.name}.json"
    if kept.is_file():
        return dict(json.loads(kept.read_text(encoding="utf-8")))
    began = time.process_time()
    found = train(case)
    found["cpu_seconds"] = round(time.process_time() - began, 1)
    kept.parent.mkdir(parents=True, exist_ok=True)
    kept.write_text(json.dumps(found) + "\n", encoding="utf-8")
    return found


def train(case: Case) -> dict[str, Any]:
    import torch

    from seesaw.config.compose import compose
    from seesaw.training.preflight import checked
    from seesaw.training.run import run
    from seesaw.training.run_folder import Job, read_status

    torch.set_num_threads(1)
    sys.path.insert(0, str(ROOT / "studies"))
    os.chdir(ROOT)
    folder = FOLDER / case.name
    shutil.rmtree(folder, ignore_errors=True)
    given = dict(one.split("=", 1) for one in case.overrides)  # a later one replaces an earlier
    overrides = [f"{name}={value}" for name, value in given.items()]
    overrides += [f"seed={case.seed}", f"run_dir={folder}", "logger=none", "trainer=cpu"]
    overrides += ["sample_kimg=1000000", "checkpoint_kimg=1000000"]
    cfg, choices = compose(overrides)
    config = checked(cfg, overrides, choices)
    watched: dict[str, Any] = {}
    kept = keep_records(watched)
    try:
        run(cfg, config, Job(choices=choices, overrides=overrides, run_dir=str(folder)))
    except Exception as error:  # a run that diverges is a result
        print(f"{case.name}: {error}", flush=True)
    finally:
        kept()
    status = read_status(folder)
    shutil.rmtree(folder, ignore_errors=True)
    return {"overrides": overrides, "state": status.get("state"), "verdicts": status.get("verdicts"), **watched}


def keep_records(into: dict[str, Any]) -> Any:
    """Let the run's monitor leave its figures in `into`; returns what ends that."""
    from seesaw.training.callbacks.monitor import Watch

    usual = Watch.note

    def note(self: Watch, trainer: Any, pl_module: Any) -> None:
        usual(self, trainer, pl_module)
        m = self.monitor
        into.update(length=m.length, settled=m.settled, records=[[r.images, dict(r.values)] for r in m.records])
        into["broken"] = m.last is not None and "not finite" in m.last.reason

    Watch.note = note  # type: ignore[method-assign]

    def end() -> None:
        Watch.note = usual  # type: ignore[method-assign]

    return end


def unpack() -> None:
    """Lay the figures that are committed beside those of this machine, which come first."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    if not KEPT.is_file():
        return
    for line in gzip.decompress(KEPT.read_bytes()).decode().splitlines():
        one = json.loads(line)
        if not (file := FOLDER / f"{one.pop('name')}.json").is_file():
            file.write_text(json.dumps(one) + "\n", encoding="utf-8")


def pack() -> None:
    """Keep the figures of all runs in one file."""
    lines = []
    for file in sorted(FOLDER.glob("*.json")):
        one = json.loads(file.read_text(encoding="utf-8"))
        kept = {key: one[key] for key in ("state", "cpu_seconds", "length", "settled", "broken") if key in one}
        records = [[images, {k: float(f"{v:.4g}") for k, v in values.items()}] for images, values in one.get("records", [])]
        lines.append(json.dumps({"name": file.stem, **kept, "records": records}))
    KEPT.write_bytes(gzip.compress("\n".join(lines).encode(), 9, mtime=0))


def judge(found: dict[str, Any]) -> list[tuple[float, str, str]]:
    """Share of the run, state and reason at each evaluation, by the committed thresholds."""
    monitor = shipped_monitor()
    monitor.begin(found.get("length", math.inf), found.get("settled", 0))
    out = []
    for images, values in found.get("records", []):
        verdict = monitor.observe(images, values)
        out.append((images / monitor.length, verdict.state, verdict.reason))
    if found.get("broken") or found.get("state") == "failed":
        ended = (out[-1][0] if out else 0.0) + 1 / EVALUATIONS  # at the latest: before the evaluation that would have come next
        out.append((ended, "diverging", "not finite"))
    return out


def shipped_monitor() -> Any:
    import yaml

    from seesaw.training.build import construct

    return construct(yaml.safe_load((ROOT / "conf" / "monitor" / "default.yaml").read_text(encoding="utf-8")), "monitor")


HEALTHY = ("warming_up", "healthy")


def row(case: Case, found: dict[str, Any]) -> dict[str, Any]:
    """What the monitor made of a run: whether it ever accused it, when, of what, and what it held at the end."""
    judged = judge(found)
    accused = [(share, state, reason) for share, state, reason in judged if state not in HEALTHY]
    after = [one for one in accused if one[0] > case.start or not case.start]  # a run may end before it is measured
    first = after[0] if after else None
    return {
        "part": case.part, "family": case.family, "what": case.what, "seed": case.seed, "planted": case.state,
        "start": case.start, "accused": bool(accused if case.state == "healthy" else after),
        "early": case.start < 1 and len(after) < len(accused),
        "delay": None if first is None else round(first[0] - case.start, 4), "last": judged[-1][1] if judged else "none",
        "first": None if not accused else accused[0][1:], "ended": found.get("state"), "cpu_seconds": found.get("cpu_seconds"),
    }  # fmt: skip


def summary(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Recall and false alarms with their intervals, the confusion matrix in counts, the median and 0.9 quantile of the delay."""
    faulty, healthy = ([r for r in rows if (r["planted"] != "healthy") == wrong] for wrong in (True, False))
    matrix: dict[str, Counter[str]] = {}
    for r in rows:
        matrix.setdefault(r["planted"], Counter())[r["last"]] += 1
    return {
        "runs": len(rows), "faulty": len(faulty), "healthy": len(healthy),
        "recall": wilson(sum(r["accused"] for r in faulty), len(faulty)),
        "false_alarms": wilson(sum(r["accused"] for r in healthy), len(healthy)),
        "accused_before_the_fault": wilson(sum(r["early"] for r in faulty if r["delay"] is not None), len(faulty)),
        "delay_of_a_fault_that_begins_later": delay([r for r in faulty if r["start"]]),
        "delay_of_a_fault_from_the_start": delay([r for r in faulty if not r["start"]]),
        "confusion_of_the_last_verdict": {planted: dict(counts) for planted, counts in sorted(matrix.items())},
    }  # fmt: skip


def delay(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Of the faults that were found: the median and the 0.9 quantile of the share of the run that went by before."""
    delays = sorted(r["delay"] for r in rows if r["accused"])
    if not delays:
        return {"found": 0}
    median, most = delays[len(delays) // 2], delays[int(0.9 * (len(delays) - 1))]
    return {"found": len(delays), "median": median, "0.9": most, "median_evaluations": round(median * EVALUATIONS, 1)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--part", choices=("short", "held_out", "all"), default="all")
    parser.add_argument("--only", default="", help="runs whose name holds this text")
    parser.add_argument("--limit", type=int, default=None, help="the first so many runs of the part")
    parser.add_argument("--jobs", type=int, default=2, help="runs at a time, one thread each")
    parser.add_argument("--judge", action="store_true", help="judge the kept figures once more, and run nothing")
    args = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = "1"
    unpack()
    chosen = [c for c in cases() if args.part in (c.part, "all") and args.only in c.name][: args.limit]
    if args.judge:
        chosen = [case for case in chosen if (FOLDER / f"{case.name}.json").is_file()]
    with ProcessPoolExecutor(args.jobs, multiprocessing.get_context("spawn")) as pool:
        found = list(pool.map(play, chosen))
    rows = [row(case, one) for case, one in zip(chosen, found, strict=True)]
    parts = {part: summary([r for r in rows if r["part"] == part]) for part in ("short", "held_out")}
    how = origin("python studies/monitor_corpus.py", f"{args.jobs} runs at a time with one thread each")
    RESULTS.mkdir(exist_ok=True)
    text = json.dumps({**how, **parts, "rows": rows}, indent=1)
    (RESULTS / "monitor_corpus.json").write_text(text + "\n", encoding="utf-8")
    pack()
    print(json.dumps(parts, indent=1))
    for r in rows:
        if r["accused"] == (r["planted"] == "healthy") or r["early"]:
            print(r["family"], r["what"], r["seed"], "planted", r["planted"], "first", r["first"], r["last"])


if __name__ == "__main__":
    main()
