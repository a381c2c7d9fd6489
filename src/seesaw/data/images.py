"""A set of real images in memory, and the few operations that bring images to one size and one number of channels."""

import hashlib
import os
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from seesaw.functional.pixels import selected
from seesaw.functional.resolution import Resolution, size_of
from seesaw.types import UserError
from seesaw.util import LUMA


@dataclass(frozen=True, eq=False)
class ImageSet:
    """The real images of one data set at one resolution.

    Args:
        images: uint8 or uint16 (N, C, H, W), N >= 1; any tensor that can be indexed, one that maps a file included. Points of the
            plane are float32 (N, 2, 1, 1).
        name: of the set, for `description`.
        y: int64 labels (N,) in [0, classes), or None where the set has none.
        classes: number of classes; 0 exactly when `y` is None.
        kept_identity: the value of `identity` where it is known, as of prepared sets; None: it is computed when asked for.
    """

    images: Tensor
    name: str
    y: Tensor | None = None
    classes: int = 0
    kept_identity: str | None = None

    def __post_init__(self) -> None:
        if wrong := self.objection():
            raise UserError(f"the set {self.name}: {wrong}")

    def objection(self) -> str:
        """Why images and labels make no set; empty where they do."""
        images, y = self.images, self.y
        if images.ndim != 4 or len(images) == 0:
            return f"its images have shape {tuple(images.shape)}; expected is (N, C, H, W), with N of at least 1"
        if images.dtype not in (torch.uint8, torch.uint16) and self.shape[2:] != (1, 1):
            return f"its images are {images.dtype}; expected is torch.uint8 (0 to 255) or torch.uint16"
        if (y is None) != (self.classes == 0):
            return f"it has {'no labels' if y is None else 'labels'} and classes={self.classes}; give both or neither"
        if y is not None and (y.dtype != torch.int64 or y.shape != images.shape[:1]):
            return f"its labels are {y.dtype} {tuple(y.shape)}; expected is torch.int64 ({len(images)},)"
        return ""

    def __len__(self) -> int:
        return len(self.images)

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """(N, C, H, W)."""
        n, c, h, w = self.images.shape
        return n, c, h, w

    @property
    def nbytes(self) -> int:
        """Memory that the images take."""
        return self.images.nbytes

    def gather(self, indices: Tensor) -> Tensor:
        """The images at `indices`, int64 (B,): (B, C, H, W), a copy, where the images lie."""
        return selected(self.images, indices.to(self.images.device))

    def labels(self, indices: Tensor) -> Tensor | None:
        """The labels at `indices`, int64 (B,), or None where the set has none."""
        return None if self.y is None else self.y.index_select(0, indices.to(self.y.device))

    def image_keys(self) -> list[str]:
        """What each image is called, for `seesaw.data.holdout`: the name of its file, or its number."""
        return [str(k) for k in range(len(self))]

    def to(self, device: torch.device) -> "ImageSet":
        """The set with its images and labels in the memory of `device`; a file's map becomes plain memory."""
        y = None if self.y is None else self.y.to(device)
        images = self.images.to(device) if device.type != "cpu" else self.images.clone()
        return replace(self, images=images, y=y, kept_identity=self.identity)

    def level(self, height: int) -> "ImageSet":
        """The same images smaller by a power of two: averages over squares of pixels, rounded to the nearest value."""
        if height == self.shape[-2]:
            return self
        return replace(self, images=box_average(self.images, height), kept_identity=None)

    @property
    def description(self) -> str:
        """Name and shape, such as `digits 1797x1x32x32`."""
        return f"{self.name} {'x'.join(map(str, self.shape))}"

    @cached_property
    def identity(self) -> str:
        """The first 16 hexadecimal digits of the SHA-256 of shape and pixels: equal for equal sets on every machine."""
        if self.kept_identity is not None:
            return self.kept_identity
        digest = hashlib.sha256(str(self.shape).encode())
        digest.update(self.images.cpu().contiguous().numpy().data)
        return digest.hexdigest()[:16]


