"""What one does with a checkpoint of a finished or a running run: bring its model back, sample, measure."""

import json
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch

from seesaw.run.build import construct
from seesaw.run.checkpoints import load
from seesaw.run.folder import strict
from seesaw.run.pictures import sampled, save_png, sheet
from seesaw.run.scatter import MOST
from seesaw.types import UserError

INCEPTION = "seesaw.metrics.inception.InceptionExtractor"
TO_EVALUATE = "give its path by --fid FILE"


def device() -> torch.device:
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def restore(path: Path) -> tuple[pl.LightningModule, dict[str, Any], int]:
    """The model as it was saved, on this machine's device; its configuration; the images it had been shown."""
    checkpoint = load(path)
    config = checkpoint["config"]
    model = construct(config["model"], "model")
    model.load_state_dict(checkpoint["state_dict"])
    return model.to(device()).eval(), config, checkpoint["progress"]["images_shown"]


def sample(path: Path, count: int | None, seed: int, raw: bool, out: Path) -> str:
    """Write a PNG of `count` samples of a checkpoint, of latents keyed by `seed` (None: 64 images or 2,500 points); returns
    the line to print.
    """
    model, config, shown = restore(path)
    count = count or (MOST if config["data"]["resolution"] == 1 else 64)
    images = sampled(model, count, seed, ema=not raw)[-1]
    reals = None if images.shape[-1] > 1 else construct(config["data"], "data").prepare()
    save_png(sheet(images, reals), out)
    return f"{out}: {count} samples of the {'raw' if raw else 'averaged'} generator of {path} at {shown / 1000:g} kimg"


def evaluate(path: Path, raw: bool, n: int | None, weights: str | None) -> str:
    """Measure a checkpoint as its run did, or by FID when `weights` names Inception's; returns the lines to print.

    The figures and their protocol are added to <run>/evaluations.jsonl.
    """
    model, config, shown = restore(path)
    node = metrics_node(config, weights) | ({} if n is None else {"n": n})
    callback = construct(node, "metrics")
    data = construct(config["data"], "data")
    callback.evaluator.prepare(data.prepare(), config["cache_dir"], device())
    evaluation = callback.measure(model, "raw" if raw else "ema")
    row = {
        "checkpoint": str(path),
        "kimg": shown / 1000,
        **evaluation.values,
        "protocol": evaluation.protocol.as_dict(),
    }
    row["half_floor"] = callback.evaluator.half_floor(seed=0)
    with open(path.parent.parent / "evaluations.jsonl", "a") as file:
        file.write(json.dumps(strict(row)) + "\n")
    lines = [f"{name:<28}{value:.6g}" for name, value in evaluation.values.items()]
    lines.append(f"{'one half of reals to other':<28}{row['half_floor']:.6g}")
    return "\n".join([f"{path} at {shown / 1000:g} kimg", *lines, f"protocol: {evaluation.protocol.label()}"])


def metrics_node(config: dict[str, Any], weights: str | None) -> dict[str, Any]:
    """The run's own metrics, or FID with the weights that are given ("auto": where torch hub keeps them)."""
    if weights is not None:
        file = None if weights == "auto" else weights
        extractor = {"_target_": INCEPTION, "weights": file, "advice": TO_EVALUATE}
        own = {k: v for k, v in config["metrics"].items() if k in ("evaluate_kimg", "cache_dir", "n")}
        rest = {"_target_": "seesaw.metrics.callback.Evaluate", "evaluate_kimg": 1.0, "cache_dir": config["cache_dir"]}
        return rest | own | {"extractor": extractor, "batch_size": 64, "kernel_subsets": 100}
    if "extractor" not in config["metrics"]:
        raise UserError("the run has metrics=none; give --fid FILE (or --fid auto) to measure with Inception")
    node = dict(config["metrics"])
    if node["extractor"]["_target_"] == INCEPTION:
        node["extractor"] = node["extractor"] | {"advice": TO_EVALUATE}
    return node
