"""What an augmentation costs: CPU milliseconds an image, forward and backward, beside a step of the small DCGAN.

A part of `make bench`. An augmentation runs three times in a step (reals and fakes in D's, fakes in G's), and once backward;
under R1 twice more backward. Images are random, and p is 0.5: the work is the same at every p.
"""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from fid import cpu, spread
from hydra.utils import instantiate
from omegaconf import OmegaConf
from origin import ROOT

from seesaw.functional.penalties import squared_gradient_norm
from seesaw.gan.parts import Augmentation
from seesaw.nets import dcgan

BATCH = 64
SHAPES = ((1, 32), (3, 32), (3, 64))
"""Channels, and pixels of a side."""
PARTS: Mapping[str, tuple[str, dict[str, float]]] = {
    "diffaugment": ("diffaugment", {}),
    "ada": ("ada", {"p": 0.5}),
    "ada, all parts": ("ada", {"p": 0.5, "filter": 1, "noise": 1, "cutout": 1}),
}
"""Row -> file of conf/augment, and what is set in it."""


def augmentation(name: str) -> Augmentation:
    """As conf/augment has it."""
    option, more = PARTS[name]
    node: Any = OmegaConf.to_container(OmegaConf.load(ROOT / "conf" / "augment" / f"{option}.yaml"))
    made: Augmentation = instantiate(node[option] | more)
    return made


def both(part: Augmentation, channels: int, side: int) -> tuple[Callable[[], object], Callable[[], object]]:
    """The forward pass, and forward and backward."""
    images = torch.rand(BATCH, channels, side, side) * 2 - 1
    leaf = images.clone().requires_grad_()
    return lambda: part([images]), lambda: part([leaf])[0].sum().backward()


def d_step(channels: int, side: int) -> Callable[[], object]:
    """D's gradients with R1 in the small DCGAN of the main job, unaugmented."""
    D = dcgan.Discriminator(side, channels, width=32)
    reals = (torch.rand(BATCH, channels, side, side) * 2 - 1).requires_grad_()

    def step() -> None:
        logits = D([reals])
        (torch.nn.functional.softplus(-logits) + squared_gradient_norm(logits, [reals])).mean().backward()

    return step


def measure(rounds: int) -> dict[str, Any]:
    """CPU milliseconds an image, in turns."""
    found: dict[str, Any] = {"images a turn": BATCH}
    for channels, side in SHAPES:
        calls: dict[str, Callable[[], object]] = {"D's gradients with R1": d_step(channels, side)}
        for name in PARTS:
            calls[f"{name}, forward"], calls[f"{name}, forward and backward"] = both(augmentation(name), channels, side)
        for call in calls.values():
            call()
        times = [{name: 1000 * cpu(call) / BATCH for name, call in calls.items()} for _ in range(rounds)]
        found[f"{channels}x{side}x{side}"] = {name: spread([turn[name] for turn in times]) for name in calls}
    return found


def table(found: dict[str, Any]) -> str:
    """Markdown, a line a shape."""
    shapes = {name: each for name, each in found.items() if isinstance(each, dict)}
    names = list(next(iter(shapes.values())))
    lines = [f"| ms an image | {' | '.join(names)} |", "|---|" + "---|" * len(names)]
    lines += [
        "| " + " | ".join([shape, *(f"{each[n]['median']:.3g}" for n in names)]) + " |"
        for shape, each in shapes.items()
    ]
    return "\n".join(lines)
