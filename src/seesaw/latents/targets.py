"""The pictures that are projected: files, and images of the run's own data."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from seesaw.data.prepare.decode import Crop, Decoding, decode
from seesaw.errors import UserError
from seesaw.latents.model import LatentModel

OWN = re.compile(r"(train|held-out):(\d+)")
"""How an image of the run's data is named: its part of the set and its number there."""


class Target(NamedTuple):
    """A picture as the model's data have it.

    Attributes:
        name: for its files, unlike that of every other.
        source: as the user named it.
        image: uint8 or uint16 (1, C, H, W).
        label: its class, of an image of the run's data whose model takes labels; else None.
    """

    name: str
    source: str
    image: Tensor
    label: int | None


def targets_of(model: LatentModel, pictures: Sequence[str]) -> list[Target]:
    """The pictures, brought to the model's resolution and channels in the way of the run's data.

    Args:
        model: the generator.
        pictures: paths of files, or `train:N` and `held-out:N` for image N of the run's data, counted from 0.

    Raises:
        UserError: a picture cannot be read, or there is no such image.
    """
    targets, taken = list[Target](), set[str]()
    for picture in pictures:
        own = OWN.fullmatch(picture)
        if own is None and picture.startswith(("train:", "held-out:")) and not Path(picture).exists():
            raise UserError(f"{picture}: behind the colon stands the number of an image, counted from 0")
        image, label = of_data(model, own[1], int(own[2])) if own else (of_file(model, picture), None)
        stem = base = picture.replace(":", "-") if own else Path(picture).stem
        number = 2
        while stem in taken:
            stem, number = f"{base}-{number}", number + 1
        taken.add(stem)
        targets.append(Target(stem, picture, image, label))
    return targets


def of_file(model: LatentModel, picture: str) -> Tensor:
    """A picture in a file, (1, C, H, W)."""
    data, (channels, height, width) = model.setting.nodes["data"], model.shape
    crop: Crop = data.get("crop", "center")
    background = data.get("background", "white")
    how = Decoding(f"{height}x{width}", channels, crop=crop, background=background, depth=model.depth)
    try:
        return torch.from_numpy(decode(Path(picture).read_bytes(), picture, how).copy())[None]
    except OSError as error:
        reason = error.strerror or "it is not an image that can be read"
        raise UserError(f"{picture} cannot be read: {reason}") from error
    except Exception as error:  # of bytes that are no image, almost any error comes
        raise UserError(f"{picture} is not a picture that can be read: {' '.join(str(error).split())[:160]}") from error


def of_data(model: LatentModel, part: str, number: int) -> tuple[Tensor, int | None]:
    """An image of the run's data, (1, C, H, W), at the resolution that the model generates, and its label for a model that takes
    any."""
    data = model.data()
    images = data.reals if part == "train" else data.held_out
    if images is None:
        raise UserError(f"{part}:{number}: the run holds no images out; it had no data.holdout")
    if number >= len(images):
        raise UserError(f"{part}:{number}: there are {len(images):,} such images, counted from 0")
    rows = torch.tensor([number])
    y = images.labels(rows) if model.classes else None
    return at_size(images.gather(rows).cpu(), model.shape[1:]), None if y is None else int(y[0])


def at_size(stored: Tensor, size: Sequence[int]) -> Tensor:
    """Stored images (B, C, H, W) at a smaller size, each pixel the mean of those it covers: of a model that has not grown to the
    end. Unchanged where they have the size."""
    if tuple(stored.shape[-2:]) == tuple(size):
        return stored
    return torch.nn.functional.interpolate(stored.float(), tuple(size), mode="area").round().to(stored.dtype)
