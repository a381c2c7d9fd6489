"""Two photographs: the content and the style of a style transfer."""

import hashlib
import itertools
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path

import numpy as np
import pytorch_lightning as pl
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader, IterableDataset

from seesaw.data.prepare.decode import BadImage, read_picture
from seesaw.functional.pixels import to_unit
from seesaw.types import UserError

SIZES = (64, 4096)
LEAST_SIDE = 16
"""Pixels of the shorter side at any scale, so that four halvings leave one."""


class StylePair(pl.LightningDataModule):
    """A content and a style image. Each step of training gets the number of the step: there is nothing else to batch.

    Photographs are turned upright by their EXIF tag, transparency lies on white, grey and CMYK become RGB.

    Args:
        content, style: paths of files that Pillow reads, such as jpg, png, webp, bmp, gif or tiff.
        size: pixels of the content's longer side, hence the result's, from 64 to 4096. Smaller photographs are enlarged.
        style_size: longer side of the style image as a part of `size`: above 1 its strokes are larger in the result, below
            finer.
        labels, classes: false and 0, as in every data set without labels.

    Raises:
        ValueError: a number is out of range, or labels are asked for.
    """

    batch_size = 1

    def __init__(
        self,
        content: str,
        style: str,
        size: int = 512,
        style_size: float = 1.0,
        labels: bool = False,
        classes: int = 0,
    ) -> None:
        super().__init__()
        if labels or classes:
            raise ValueError(
                f"labels must be false and classes 0: two photographs have no labels, not {labels} and {classes}"
            )
        if not SIZES[0] <= size <= SIZES[1]:
            raise ValueError(f"size must be from {SIZES[0]} to {SIZES[1]}, not {size}")
        if not 0.25 <= style_size <= 4:
            raise ValueError(f"style_size must be from 0.25 to 4, not {style_size}")
        self.paths = {"data.content": content, "data.style": style}
        self.size, self.style_size = size, style_size
        self.labels, self.classes = labels, classes

    def batch_size_at(self, images_shown: int) -> int:
        """One iteration a batch."""
        return self.batch_size

    def batches(self, images: int) -> list[tuple[int, int]]:
        """As those of a set of images: here one for each iteration."""
        return [(images // self.batch_size, self.batch_size)]

    @cached_property
    def originals(self) -> list[Image.Image]:
        """Content and style as they were photographed. Read when first asked for."""
        return [read_photo(path, name) for name, path in self.paths.items()]

    def photos(self, size: int) -> tuple[Tensor, Tensor]:
        """Content and style, float32 (1, 3, H, W) in [-1, 1], the content's longer side `size` pixels."""
        content, style = self.originals
        sides = (size, max(round(size * self.style_size), 1))
        one, other = (resized(photo, side) for photo, side in zip((content, style), sides, strict=True))
        return to_unit(one, torch.float32), to_unit(other, torch.float32)

    @cached_property
    def reals(self) -> Tensor:
        """The content, uint8 (1, 3, H, W)."""
        return resized(self.originals[0], self.size)

    @property
    def description(self) -> str:
        (_, _, height, width), (content, style) = self.reals.shape, self.paths.values()
        return f"{content} at {width}x{height} in the style of {style}"

    @property
    def fingerprint(self) -> str:
        """A hash of the pixels of both photographs."""
        digest = hashlib.sha256()
        for photo in self.originals:
            digest.update(repr(photo.size).encode() + photo.tobytes())
        return f"2 photographs, content {digest.hexdigest()[:16]}"

    def prepare(self) -> Tensor:
        """Read the photographs, so that mistakes in them stop a run before it begins.

        Raises:
            UserError: a file is not there or is no photograph.
        """
        return self.reals

    def train_dataloader(self) -> DataLoader[int]:
        return DataLoader(Counting(), batch_size=None, num_workers=0)


class Counting(IterableDataset[int]):
    """0, 1, 2, … without end."""

    def __iter__(self) -> Iterator[int]:
        return itertools.count()


def read_photo(path: str, name: str) -> Image.Image:
    """One file as RGB of 8 bits, upright.

    Args:
        path: of the file.
        name: the option that gave the path, for the message.

    Raises:
        UserError: there is no such file, or it is no photograph that serves.
    """
    file = Path(path).expanduser()
    if not file.is_file():
        raise UserError(f"{name}={path}: there is no such file")
    try:
        return read_picture(file.read_bytes(), "RGB", name=file.name)
    except BadImage as error:
        raise UserError(f"{name}={path} cannot be used: {error}") from None
    except Exception as error:  # a torn file raises any error of its decoder
        raise UserError(f"{name}={path} cannot be decoded: {type(error).__name__}: {error}") from error


def resized(photo: Image.Image, size: int) -> Tensor:
    """uint8 (1, 3, H, W), the longer side `size`, the shorter in proportion but at least 16, antialiased (Lanczos)."""
    scale = size / max(photo.size)
    width, height = (max(round(side * scale), LEAST_SIDE) for side in photo.size)
    pixels = np.array(photo.resize((width, height), Image.Resampling.LANCZOS))
    return torch.from_numpy(pixels).permute(2, 0, 1).unsqueeze(0)
