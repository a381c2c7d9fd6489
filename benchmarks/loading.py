"""What `seesaw.load` takes beside importing torch: python benchmarks/loading.py [--rounds 5]

Each time is the CPU seconds of a new process with one thread that imports torch, or loads a checkpoint, in turns. The checkpoints
are of the models as they start, with optimiser states left out. Writes benchmarks/results/loading.json.
"""

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "tools"))
from origin import ROOT, origin

RESULTS = Path(__file__).parent / "results" / "loading.json"
MODELS = {
    "dcgan_small, 28 px": ["model=dcgan_small"],
    "stylegan2_small, 28 px": ["model=stylegan2_small"],
    "dcgan, 64 px": ["model=dcgan", "data.resolution=64"],
    "stylegan2, 64 px": ["model=stylegan2", "data.resolution=64"],
}
"""Name -> overrides."""

TORCH = "import torch"
LOAD = "import seesaw; run = seesaw.load({path!r}, device='cpu')"


def checkpoint(overrides: list[str], path: Path) -> Path:
    """Write a checkpoint of the model as it starts."""
    import torch

    from seesaw.training.build import build
    from seesaw.training.checkpoint_file import FORMAT
    from seesaw.training.preflight import compose_checked

    config = compose_checked([*overrides, "metrics=none", "logger=none"])
    model, _ = build(config)
    content = {"state_dict": model.state_dict(), "config": config, "progress": {"images_shown": 64}, "format": FORMAT}
    torch.save(content, path)
    return path


def seconds(program: str) -> float:
    """CPU seconds of a process that runs the program."""
    environment = os.environ | {"PYTHONPATH": str(ROOT / "src"), "OMP_NUM_THREADS": "1"}
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-c", program], check=True, env=environment)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def measure(rounds: int, folder: Path) -> dict[str, Any]:
    """Seconds of each program, in turns after one that fills the file cache: medians, and those of what is over torch."""
    paths = {
        name: str(checkpoint(overrides, folder / f"{k}.ckpt")) for k, (name, overrides) in enumerate(MODELS.items())
    }
    programs = {"import torch": TORCH}
    programs |= {f"load {name}": LOAD.format(path=path) for name, path in paths.items()}
    for program in programs.values():
        seconds(program)
    turns = [{name: seconds(program) for name, program in programs.items()} for _ in range(rounds)]
    over = {name: [turn[name] - turn["import torch"] for turn in turns] for name in programs}
    return {
        name: {"median": statistics.median(t[name] for t in turns), "over_torch": statistics.median(over[name])}
        for name in programs
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = measure(given.rounds, Path(folder))
    command = f"python benchmarks/loading.py --rounds {given.rounds}"
    RESULTS.write_text(
        json.dumps({"origin": origin(command, "one thread, CPU seconds"), "seconds": found}, indent=1) + "\n",
        encoding="utf-8",
    )
    for name, each in found.items():
        print(f"{name:<42}{each['median']:>6.2f} s  {each['over_torch']:>+6.2f} s over torch")


if __name__ == "__main__":
    main()
