"""Every model of conf/model made small, as a run folder whose weights are anything but initial: G's average is not G, running
statistics and the mean of w have values, a growing model stands in the middle of a fade."""

from functools import cache
from pathlib import Path
from typing import Any

import torch
from tiny_run import write_model
from torch import nn

from seesaw.config.compose import compose
from seesaw.functional.staged import Staged
from seesaw.training.build import build
from seesaw.training.preflight import compose_checked
from seesaw.types import Stage

CONF = Path(__file__).parents[2] / "conf" / "model"
MODELS = sorted(file.stem for file in CONF.glob("*.yaml") if file.stem[0] != "_" and file.stem != "style_transfer")
"""All that make images or points from latents."""

SMALLER = {"width": 4, "max_width": 16, "base": 64, "widths": [8, 8], "w_dim": 8, "z_dim": 8, "group_size": 4,
           "size": 64, "halvings": 2}  # fmt: skip
"""Arguments of the networks that make them small."""

SHAKEN = ("G", "G_ema", "D", "encoder", "decoder", "decoder_ema")


@cache
def networks(model: str) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """The networks of a model with the names of their arguments, of which the configuration speaks."""
    chosen = compose([f"model={model}", *data_of(model)])[0].model
    found = [key for key in ("G", "D", "encoder", "decoder") if key in chosen]
    return tuple((key, tuple(str(name) for name in chosen[key])) for key in found)


def data_of(model: str) -> list[str]:
    """The data of a small run of the model."""
    return ["data=gaussians_ring", "data.n=200"] if model == "mlp_points" else ["data=digits", "data.resolution=16"]


def overrides(model: str, labels: bool = False) -> list[str]:
    """Of a small run of the model."""
    smaller = [
        f"model.{key}.{name}={value}".replace(" ", "")
        for key, names in networks(model)
        for name, value in SMALLER.items()
        if name in names
    ]
    more = ["logger=none", "trainer=cpu", "batch_size=8", "metrics=none", f"data.labels={str(labels).lower()}"]
    return [f"model={model}", *data_of(model), *smaller, *more]


def small_run(folder: Path, model: str, labels: bool = False, *more: str) -> Path:
    """A run folder of the small model with shaken weights; the path of its checkpoint."""
    config = compose_checked([*overrides(model, labels), "seed=3", *more])
    net, _ = build(config)
    shake(net)
    return write_model(folder, config, net)


@torch.no_grad()
def shake(model: Any) -> None:
    """Move every weight and running statistic by a little, each copy of G by another amount; set a growing model into a fade."""
    generator = torch.Generator().manual_seed(1)

    def noise(x: torch.Tensor) -> torch.Tensor:
        return torch.randn(x.shape, generator=generator).to(x)

    for name, x in [*model.named_parameters(), *model.named_buffers()]:
        if x.is_floating_point() and x.ndim and name.partition(".")[0] in SHAKEN:
            x.add_(0.05 * noise(x).abs() if "running_var" in name else 0.05 * noise(x))
    for module in model.modules():
        if isinstance(module, Staged):
            module.set_stage(Stage(2, 0.25))


def batch_norms(net: nn.Module) -> int:
    """How many layers of BatchNorm a network has."""
    return sum(isinstance(module, nn.modules.batchnorm._BatchNorm) for module in net.modules())
