"""A whole run folder of a small untrained GAN, without the time of training."""

from pathlib import Path
from typing import Any

import torch
import yaml

from seesaw.training.build import build
from seesaw.training.checkpoint_file import FORMAT
from seesaw.training.checkpoints import AtomicIO
from seesaw.training.preflight import compose_checked

TINY = ("model=mlp", "model.G.widths=[8]", "model.D.widths=[8]", "data.resolution=8", "kimg=0.064", "batch_size=16",
        "metrics.n=64", "logger=none", "trainer=cpu")  # fmt: skip
"""Overrides of a run that takes no time."""


def write_run(folder: Path, config: dict[str, Any]) -> Path:
    """Write config.yaml and checkpoints/last.ckpt of this configuration at 64 images, and return the checkpoint's path."""
    return write_model(folder, config, build(config)[0])


def write_model(folder: Path, config: dict[str, Any], model: Any) -> Path:
    """As `write_run`, of this model."""
    content = {"state_dict": model.state_dict(), "config": config, "progress": {"images_shown": 64}, "format": FORMAT}
    AtomicIO().save_checkpoint(content, folder / "checkpoints/last.ckpt")
    (folder / "config.yaml").write_text(yaml.safe_dump(config, sort_keys=False), encoding="utf-8")
    return folder / "checkpoints/last.ckpt"


def tiny_run(folder: Path, *overrides: str) -> Path:
    """`write_run` of `TINY` and these overrides."""
    return write_run(folder, compose_checked([*TINY, *overrides]))


def change(path: Path, **keys: Any) -> None:
    """Set keys of the checkpoint, or of its configuration where they begin with `config__` (two underscores for each dot)."""
    content = torch.load(path, weights_only=True)
    for key, value in keys.items():
        *parents, last = key.split("__")
        node = content
        for parent in parents:
            node = node[parent]
        node[last] = value
    torch.save(content, path)
