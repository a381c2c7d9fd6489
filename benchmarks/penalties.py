"""What a discriminator's step with R1 costs, by torch's convolution and by ours: python benchmarks/penalties.py [--rounds 9]

Both are differentiated twice (`seesaw.functional.convolution`) and give the same gradients but for rounding. One thread; they
take turns, and what is compared is CPU seconds of the same turn. Writes benchmarks/results/penalties.json.
"""

import argparse
import json
import os
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

sys.path.insert(0, str(Path(__file__).parents[1] / "tools"))
import torch
import torch.nn.functional as F
from fid import spread
from origin import origin
from torch import Tensor, nn

from seesaw.functional.convolution import SecondOrderLayer
from seesaw.functional.penalties import squared_gradient_norm
from seesaw.nets import dcgan, msggan, progan
from seesaw.types import Pyramid, Stage

RESULTS = Path(__file__).parent / "results" / "penalties.json"


def grown(D: progan.Discriminator) -> progan.Discriminator:
    D.set_stage(Stage(3, 1.0))
    return D


def alone(n: int, channels: int, size: int) -> Pyramid:
    return [torch.randn(n, channels, size, size).contiguous(memory_format=torch.channels_last)]


def scales(n: int, channels: int, size: int) -> Pyramid:
    return [alone(n, channels, size >> k)[0] for k in reversed(range(4))]


CASES: dict[str, tuple[Callable[[], nn.Module], Pyramid]] = {
    "DCGAN of the main job, 32 px, batch 64": (lambda: dcgan.Discriminator(32, 1, width=32), alone(64, 1, 32)),
    "DCGAN, 64 px, batch 32": (lambda: dcgan.Discriminator(64, 3), alone(32, 3, 64)),
    "ProGAN, 32 px, 128 channels, batch 16": (
        lambda: grown(progan.Discriminator(32, 3, max_width=128)),
        alone(16, 3, 32),
    ),
    "MSG-GAN, 32 px, 128 channels, batch 16": (lambda: msggan.Discriminator(32, 3, max_width=128), scales(16, 3, 32)),
}


def step(D: nn.Module, images: Pyramid, ours: bool, bf16: bool) -> Callable[[], Tensor]:
    """One step's gradients, of the cross-entropy and R1, all in one vector."""
    layers = [module for module in D.modules() if isinstance(module, SecondOrderLayer)]

    def run() -> Tensor:
        for layer in layers:
            layer.second_order = ours
        D.zero_grad(set_to_none=True)
        with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
            real = [x.clone().requires_grad_() for x in images]
            on_real, on_fake = D(real).float(), D([x.flip(0) for x in images]).float()
            loss = (F.softplus(-on_real) + F.softplus(on_fake) + squared_gradient_norm(on_real, real)).mean()
        loss.backward()
        return torch.cat([p.grad.flatten() for p in D.parameters() if p.grad is not None])

    return run


def seconds(call: Callable[[], Any]) -> float:
    began = time.process_time()
    call()
    return time.process_time() - began


def measure(make: Callable[[], nn.Module], images: Pyramid, bf16: bool, rounds: int) -> dict[str, Any]:
    torch.manual_seed(0)
    D = make().to(memory_format=torch.channels_last)
    torchs, ours = (step(D, images, own, bf16) for own in (False, True))
    a, b = torchs(), ours()
    turns = [(seconds(torchs), seconds(ours)) for _ in range(rounds)]
    return {
        "torch, ms": 1000 * statistics.median(t for t, _ in turns),
        "ours, ms": 1000 * statistics.median(o for _, o in turns),
        "times": spread([t / o for t, o in turns]),
        "gradients differ by": ((a - b).norm() / a.norm()).item(),
    }


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    options.add_argument("--rounds", type=int, default=9)
    rounds = options.parse_args().rounds
    torch.set_num_threads(1)
    found: dict[str, Any] = origin(
        " ".join(["python benchmarks/penalties.py", *sys.argv[1:]]), "one thread, CPU seconds"
    )
    lines = ["| | float32 | bfloat16 |", "|---|---|---|"]
    for name, (make, images) in CASES.items():
        both = {kind: measure(make, images, kind == "bfloat16", rounds) for kind in ("float32", "bfloat16")}
        found[name] = both
        cells = [
            f"{b['times']['median']:.2f} ({b['times']['least']:.2f} to {b['times']['most']:.2f})" for b in both.values()
        ]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    RESULTS.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
