"""What every data set shares: the reals, and endless batches of them that start where training stands."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from functools import cached_property
from typing import Any, Literal, NotRequired, TypedDict, Unpack

import pytorch_lightning as pl
import torch
from torch import Tensor
from torch.utils.data import DataLoader, IterableDataset

from seesaw.data.images import ImageSet, require_memory
from seesaw.data.sampler import BatchSize, EndlessBatches
from seesaw.types import Batch, UserError

RESOLUTIONS = tuple(2**k for k in range(3, 11))
Memory = Literal["auto", "map", "ram", "device"]
Level = Callable[[int], int]
"""The resolution of the reals as a function of the images shown (growing models)."""

DEVICE_SHARE = 4
"""`memory=auto` puts a set on the GPU if it takes at most one part in so many of what is free there: the rest is for the nets."""


class Common(TypedDict):
    """The options that all sets have.

    resolution: height and width of the images: a power of two from 8 to 1024.
    channels: 1 (grey) or 3 (RGB).
    batch_size: images of a batch over all processes; a number or a function of the images shown.
    seed: key of the order of the images.
    cache_dir: folder for what outlives a run: downloads, prepared images, lists of bad ones.
    flip: whether each image is also seen mirrored, once an epoch of twice the length (as xflip of Karras et al. 2020,
        "Training GANs with limited data"). Distances are to the set as it is.
    memory: where batches are gathered from. `map`: where the set lies, the prepared file or RAM; `ram`: always RAM;
        `device`: the GPU's memory; `auto`: the GPU if the set takes at most a quarter of what is free there, else `map`.
    level: the resolution of the reals as a function of the images shown; null: always `resolution`.
    """

    resolution: int
    channels: int
    batch_size: BatchSize
    seed: NotRequired[int]
    cache_dir: NotRequired[str]
    flip: NotRequired[bool]
    memory: NotRequired[Memory]
    level: NotRequired[Level | None]


class Batches(IterableDataset[Batch]):
    """The reals in the order that the sampler gives. As an iterable set it is left alone by Lightning, which would put
    its own `DistributedSampler` in the place of any other sampler.

    Args:
        reals: the set.
        sampler: over its indices; with `flip` over twice as many, the upper half being the mirrored images.
        flip: see `Common`. level: see `Common`.
    """

    def __init__(
        self, reals: ImageSet, sampler: EndlessBatches, flip: bool = False, level: Level | None = None
    ) -> None:
        self.reals, self.sampler, self.flip = reals, sampler, flip
        self.level = level or (lambda images_shown: reals.shape[-1])

    def __iter__(self) -> Iterator[Batch]:
        n, shown, reals = len(self.reals), self.sampler.start, self.reals
        for indices in self.sampler:
            resolution = self.level(shown)
            if resolution != reals.shape[-1]:  # a growing model's next scale
                reals = self.reals.level(resolution)
            here = indices % n if self.flip else indices
            images = reals.gather(here)
            yield Batch(mirrored(images, indices >= n) if self.flip else images, reals.labels(here))
            shown += len(indices) * self.sampler.world_size


def mirrored(images: Tensor, which: Tensor) -> Tensor:
    """`images` (B, C, H, W) with left and right exchanged in those that `which`, bool (B,), names."""
    return torch.where(which.to(images.device)[:, None, None, None], images.flip(-1), images)


class ImageData(pl.LightningDataModule, ABC):
    """A set of real images, given as endless batches that start at the image number where training stands.

    Subclasses say in `load` where the images come from; their constructors name the options of their own, and pass the
    common ones on.

    Args:
        common: see `Common`.

    Raises:
        ValueError: an option is not one of the allowed values.
    """

    def __init__(self, **common: Unpack[Common]) -> None:
        super().__init__()
        if unknown := set(common) - set(Common.__annotations__):  # Python itself does not hold a TypedDict's keys
            raise TypeError(f"{type(self).__name__} got an unexpected keyword argument '{min(unknown)}'")
        self.resolution, self.channels = common["resolution"], common["channels"]
        self.check_shape(self.resolution, self.channels)
        self.batch_size, self.seed = common["batch_size"], common.get("seed", 0)
        self.cache_dir, self.flip = common.get("cache_dir", "cache"), common.get("flip", False)
        self.memory: Memory = common.get("memory", "auto")
        if self.memory not in ("auto", "map", "ram", "device"):
            raise ValueError(f"memory must be one of auto, map, ram, device, not {self.memory!r}")
        self.level = common.get("level")

    def check_shape(self, resolution: int, channels: int) -> None:
        """Raise ValueError where the set cannot have this shape."""
        if resolution not in RESOLUTIONS:
            raise ValueError(f"resolution must be one of {', '.join(map(str, RESOLUTIONS))}, not {resolution}")
        if channels not in (1, 3):
            raise ValueError(f"channels must be 1 or 3, not {channels}")

    @abstractmethod
    def load(self) -> ImageSet:
        """Read the set at `self.resolution` with `self.channels`."""

    @cached_property
    def reals(self) -> ImageSet:
        """The real images, read when first asked for."""
        return self.load()

    @property
    def classes(self) -> int | None:
        """How many labels the set has, or None. Reads the set."""
        return self.reals.classes

    @property
    def description(self) -> str:
        """Name and shape of the set. Reads it."""
        return self.reals.description

    def prepare_data(self) -> None:
        """Lightning calls this on one process a node while the others wait, so a download happens once."""
        self.prepare()

    def setup(self, stage: str) -> None:
        self.prepare()

    def prepare(self) -> ImageSet:
        """Read the set if that has not happened yet, and return it; no trainer is needed.

        Raises:
            UserError: the set cannot be found or read.
        """
        return self.reals

    def train_dataloader(self) -> DataLoader[Batch]:
        """Endless `Batch`es of this process: uint8 (batch_size / world_size, channels, resolution, resolution), and y.

        No workers: an index into memory costs less than the way between processes. Where the batch goes to a GPU it is
        pinned, so that the copy does not stop the host.
        """
        trainer = self.trainer
        assert trainer is not None
        start: Any = (
            trainer.lightning_module.images_shown
        )  # an int; mypy takes every attribute of a Module for a tensor
        sampler = EndlessBatches(
            len(self.reals) * (2 if self.flip else 1),
            self.batch_size,
            self.seed,
            start=start,
            rank=trainer.global_rank,
            world_size=trainer.world_size,
        )
        device = trainer.strategy.root_device
        reals = self.placed(device)
        pin = device.type == "cuda" and reals.gather(torch.zeros(1, dtype=torch.int64)).device.type == "cpu"
        batches = Batches(reals, sampler, self.flip, self.level)
        return DataLoader(batches, batch_size=None, num_workers=0, pin_memory=pin)

    def placed(self, device: torch.device) -> ImageSet:
        """The set where `memory` wants it, for a run on `device`."""
        size = self.reals.nbytes
        if self.memory == "ram":
            n, c, h, _ = self.reals.shape
            require_memory(n, c, h)
            return self.reals.to(torch.device("cpu"))
        if device.type != "cuda" or self.memory == "map":
            if self.memory == "device":
                raise UserError(
                    f"data.memory=device needs a GPU, and the run is on {device.type}: give data.memory=auto"
                )
            return self.reals
        fits = size * DEVICE_SHARE <= torch.cuda.mem_get_info(device)[0]
        return self.reals.to(device) if fits or self.memory == "device" else self.reals
