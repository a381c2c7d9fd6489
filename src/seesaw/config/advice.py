"""Choices for a user's own images: model, augmentation, metric and numbers, by count, size and channels of the set.

They are made where `data=folder` comes without a model or an experiment, and never replace what was given. Each is an override,
so that the resolved configuration, status.json and trackers hold it as any other. Files are listed, and heads of images read.
"""

import math
import shlex
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from omegaconf import DictConfig, OmegaConf

from seesaw.config.command_line import key_of
from seesaw.config.compose import compose
from seesaw.config.options import config_dir, groups
from seesaw.data.survey import Survey, survey
from seesaw.functional.resolution import Resolution, size_of

SETS = ("seesaw.data.sources.folder.Folder",)
"""The sets of users."""

KEYS = ("model", "data.channels", "data.resolution", "augment", "metrics", "penalty.r1.gamma")
"""What is chosen, in the order of printing."""

SIDE = 64
"""The resolution in pixels that the gamma of `dcgan_photos` is meant for, and that of a set for which none is chosen."""

LARGEST = 32
"""The largest resolution that is chosen: on a CPU a step takes about four times as long with each doubling."""

BATCH = 16
"""The batch size that it is meant for."""

FEW, MANY = 2_000, 30_000
"""Below `FEW` images augmentation is fixed (Zhao et al. 2020, arXiv 2006.10738, tried it on 100 images and more), below `MANY`
adaptive (Karras et al. 2020, arXiv 2006.06676, on some thousands). The borders are ours."""


KINDS = {1: "grey", 3: "with colours", 4: "with colours and alpha"}
"""The number of channels in words."""


class Choice(NamedTuple):
    """An override, and why it was made."""

    override: str
    why: str


class Advice(NamedTuple):
    """The choices for a set, and what they were made of."""

    choices: list[Choice]
    found: Survey

    @property
    def overrides(self) -> list[str]:
        return [choice.override for choice in self.choices]

    def lines(self) -> list[str]:
        """What a run prints before it starts."""
        width = max((len(choice.override) for choice in self.choices), default=0)
        head = f"data.root: {describe(self.found)}. No model was chosen, so (KEY=VALUE replaces any):"
        return [head, *(f"  {choice.override:<{width}}  {choice.why}" for choice in self.choices)]


def is_wanted(cfg: DictConfig, overrides: Iterable[str]) -> bool:
    """Whether a user's set that exists comes without a model or an experiment."""
    keys = {key_of(override).partition("@")[0] for override in overrides}
    data = cfg.get("data")
    if keys & {"model", "experiment"} or data is None or data.get("_target_") not in SETS:
        return False
    root = None if "root" not in data or OmegaConf.is_missing(data, "root") else data.root
    try:
        return isinstance(root, str) and Path(root).expanduser().exists()
    except OSError:  # the checks will report it
        return False


def advise(cfg: DictConfig, overrides: list[str]) -> Advice:
    """Look at the set, and choose what the overrides do not.

    Args:
        cfg: composed of `overrides`, a user's set in its group data.
        overrides: of the command line.

    Raises:
        UserError: the set has no image that can be read.
    """
    found, _ = survey(cfg.data.root)
    given = {key_of(override).partition("@")[0] for override in overrides}
    made = [choice for choice in first_choices(found, given, cfg) if key_of(choice.override) not in given]
    with_these, _ = compose([*overrides, *(choice.override for choice in made)])
    made += gamma(with_these, given)
    return Advice(made, found)


def complete(overrides: list[str], varied: Iterable[str] = ()) -> list[str]:
    """The overrides with the choices for a user's own images behind them, for a command that does not train by Hydra.

    Args:
        overrides: of the command line.
        varied: keys that get their values later, which are no longer open.
    """
    cfg, _ = compose(overrides)
    if not is_wanted(cfg, [*overrides, *varied]):
        return overrides
    later = {key_of(key) for key in varied}
    chosen = advise(cfg, overrides).choices
    return [*overrides, *(choice.override for choice in chosen if key_of(choice.override) not in later)]


def first_choices(found: Survey, given: set[str], cfg: DictConfig) -> list[Choice]:
    """All choices but those that depend on them; also what is given already."""
    side = cfg.data.resolution if "data.resolution" in given else resolution(found)
    return [
        model(longer_side(side)),
        *channels(found),
        *([Choice(f"data.resolution={side}", why_resolution(found))] if side != SIDE else []),
        *augmentation(found.images),
        *metric(found.images, found.channels if "data.channels" not in given else cfg.data.channels),
    ]  # fmt: skip


def longer_side(resolution: Resolution) -> int:
    """The longer side of a resolution; `SIDE` where it is none, which the checks report."""
    try:
        return max(size_of(resolution))
    except ValueError:
        return SIDE


