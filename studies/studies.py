"""The runs behind the figures in README and docs: python studies/studies.py NAME [--only TEXT] [--jobs 2]

Resumable: a finished run is not run again. Writes studies/results/NAME.json with machine, date and versions, and prints the
table. Studies: main_job, mlp, fashion_mnist, skip_d, gaussians, stacked_digits, emoji, families_digits,
families_fashion, families_today, learning_rates, packing, packing_slow, conditional, augment, transfer.
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
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "tools"))
from origin import origin

from seesaw.analysis.compare.reading import read_run, shown

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "studies" / "results"

STRONG_D = [  # D's learning rate is ten times the classic 2e-4 that G keeps; nothing else holds D back
    "optimizer.G.lr=2e-4", "optimizer.D.lr=2e-3", "penalty=none", "schedule=constant", "kimg=60",
    "evaluate_kimg=10", "sample_kimg=60",
]  # fmt: skip
POINTS = {
    "grid mlp": ["model=mlp", "data=gaussians_grid", "evaluate_kimg=100"],
    "grid mlp_points": ["model=mlp_points", "data=gaussians_grid", "evaluate_kimg=500"],
    "ring mlp_points": ["model=mlp_points", "data=gaussians_ring", "evaluate_kimg=500"],
}
STACKED = [
    "model=dcgan_small",
    "data=stacked_digits",
    "model.G.z_dim=64",
    "kimg=200",
    "evaluate_kimg=100",
    "sample_kimg=100",
]
PACKING = [  # half of dcgan_small's widths and three times its latent dimensions: three digits an image
    "model=dcgan_small", "data=stacked_digits", "model.G.z_dim=18", "model.G.width=16", "model.D.width=16", "kimg=120",
    "evaluate_kimg=120", "sample_kimg=120",
]  # fmt: skip
SMALL_SETS = {
    "300 digits": ["data=digits", "data.limit=300"],
    "1000 emoji": ["data=folder", "data.root=cache/emoji64", "data.limit=1000", "metrics=efflite0", "model.G.z_dim=64",
                   "penalty.r1.gamma=2"],
}  # fmt: skip
SMALL = ["model=dcgan_small", "kimg=60", "evaluate_kimg=10", "sample_kimg=20", "data.holdout=0.2", "metrics.against=held_out"]
SLOW = ["optimizer.G.lr=2e-4", "optimizer.D.lr=2e-4", "schedule=constant"]
FAMILIES = {  # about four minutes each on one core; what they show at equal images is read from the same runs
    "dcgan_small": ["model=dcgan_small", "kimg=240"],
    "progan_small": ["model=progan_small"],
    "msggan_small": ["model=msggan_small"],
}
FONTS = [  # many fonts, so that a generator must learn letters and not files: python tools/fetch_fonts.py
    "data=glyphs", "data.root=cache/fonts", "data.count=2", "metrics=glyphs", "metrics.n=1000",
]  # fmt: skip
TRANSFER = [  # both alphabets have the same fonts; distances are to families of fonts that no run has seen
    *FONTS, "model=dcgan_small", "model.G.z_dim=32", "metrics.against=held_out", "kimg=24", "evaluate_kimg=3", "sample_kimg=12",
]  # fmt: skip
LABELLED = {"digits": ["data=digits"], "glyphs": FONTS}
BRIEF = {  # two to four minutes on one core with AVX2 alone
    "dcgan_small": ["model=dcgan_small", "kimg=40"],
    "progan_small": ["model=progan_small", "kimg=48", "model.growth.fade=4000", "model.growth.stabilise=4000"],
    "msggan_small": ["model=msggan_small", "kimg=20"],
}
TODAY = {  # about five minutes on one core with AVX2 alone; dcgan_small again, so that all rows are of one day and machine
    "dcgan_small": ["model=dcgan_small", "kimg=60", "evaluate_kimg=4"],
    "sngan_small": ["model=sngan_small", "kimg=40", "evaluate_kimg=4"],
    "stylegan2_small": ["model=stylegan2_small", "kimg=40", "evaluate_kimg=4"],
    "r3gan_small": ["model=r3gan_small", "kimg=16", "evaluate_kimg=2"],
    "vae_small": ["model=vae_small", "evaluate_kimg=10"],
}
CONDITIONS = {"unconditional": [], "conditional": ["data.labels=true"]}
STUDIES: dict[str, dict[str, list[str]]] = {
    "main_job": {f"seed={s}": [f"seed={s}"] for s in (1, 2, 3)},
    "mlp": {f"seed={s}": ["model=mlp", f"seed={s}"] for s in (1, 2, 3)},
    "fashion_mnist": {f"seed={s}": ["data=fashion_mnist", f"seed={s}", "kimg=300", "evaluate_kimg=100"] for s in (1,)},
    "gaussians": {f"{name} seed={s}": [*how, f"seed={s}"] for name, how in POINTS.items() for s in (1, 2, 3)},
    "stacked_digits": {f"penalty={p} seed=1": [*STACKED, f"penalty={p}", "seed=1"] for p in ("none", "r1")},
    "emoji": {
        "seed=1": [
            "seed=1",
            "model=dcgan_small",
            "data=folder",
            "data.root=cache/emoji64",
            "metrics=efflite0",
            "model.G.z_dim=64",
            "penalty.r1.gamma=2",
            "kimg=120",
            "evaluate_kimg=60",
            "sample_kimg=30",
        ],
    },
    "families_digits": {
        f"{name} seed={s}": [*how, f"seed={s}", "evaluate_kimg=10", "sample_kimg=20"]
        for s in (1, 2, 3)
        for name, how in FAMILIES.items()
    },
    "families_fashion": {
        f"{name} seed={s}": [*how, f"seed={s}", "data=fashion_mnist", "evaluate_kimg=20", "sample_kimg=20"]
        for s in (1, 2, 3)
        for name, how in FAMILIES.items()
    },
    "families_today": {  # the families of 0.3.0 beside dcgan_small, at equal images and at equal minutes
        f"{data} {name} seed={s}": [*which, *how, f"seed={s}", "sample_kimg=8"]
        for data, which in LABELLED.items()
        for s in (1, 2, 3)
        for name, how in TODAY.items()
    },
    "conditional": {  # what labels do at equal images
        f"{data} {name} {kind} seed={s}": [*which, *how, *labels, f"seed={s}", "evaluate_kimg=8", "sample_kimg=8"]
        for data, which in LABELLED.items()
        for name, how in BRIEF.items()
        for kind, labels in CONDITIONS.items()
        for s in (1, 2, 3)
    },
    "learning_rates": {  # the claim of MSG-GAN's section 4.3: one setting serves where ProGAN has to be tuned
        f"{model} lr={lr} seed=1": [
            f"model={model}",
            f"optimizer.G.lr={lr}",
            f"optimizer.D.lr={lr}",
            "seed=1",
            "evaluate_kimg=20",
            "sample_kimg=20",
        ]
        for lr in ("1e-3", "3e-3", "5e-3", "1e-2")
        for model in ("msggan_small", "progan_small")
    },
    "packing": {  # PacGAN's question: does packing keep the modes, beside nothing and beside R1
        f"{name} seed={s}": [*PACKING, *how, f"seed={s}"]
        for s in (1, 2, 3, 4, 5)
        for name, how in {
            "plain": ["penalty=none"],
            "pac m=2": ["penalty=none", "balance=pac", "balance.pac.m=2"],
            "pac m=4": ["penalty=none", "balance=pac", "balance.pac.m=4"],
            "r1": ["penalty=r1"],
        }.items()
    },
    "packing_slow": {  # the same at the classic DCGAN's learning rate
        f"{name} seed={s}": [*PACKING, *SLOW, *how, f"seed={s}"]
        for s in (1, 2, 3, 4, 5)
        for name, how in {
            "plain": ["penalty=none"],
            "pac m=2": ["penalty=none", "balance=pac", "balance.pac.m=2"],
            "r1": ["penalty=r1"],
        }.items()
    },
    "augment": {  # small sets at equal images: what augmentation does for the distance to images that nobody trained on
        f"{name} augment={augment} seed={s}": [
            *SMALL,
            *how,
            f"augment={augment}",
            *(["augment.ada.speed_kimg=50"] if augment == "ada" else []),  # runs of 60 kimg, where the paper has 25,000
            f"seed={s}",
        ]
        for name, how in SMALL_SETS.items()
        for augment in ("none", "diffaugment", "ada")
        for s in (1, 2, 3)
    },
    "transfer": {  # does a generator of capitals learn small letters sooner, and does FreezeD help
        f"{name} seed={s}": [*TRANSFER, *(part.format(seed=s) for part in how), f"seed={s}"]
        for s in (1, 2, 3)
        for name, how in {
            "lower scratch": ["data.alphabet=lower"],
            "upper": ["data.alphabet=upper"],
            "lower transfer": ["data.alphabet=lower", "init_from=runs/studies/transfer/upper-seed{seed}"],
            "lower freeze_d 1": [
                "data.alphabet=lower",
                "init_from=runs/studies/transfer/upper-seed{seed}",
                "model.freeze_d=1",
            ],
        }.items()
    },
    "skip_d": {
        f"balance={b} seed={s}": [f"balance={b}", f"seed={s}", *STRONG_D]
        for b in ("none", "skip_d")
        for s in (1, 2, 3, 4, 5)
    },
}


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
        done = subprocess.run(command, cwd=ROOT, stdout=log, stderr=log, env=os.environ | {"OMP_NUM_THREADS": "1"})
    if done.returncode:
        raise SystemExit(f"{name} failed: see {folder / 'log.txt'}")


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
    former = json.loads(file.read_text(encoding="utf-8"))["runs"] if args.only and file.exists() else {}
    figures = {name: (former | found)[name] for name in STUDIES[args.study] if name in former | found}
    only = f" --only {shlex.quote(args.only)}" if args.only else ""
    result = {
        **origin(
            f"python studies/studies.py {args.study}{only} --jobs {args.jobs}",
            f"{args.jobs} runs at a time with one thread each",
        ),
        "half_floor": half_floor(next(iter(runs.values()))),
        "runs": figures,
    }
    RESULTS.mkdir(exist_ok=True)
    file.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print("half of the reals to the other:", result["half_floor"])
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
