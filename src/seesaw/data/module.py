"""What `conf/data/*.yaml` builds: each set is a subclass of `ImageData`; its constructor names what the user may set."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from functools import cached_property
from typing import Any

import pytorch_lightning as pl
from torch.utils.data import DataLoader, IterableDataset

from seesaw.data.folder import Crop, check_options, folder
from seesaw.data.images import ImageSet
from seesaw.data.sampler import BatchSize, EndlessBatches
from seesaw.data.sources import Split, digits, fashion_mnist
from seesaw.types import Batch

RESOLUTIONS = tuple(2**k for k in range(3, 11))


class Batches(IterableDataset[Batch]):
    """The reals in the order that the sampler gives. As an iterable set it is left alone by Lightning, which would put
    its own `DistributedSampler` in the place of any other sampler.
    """

    def __init__(self, reals: ImageSet, sampler: EndlessBatches) -> None:
        self.reals, self.sampler = reals, sampler

    def __iter__(self) -> Iterator[Batch]:
        for indices in self.sampler:
            yield Batch(self.reals.gather(indices), self.reals.labels(indices))


class ImageData(pl.LightningDataModule, ABC):
    """A set of real images in memory, given as endless batches that start at the image number where training stands.

    Subclasses say in `load` where the images come from; their constructors name the options that the user sets.

    Args:
        resolution: height and width of the images: a power of two from 8 to 1024.
        channels: 1 (grey) or 3 (RGB).
        batch_size: images of a batch over all processes; a number or a function of the images shown.
        seed: key of the order of the images.
        cache_dir: folder for what outlives a run: downloads, lists of bad images.

    Raises:
        ValueError: resolution or channels is not one of the allowed values.
    """

    def __init__(
        self, resolution: int, channels: int, batch_size: BatchSize, seed: int = 0, cache_dir: str = "cache"
    ) -> None:
        super().__init__()
        if resolution not in RESOLUTIONS:
            raise ValueError(f"resolution must be one of {', '.join(map(str, RESOLUTIONS))}, not {resolution}")
        if channels not in (1, 3):
            raise ValueError(f"channels must be 1 or 3, not {channels}")
        self.resolution, self.channels = resolution, channels
        self.batch_size, self.seed, self.cache_dir = batch_size, seed, cache_dir

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
            len(self.reals),
            self.batch_size,
            self.seed,
            start=start,
            rank=trainer.global_rank,
            world_size=trainer.world_size,
        )
        pin = trainer.strategy.root_device.type == "cuda"
        return DataLoader(Batches(self.reals, sampler), batch_size=None, num_workers=0, pin_memory=pin)


class Digits(ImageData):
    """scikit-learn's handwritten digits: see `seesaw.data.sources.digits`."""

    def load(self) -> ImageSet:
        return digits(self.resolution, self.channels)


class FashionMNIST(ImageData):
    """Fashion-MNIST: see `seesaw.data.sources.fashion_mnist` for `root` and `split`."""

    def __init__(
        self,
        resolution: int,
        channels: int,
        batch_size: BatchSize,
        seed: int = 0,
        cache_dir: str = "cache",
        root: str | None = None,
        split: Split = "train",
    ) -> None:
        super().__init__(resolution, channels, batch_size, seed, cache_dir)
        if split not in ("train", "test"):
            raise ValueError(f"split must be one of train, test, not {split!r}")
        self.root, self.split = root, split

    def load(self) -> ImageSet:
        return fashion_mnist(self.resolution, self.channels, self.root, self.split, self.cache_dir)


class Folder(ImageData):
    """One's own images: see `seesaw.data.folder.folder` for `root`, `crop`, `background` and `max_bad`."""

    def __init__(
        self,
        root: str,
        resolution: int,
        channels: int,
        batch_size: BatchSize,
        seed: int = 0,
        cache_dir: str = "cache",
        crop: Crop = "center",
        background: str = "white",
        max_bad: float = 0.05,
    ) -> None:
        super().__init__(resolution, channels, batch_size, seed, cache_dir)
        check_options(crop, background, max_bad)
        self.root, self.crop, self.background, self.max_bad = root, crop, background, max_bad

    def load(self) -> ImageSet:
        return folder(
            self.root, self.resolution, self.channels, self.crop, self.background, self.max_bad, self.cache_dir
        )