def model(side: int) -> Choice:
    """The model for images of so many pixels a side."""
    if side > 256:  # the largest of a DCGAN
        return Choice(
            "model=msggan_small", f"{side} px are more than a DCGAN takes; this one trains on a CPU, if slowly"
        )
    return Choice(
        "model=dcgan_photos", "a narrow DCGAN with R1 for a CPU; images are also seen mirrored (data.flip=false: not)"
    )


def channels(found: Survey) -> list[Choice]:
    """Grey where no image has colours, and as many as arrays or a prepared set have."""
    if found.channels == 1:
        return [Choice("data.channels=1", "no image has colours")]
    return [Choice(f"data.channels={found.channels}", "the set has as many")] if found.channels != 3 else []


def resolution(found: Survey) -> Resolution:
    """That of a prepared set, else the power of two from 16 to `LARGEST` nearest to the median of the shorter sides, by ratio."""
    if found.prepared:
        return found.prepared[0]
    return min(max(nearest_power(found.side), 16), LARGEST)


def nearest_power(side: float) -> int:
    """The power of two nearest to a number of pixels, by ratio."""
    return int(1 << round(math.log2(side)))


def why_resolution(found: Survey) -> str:
    """Why `resolution` is what it is."""
    if found.prepared:
        return "the resolution of the prepared set"
    if nearest_power(found.side) > LARGEST:
        return "enough for a first look; data.resolution=64 takes about four times as long"
    return f"the power of two nearest to the median of the shorter sides, {found.side} px"


def augmentation(images: int) -> list[Choice]:
    """By the number of images; nothing where conf/augment has no file of that name."""
    if images >= MANY:
        return []
    name, how = ("diffaugment", "fixed") if images < FEW else ("ada", "adaptive")
    why = f"{images:,} images are few: {how} augmentation of what D sees keeps it from learning them by heart"
    return [Choice(f"augment={name}", why)] if name in groups(config_dir()).get("augment", []) else []


def metric(images: int, channels: int) -> list[Choice]:
    """The kernel distance that fits the machine and the images; it is unbiased for few images, which FID is not."""
    from seesaw.metrics.auto import INSTALL, installed

    if images < 2:
        return [Choice("metrics=none", "a distance takes two images")]
    if channels not in (1, 3):
        why = f"a kernel distance by a small network that learns on the set, since no other knows {channels} channels"
        return [Choice("metrics=self_supervised", why)]
    if installed():
        return [Choice("metrics=efflite0", "a kernel distance by ImageNet features, unbiased for few images")]
    why = f"a kernel distance by a small network that learns on the set; {INSTALL} brings better features"
    return [Choice("metrics=self_supervised", why)]


def gamma(cfg: DictConfig, given: set[str]) -> list[Choice]:
    """R1's gamma by resolution and batch: that of the model, scaled as StyleGAN2-ADA's heuristic is, by resolution^2 / batch."""
    if {"penalty", "penalty.r1.gamma"} & given or "r1" not in (cfg.get("penalty") or {}):
        return []
    if cfg.model.get("recipe") is None or cfg.model.recipe.get("gamma") is None:
        return []
    try:
        side, batch = math.prod(size_of(cfg.data.resolution)) ** 0.5, cfg.batch_size
    except ValueError:
        return []
    if not isinstance(batch, int) or batch < 1 or (side, batch) == (SIDE, BATCH):
        return []
    value = scaled(cfg.penalty.r1.gamma, side, batch)
    why = f"{cfg.penalty.r1.gamma:g} is meant for {SIDE} px and batch {BATCH}; scaled by resolution^2 / batch"
    return [Choice(f"penalty.r1.gamma={value:.3g}", why)]


def scaled(value: float, side: float, batch: int) -> float:
    """A gamma meant for `SIDE` px and `BATCH`, for other ones."""
    return value * (side / SIDE) ** 2 * BATCH / batch


def stylegan2_gamma(side: float, batch: int) -> float:
    """0.0002 resolution^2 / batch: `--cfg=auto` of StyleGAN2-ADA (Karras et al. 2020)."""
    return 0.0002 * side**2 / batch


def stylegan3_gamma(side: float) -> float:
    """StyleGAN3's table (docs/configs.md; batch 32): 0.5 at 128 px, four times as much with each doubling."""
    return 0.5 * (side / 128) ** 2


def describe(found: Survey) -> str:
    """Count, size and channels in words."""
    sides = found.sides
    size = f"{found.side} px" if min(sides) == max(sides) else f"{min(sides)} to {max(sides)} px, median {found.side}"
    images = "1 image" if found.images == 1 else f"{found.images:,} images"
    small = sum(side < min(size_of(resolution(found))) for side in sides) / len(sides)
    enlarged = f", {small:.0%} of them enlarged" if small >= 0.01 else ""
    return f"{images} of {size} (shorter side){enlarged}, {KINDS.get(found.channels, f'{found.channels} channels')}"


def command(program: str, overrides: Iterable[str]) -> str:
    """One line to copy into a shell."""
    return " ".join([program, *(shlex.quote(override) for override in overrides)])
