"""From a resolved configuration to the model, the data and the trainer's settings."""

import os
import warnings
from collections.abc import Sequence
from typing import Any

import torch
from hydra.errors import InstantiationException
from hydra.utils import instantiate
from pytorch_lightning.utilities.rank_zero import rank_zero_only

from seesaw.config.allowed import refuse_foreign, refuse_unknown
from seesaw.config.assemble import assemble
from seesaw.data.module import ImageData
from seesaw.errors import Notice, UserError
from seesaw.experiment import Experiment
from seesaw.training.differences import literal
from seesaw.training.error_messages import explain_building


def construct(node: Any, where: str, packages: Sequence[str] = ()) -> Any:
    """The objects that a resolved node of the configuration describes; lists and mappings become plain ones.

    `instantiate` resolves what it is given, twice, so that a file named `a${b}.png` would be looked up as a key: texts are
    escaped twice before.

    Args:
        node: plain dicts, lists and values; a dict with `_target_` becomes an object.
        where: the key of `node`: its group decides what may be built, and errors name it.
        packages: own packages that the command line named.

    Raises:
        UserError: the node names something that is not on the allow-list (`seesaw.config.allowed`); nothing was imported then.
        InstantiationException: a constructor refused its arguments; the cause is its own error.
    """
    refuse_unknown(node, where, packages)
    refuse_foreign(node, where, packages)
    return instantiate({where: literal(literal(node)), "_convert_": "all"})[where]  # as an argument it would cost a deep copy


def build(config: dict[str, Any]) -> tuple[Experiment, ImageData]:
    """The model, with initial weights keyed by the seed alone, and the data, not read yet.

    Raises:
        UserError: the model is for images and the data are points.
        InstantiationException: a constructor refused its arguments.
    """
    nodes, packages = assemble(config), config.get("packages") or []
    try:
        data = construct(nodes["data"], "data", packages)
        torch.manual_seed(config["seed"])
        model = construct(nodes["model"], "model", packages)
        model.depth = getattr(data, "depth", 8)
    except InstantiationException as error:
        text = explain_building(error, [])
        if text is None or config["data"].get("resolution") != 1:
            raise
        raise UserError(f"{text}; these data are points of the plane, for which there is model=mlp_points") from error
    return model, data


def check_labels(model: Experiment, config: dict[str, Any]) -> None:
    """UserError where the data give labels, and the model takes none."""
    if config["data"].get("labels") and model.classes == 0:
        raise UserError(
            "data.labels=true, and this model takes no labels (its G has no classes): leave data.labels out, or choose a "
            "class-conditional model"
        )


def notice_growth(model: Experiment, kimg: float) -> None:
    """Warn with a Notice where a growing model's run ends before its last scale has begun."""
    images = round(kimg * 1000)
    if images > model.last_change:
        return
    growth: Any = model.growth
    last, reached = (growth.scales.at(growth.stage(at).depth).label for at in (growth.last_change, images - 1))
    whole = (growth.last_change + growth.fade + growth.stabilise) / 1000
    rank_zero_only(warnings.warn)(
        f"the run ends at {kimg:g} kimg and {reached} px: the last scale, {last} px, begins at {growth.last_change / 1000:g} "
        f"kimg (model.growth.last_change); give kimg={whole:g} for all of it, or smaller model.growth.fade and stabilise",
        Notice,
        stacklevel=2,
    )


def notice_parts(model: Experiment, config: dict[str, Any]) -> None:
    """Warn with a Notice where a run ends before a part of its balance has begun."""
    parts: list[Any] = getattr(model, "parts", [])  # those of the group balance come first, in its order
    for name, part in zip(config.get("balance") or {}, parts or (), strict=False):
        if part.begins >= round(config["kimg"] * 1000):
            rank_zero_only(warnings.warn)(
                f"the run ends at {config['kimg']:g} kimg, and balance.{name} begins at {part.begins / 1000:g} kimg, so it "
                f"changes nothing; give balance.{name}.start_kimg={config['kimg'] / 8:g} or a longer run",
                Notice,
                stacklevel=2,
            )


def notice_frozen(config: dict[str, Any]) -> None:
    """Warn with a Notice where layers of D would be frozen with random weights."""
    if config["model"].get("freeze_d") and config.get("init_from") is None:
        rank_zero_only(warnings.warn)(
            f"model.freeze_d={config['model']['freeze_d']} freezes layers of D with random weights: give init_from=RUN",
            Notice,
            stacklevel=2,
        )


def check_shares(data: ImageData, devices: int, kimg: float) -> None:
    """Raise UserError where the batch, at any time of the run, does not divide by the devices (on all hosts together)."""
    for images in sorted({size for _, size in data.batches(round(kimg * 1000))}):
        if images % devices:
            near = images - images % devices
            fitting = f"{near} or {near + devices}" if near else f"{devices}"
            raise UserError(
                f"batch_size is the images of all devices together, and {images} do not divide by {devices} devices; "
                f"give such as {fitting}, or another trainer.devices"
            )


def precision(option: str, accelerator: str) -> dict[str, Any]:
    """What `precision=auto|exact` means for the Trainer.

    exact: float32, deterministic kernels, no TensorFloat-32: bit-reproducible on one machine. auto: bfloat16 autocast
    where the processor has it (losses stay in float32), and whatever kernel is fastest.
    """
    if not torch.cuda.is_available():  # Lightning sets it; every optimiser step would then look for a driver, 0.1 ms
        os.environ.pop("PYTORCH_NVML_BASED_CUDA_CHECK", None)
    exact = option == "exact"
    # An aid for finding bugs in torch, on wherever its algorithms are deterministic: a few per cent of a step.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
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


def passes(data: ImageData, kimg: float) -> str:
    """`, 56 passes over the set`: how often a run of that length shows each image. Nothing for what is no set of images."""
    size = set_size(data)
    return f", {brief_count(kimg * 1000 * data.sub_batches / size)} passes over the set" if size else ""


def set_size(data: ImageData) -> int:
    """Number of real images; 0 for what is no set of images. The data must be read."""
    return len(data.reals) if isinstance(data, ImageData) else 0


def brief_count(number: float) -> str:
    """`1,234`, and two digits below 10: `0.028`."""
    return f"{number:,.0f}" if number >= 9.95 else f"{number:.2g}"


def sizes(model: Experiment, data: ImageData, config: dict[str, Any]) -> str:
    """What `dry_run` prints: the players with their parameters, the data, the length of the run."""
    lines = [f"{'part':<14}{'class':<46}{'parameters':>12}"]
    for name, net in model.named_children():
        count = sum(p.numel() for p in net.parameters())
        if count:
            kind = type(net).__module__.removeprefix("seesaw.") + "." + type(net).__name__
            lines.append(f"{name:<14}{kind:<46}{count:>12,}")
    parts = data.batches(round(config["kimg"] * 1000))
    each = " and ".join(f"{number:,} batches of {images}" for number, images in parts)
    lines.append(f"data          {data.description}")
    lines.append(f"run           {config['kimg']:g} kimg: {each} images{passes(data, config['kimg'])}")
    return "\n".join(lines)
