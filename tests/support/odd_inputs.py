"""Command lines that a user might get wrong, generated: every key with values of the wrong kind, and pairs of options.

`python tests/support/odd_inputs.py COUNT [SEED]` gives them to train.py as dry runs and prints those that end otherwise than with
exit code 0, or 1 and one sentence; tests/test_odd_inputs.py does the same with fewer.
"""

import itertools
import random
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from command_lines import TRAINING, Command, Ended, forked
from omegaconf import OmegaConf
from PIL import Image

from seesaw.config.compose import compose
from seesaw.config.options import config_dir, groups

WRONG = (
    "abc", "-1", "0", "1", "3", "-0.5", "1e9", "1e-9", "1e400", "nan", "inf", "-inf", "null", "true", "''", "' '", "[]", "[1,2]",
    "[abc]", "{}", "{a: 1}", "{shape: cosine}", "{shape: linear, start: 1, end: -1}", "123456789012345678901234567890",
    "'${seed}'", "'${nothing}'", "???", "größe", "a/b", "..", "~", "{_target_: os.system}", "{_target_: torch.nn.Linear}", "1e-1",
)  # fmt: skip
"""Values that hardly any key takes."""

BASES: tuple[Command, ...] = (
    (),
    ("model=msggan_small",),
    ("model=progan_small",),
    ("model=mlp_points", "data=gaussians_ring"),
    ("model=dcgan", "data=folder", "data.root=REALS", "data.resolution=32"),
    ("model=mlp", "loss=wasserstein", "penalty=wgan_gp"),
    ("penalty=[r1,r2]", "balance=[ttur,skip_d]", "schedule=cosine"),
    ("data=stacked_digits",),
)
"""Runs whose keys are tried."""

QUIET = ("dry_run=true", "logger=none", "trainer=cpu")


def inputs(count: int, seed: int) -> list[Command]:
    """So many command lines, each once: two thirds wrong values of keys, one third pairs of options of two groups."""
    draw = random.Random(seed)
    keys = [(base, key) for base in BASES for key in leaves(base)]
    options = [(group, option) for group, names in groups(config_dir()).items() for option in names]
    pairs = [pair for pair in itertools.combinations(options, 2) if pair[0][0] != pair[1][0]]
    found: dict[Command, None] = {}
    while len(found) < count:
        if draw.random() < 2 / 3:
            base, key = draw.choice(keys)
            found[(*base, f"{key}={draw.choice(WRONG)}", *QUIET)] = None
        else:
            chosen = draw.choice(pairs)
            rest = [f"{key}={value}" for key, value in (("dry_run", "true"),)]
            found[(*(f"{group}={option}" for group, option in chosen), *rest)] = None
    return list(found)


def leaves(base: Command) -> list[str]:
    """Every key of the composed configuration, mappings included."""
    cfg, _ = compose([*base])  # the folder of images is not looked for yet
    return [key for key in _keys(OmegaConf.to_container(cfg, resolve=False), "") if not key.startswith("hydra")]


def _keys(node: Any, path: str) -> Iterator[str]:
    for key, value in node.items() if isinstance(node, dict) else ():
        name = f"{path}.{key}" if path else str(key)
        yield name
        yield from _keys(value, name)


def wrong(done: Ended) -> str | None:
    """What is wrong with how a command ended; None where all is well."""
    if done.returncode not in (0, 1):
        return f"exit code {done.returncode}"
    for word in ("Traceback", "unexpected"):
        if word in done.stderr + done.stdout:
            return word
    last = (done.stderr.rstrip().splitlines() or [""])[-1]
    if done.returncode == 1 and not last.startswith("seesaw: "):
        return "no sentence"
    return None


def campaign(folder: Path, count: int, seed: int) -> dict[Command, tuple[str, Ended]]:
    """The command lines that ended in another way than they should, and how."""
    reals = folder / "reals"
    reals.mkdir()
    for number in range(12):
        pixels = np.random.default_rng(number).integers(0, 256, (32, 32, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(reals / f"{number}.png")
    commands = [tuple(a.replace("REALS", str(reals)) for a in command) for command in inputs(count, seed)]
    found: dict[Command, Ended] = {}
    for number, start in enumerate(range(0, count, 100)):
        part = folder / str(number)
        part.mkdir(parents=True)
        found |= forked(part, commands[start : start + 100], TRAINING)
    return {command: (what, done) for command, done in found.items() if (what := wrong(done)) is not None}


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as scratch:
        bad = campaign(Path(scratch), int(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 0)
        for command, (what, done) in bad.items():
            print(what, " ".join(command), "|", done.stderr.strip().splitlines()[-1:] or done.stdout.splitlines()[-1:])
        print(f"{len(bad)} of {sys.argv[1]} ended badly")
