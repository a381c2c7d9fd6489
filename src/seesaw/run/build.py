"""From a resolved configuration to the model, the data and the trainer's settings."""

from typing import Any

import pytorch_lightning as pl
import torch
from hydra.utils import instantiate
from omegaconf import OmegaConf

from seesaw.errors import UserError
from seesaw.types import at


def build(config: dict[str, Any]) -> tuple[pl.LightningModule, pl.LightningDataModule]:
    """The model, with initial weights keyed by the seed alone, and the data, not read yet."""
    one_device(config["trainer"])
    cfg = OmegaConf.create(config)  # with parents, so that an error names the key
    data = instantiate(cfg.data, _convert_="all")
    torch.manual_seed(config["seed"])
    return instantiate(cfg.model, _convert_="all"), data


def one_device(trainer: dict[str, Any]) -> None:
    """Several devices need a strategy of their own (alternating players break Lightning's), which is not there yet."""
    if trainer.get("devices") not in (1, "1", [0]) or trainer.get("num_nodes", 1) != 1:
        raise UserError(f"trainer.devices is {trainer.get('devices')}; a run takes one device: give trainer.devices=1")


def precision(option: str, accelerator: str) -> dict[str, Any]:
    """What `precision=auto|exact` means for the Trainer.

    exact: float32, deterministic kernels, no TensorFloat-32: bit-reproducible on one machine. auto: bfloat16 autocast
    where the processor has it (losses stay in float32), and whatever kernel is fastest.
    """
    exact = option == "exact"
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = not exact
    torch.backends.cudnn.benchmark = not exact
    fast = not exact and has_bfloat16(accelerator)
    return {"precision": "bf16-mixed" if fast else "32-true", "deterministic": exact}


def has_bfloat16(accelerator: str) -> bool:
    """Whether the device that Lightning will choose multiplies bfloat16 in hardware."""
    if accelerator in ("auto", "gpu", "cuda") and torch.cuda.is_available():
        return torch.cuda.is_bf16_supported(including_emulation=False)
    if accelerator in ("auto", "cpu"):
        return torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
    return False


def sizes(model: pl.LightningModule, data: pl.LightningDataModule, config: dict[str, Any]) -> str:
    """What `dry_run` prints: the players with their parameters, the data, the length of the run."""
    lines = [f"{'part':<14}{'class':<46}{'parameters':>12}"]
    for name, net in model.named_children():
        count = sum(p.numel() for p in net.parameters())
        if count:
            kind = type(net).__module__.removeprefix("seesaw.") + "." + type(net).__name__
            lines.append(f"{name:<14}{kind:<46}{count:>12,}")
    batches, shown, end = 0, 0, round(config["kimg"] * 1000)
    while shown < end:
        shown, batches = shown + int(at(data.batch_size, shown)), batches + 1  # type: ignore[attr-defined]
    lines.append(f"data          {data.description}")  # type: ignore[attr-defined]
    lines.append(f"run           {config['kimg']:g} kimg: {batches:,} batches of {shown / batches:g} images")
    return "\n".join(lines)
