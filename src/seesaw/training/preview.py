"""What D sees: reals, and fakes of a run, on their way through the balance parts' transforms and the augmentations."""

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple, cast

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from seesaw.data.images import ImageSet
from seesaw.errors import UserError
from seesaw.functional.pixels import to_stored, to_unit
from seesaw.functional.rng import reseed
from seesaw.gan.augment.probability import ProbabilityAugmentation
from seesaw.gan.module import GAN
from seesaw.training.build import construct
from seesaw.training.callbacks.samples import sampled, some_of
from seesaw.training.inference import restore
from seesaw.training.pictures import COLUMNS, grid, save_png
from seesaw.training.preflight import build_checked, compose_checked
from seesaw.types import Pyramid
from seesaw.util import key

LEVELS = (0.2, 0.5, 0.8)
"""Probabilities to show where a run has none of its own."""

LABELS = 112
"""Pixels of the column that names the rows."""


class Row(NamedTuple):
    """A row of the picture: its name, and images uint8 (N, C, H, W)."""

    name: str
    images: Tensor


def preview_run(
    path: Path, levels: Sequence[float] | None, seed: int, out: Path, overrides: Sequence[str], packages: Sequence[str]
) -> str:
    """Write the picture of a checkpoint: reals and fakes, before and after, at the run's own p and at `levels`.

    Args:
        path: the checkpoint.
        levels: probabilities in [0, 1]; None: those of `LEVELS`.
        seed: key of the images and of the draws.
        out: the file to write.
        overrides: see `seesaw.training.inference.restore`.
        packages: own packages whose classes the file may name.

    Returns:
        The lines to print.

    Raises:
        UserError: the run changes nothing on the way to D, or has points and no images.
    """
    run = restore(path, overrides, packages)
    gan = checked(run.model)
    reals = construct(run.nodes["data"], "data", packages).prepare()
    sides = {"reals": view_of(gan, reals, seed), "fakes": unit(sampled(gan, COLUMNS, seed, ema=False), gan)}
    return draw(gan, sides, run.images_shown, levels, seed, out)


def preview_configuration(
    levels: Sequence[float] | None, seed: int, out: Path, overrides: Sequence[str], packages: Sequence[str]
) -> str:
    """Write the picture of a configuration that is not trained: reals, before and after. Arguments as `preview_run`'s, but for
    `overrides`, which are as `python train.py` takes them. A growing model shows its last scale, fully grown."""
    more = [f"packages=[{','.join(packages)}]"] if packages else []
    model, data, _ = build_checked(compose_checked([*overrides, *more]), devices=1)
    gan = checked(model)
    gan.growth.advance(sys.maxsize, [gan.G, gan.G_ema, gan.D, gan.view], [])
    return draw(gan, {"reals": view_of(gan, data.prepare(), seed)}, 0, levels, seed, out)


def checked(model: Any) -> GAN:
    """The model. Raises UserError where it has no discriminator, or nothing changes what that sees."""
    if not isinstance(model, GAN):
        raise UserError("preview shows what a discriminator sees, and this model has none")
    if not model.transforms:
        raise UserError("nothing changes what D sees here; give augment=diffaugment or augment=ada")
    return model


def view_of(gan: GAN, reals: ImageSet, seed: int) -> Pyramid:
    """Some of the reals as D takes them. Raises UserError for points."""
    if reals.shape[-1] == 1:
        raise UserError("preview shows images, and these data are points of the plane")
    with torch.no_grad():
        return cast(Pyramid, gan.view(to_unit(some_of(reals, COLUMNS, seed), torch.float32).to(gan.device)))


def unit(stored: Pyramid, gan: GAN) -> Pyramid:
    return [to_unit(x, torch.float32).to(gan.device) for x in stored]


def draw(
    gan: GAN, sides: dict[str, Pyramid], images_shown: int, levels: Sequence[float] | None, seed: int, out: Path
) -> str:
    """Write the picture, of the finest scale; returns the lines to print. The p of the moment comes first, if it is above 0."""
    for part in gan.parts:
        part.advance(0, images_shown)
    adapted = [part for part in gan.augment.values() if isinstance(part, ProbabilityAugmentation)]
    current = max((part.now.item() for part in adapted), default=0.0)
    shown = list(levels or LEVELS)
    if current > 0:
        shown = [current, *(p for p in shown if p != current)]
    rows = []
    for name, images in sides.items():
        rows.append(Row(name, to_stored(images[-1].cpu())))
        for p in shown if adapted else [None]:
            with at_probability(adapted, p), torch.no_grad():
                reseed(
                    key("preview", seed, name), gan.device
                )  # the same draws at every p: what fires at 0.2 fires at 0.5
                seen = images
                for transform in gan.transforms:
                    seen = transform(seen)
            label = "what D sees" if p is None else f"p = {p:.3g}" + (" (now)" if current > 0 and p == current else "")
            rows.append(Row(label, to_stored(seen[-1].cpu())))
    save_png(labelled(rows), out)
    names = "; ".join(row.name for row in rows)
    return f"{out}: {COLUMNS} images a row, from the top: {names}"


@contextmanager
def at_probability(parts: Sequence[ProbabilityAugmentation], p: float | None) -> Iterator[None]:
    """With p in the place of theirs."""
    before = [part.now.clone() for part in parts]
    if p is not None:
        for part in parts:
            part.now.fill_(p)
    try:
        yield
    finally:
        for part, value in zip(parts, before, strict=True):
            part.now.copy_(value)


def labelled(rows: Sequence[Row]) -> Tensor:
    """The rows on one sheet, uint8 (C, H, W), with their names on the left. Of images that are neither grey nor RGB the first
    channels are shown."""
    sheet = grid(torch.cat([row.images for row in rows]), columns=len(rows[0].images))
    sheet = sheet[:3] if len(sheet) >= 3 else sheet[:1]
    height = sheet.shape[1]
    side = Image.new("L", (LABELS, height), 96)
    pen, font = ImageDraw.Draw(side), ImageFont.load_default(size=13)
    for k, row in enumerate(rows):
        pen.text((6, (k + 0.5) * height / len(rows)), row.name, fill=255, anchor="lm", font=font)
    names = torch.from_numpy(np.array(side))[None].expand(len(sheet), -1, -1)
    return torch.cat([names, sheet], 2)