def box_average(images: Tensor, height: int, chunk: int = 1024) -> Tensor:
    """uint8 or uint16 (N, C, H, W) to the same of that height, each pixel the rounded mean of a square of H / height pixels a
    side, as in the smaller scales of a growing model.
    """
    n, c, h, w = images.shape
    if height < 1 or h % height or w % (h // height):
        raise ValueError(f"height must divide {h}, and {h} / height {w}, not {height}")
    side = h // height
    small = torch.empty(n, c, height, w // side, dtype=images.dtype, device=images.device)
    for begin in range(0, n, chunk):
        part = F.avg_pool2d(images[begin : begin + chunk].float(), side)
        small[begin : begin + chunk] = part.round_()
    return small


def resize(images: Tensor, resolution: Resolution, chunk: int = 1024) -> Tensor:
    """Bring uint8 (N, C, H, W) to height and width of `resolution`, stretched where its shape is another: bilinear,
    antialiased when it shrinks, pixel centres at halves (`align_corners=False`), rounded to the nearest value; `chunk` images
    at a time, so that the float copy stays small.
    """
    n, c, h, w = images.shape
    size = size_of(resolution)
    if (h, w) == size:
        return images
    resized = torch.empty(n, c, *size, dtype=torch.uint8)
    for begin in range(0, n, chunk):
        part = images[begin : begin + chunk].float()
        part = F.interpolate(part, size, mode="bilinear", antialias=True, align_corners=False)
        resized[begin : begin + chunk] = part.round_().clamp_(0, 255)
    return resized


def to_channels(images: Tensor, channels: int) -> Tensor:
    """Bring uint8 (N, 1 or 3, H, W) to `channels`: grey is repeated, colour becomes its ITU-R BT.601 luma."""
    found = images.shape[1]
    if {found, channels} - {1, 3}:
        raise ValueError(f"channels go from 1 or 3 to 1 or 3, not from {found} to {channels}")
    if found == channels:
        return images
    if channels == 3:
        return images.repeat(1, 3, 1, 1)
    luma = torch.zeros(len(images), 1, *images.shape[2:])
    for channel, weight in enumerate(LUMA):
        luma[:, 0].add_(images[:, channel], alpha=weight)
    return luma.round_().to(torch.uint8)


def brought_to(images: Tensor, resolution: Resolution, channels: int) -> Tensor:
    """uint8 (N, 1 or 3, H, W) to uint8 (N, channels, H', W') of `resolution`, see `resize`; UserError where memory is too
    small."""
    require_memory(len(images), channels, resolution)
    return to_channels(resize(images, resolution), channels)


def free_memory() -> int:
    """Bytes that this process may still take without swapping: Linux's MemAvailable within its container's limit;
    on other systems the half of the machine's memory.
    """
    meminfo = Path("/proc/meminfo")
    if not meminfo.exists():
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2
    rows = dict(line.split(":") for line in meminfo.read_text(encoding="utf-8").splitlines())
    available = int(rows["MemAvailable"].split()[0]) * 1024
    limit = Path("/sys/fs/cgroup/memory.max")
    if limit.exists() and (text := limit.read_text(encoding="utf-8").strip()) != "max":
        available = min(available, int(text))
    return available


def require_memory(n: int, channels: int, resolution: Resolution, depth: int = 8) -> None:
    """Raise a UserError when `n` images of this size, of `depth` bits a pixel and channel, would fill more than half of the
    free memory: the other half is for the networks, and for the copy that is made while the set is read.
    """
    height, width = size_of(resolution)
    needed, free = n * channels * height * width * depth // 8, free_memory()
    if needed > free // 2:
        raise UserError(
            f"data: {n} images of {channels}x{height}x{width} take {needed / 2**30:.1f} GiB, more than half "
            f"of the free memory ({free / 2**30:.1f} GiB): lower data.resolution, use data.channels=1 or fewer images"
        )
