"""The base of every data set: the real images, and endless batches of them that begin at training's image number."""

import hashlib
import os
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Any, Literal, NotRequired, Protocol, TypedDict, Unpack

import pytorch_lightning as pl
import torch
from torch.utils.data import DataLoader, IterableDataset

from seesaw.data.holdout import Part, Parts, check_share, divide
from seesaw.data.images import ImageSet, require_memory
from seesaw.data.limit import check_limit, limited
from seesaw.data.loaded import checked_set
from seesaw.data.sampler import EndlessBatches
from seesaw.functional.pixels import mirrored
from seesaw.functional.resolution import Resolution, Size, scales_of, size_of
from seesaw.types import Batch, UserError

Memory = Literal["auto", "map", "ram", "device"]

DEVICE_PARTS = 4
"""`memory=auto` puts a set on the GPU if it takes at most a quarter of what is free there: the rest is for the networks."""


class Growth(Protocol):
    """The part of a growing model that decides on the data."""

    def level(self, images_shown: int) -> int | None:
        """The height of the reals after `images_shown` images, their width in proportion; None: the data's own."""

    def batch_size(self, images_shown: int, batch_size: int) -> int:
        """The images of the global batch that begins at `images_shown`, in a run whose option is `batch_size`."""

    @property
    def changes(self) -> Sequence[int]:
        """The images shown, rising, at which the resolution or the size of a batch may change."""


class NoGrowth:
    """The reals at their own resolution, in batches of one size."""

    changes: Sequence[int] = ()

    def level(self, images_shown: int) -> int | None:
        return None

    def batch_size(self, images_shown: int, batch_size: int) -> int:
        return batch_size


class Common(TypedDict):
    """The options that all sets have.

    resolution: of the images, a number or HxW (height x width), from 8 to 1024 a side; see `seesaw.functional.resolution`.
    channels: 1 (grey) or 3 (RGB); of data=folder 1 to 8.
    batch_size: images of a batch over all processes.
    seed: key of the order of the images.
    cache_dir: folder for what outlives a run: downloads, prepared images, lists of bad ones.
    flip: whether each image is also seen mirrored, once an epoch of twice the length (as xflip of Karras et al. 2020,
        "Training GANs with limited data"). Distances are to the set as it is.
    memory: where batches are gathered from. `map`: where the set lies, the prepared file or RAM; `ram`: always RAM;
        `device`: the GPU's memory; `auto`: the GPU if the set takes at most a quarter of what is free there, else `map`.
    labels: whether batches carry the labels of their images.
    classes: number of classes of the set, for models that take labels; 0: it has none.
    class_names: their names, in the order of the labels; null: the labels themselves, "0", "1", …
    growth: resolution and batch size by images shown, of a growing model; null: `resolution` and `batch_size` throughout.
    limit: number of images that are trained on, drawn by `seed` of those that are not held out; null: all of them. For studies
        of small sets.
    holdout: share of the images, above 0 and below 1, that is never trained on, chosen by a hash of each one's name or number;
        null: none.
    overfit_batches: number of batches that are repeated for ever (debug=overfit); null: the whole set is used.
    fresh_reals: whether a batch has a second sub-batch of as many images behind the first, for a model whose players see reals
        of their own (`seesaw.gan.module.GAN`). Images shown count the first.
    """

    resolution: Resolution
    channels: int
    batch_size: int
    seed: NotRequired[int]
    cache_dir: NotRequired[str]
    flip: NotRequired[bool]
    memory: NotRequired[Memory]
    labels: NotRequired[bool]
    classes: NotRequired[int]
    class_names: NotRequired[list[str] | None]
    growth: NotRequired[Growth | None]
    limit: NotRequired[int | None]
    holdout: NotRequired[float | None]
    overfit_batches: NotRequired[int | None]
    fresh_reals: NotRequired[bool]


class Batches(IterableDataset[Batch]):
    """The reals in the order of the sampler. Lightning leaves an iterable set alone; any other set would get Lightning's own
    `DistributedSampler`.

    Args:
        reals: the set.
        sampler: over its indices; with `flip` over twice as many, the upper half being the mirrored images.
        flip, labels, growth: see `Common`.
    """

    def __init__(
        self,
        reals: ImageSet,
        sampler: EndlessBatches,
        flip: bool = False,
        labels: bool = False,
        growth: Growth | None = None,
    ) -> None:
        self.reals, self.sampler, self.flip, self.labels = reals, sampler, flip, labels
        self.growth = NoGrowth() if growth is None else growth

    def __iter__(self) -> Iterator[Batch]:
        n, shown, reals = len(self.reals), self.sampler.start, self.reals
        own = reals.shape[-2]
        for indices in self.sampler:
            height = self.growth.level(shown) or own
            if height != reals.shape[-2]:
                reals = self.reals.level(height)
            here = indices % n if self.flip else indices
            images = reals.gather(here)
            if self.flip:
                images = mirrored(images, indices >= n)
            yield Batch(images, reals.labels(here) if self.labels else None)
            shown += len(indices) // self.sampler.sub_batches * self.sampler.world_size


def check_labels(reals: ImageSet, classes: int) -> None:
    """Raise UserError where `reals` has no labels, or others than those from 0 to `classes` - 1."""
    if reals.y is None:
        raise UserError(f"data.labels=true, but {reals.name} has no labels: give data.labels=false")
    if reals.classes != classes:
        raise UserError(
            f"data.classes is {classes}, but {reals.name} has {reals.classes} classes: give data.classes={reals.classes}, or "
            f"a set of {classes} classes"
        )
    least, most = reals.y.aminmax()
    if least < 0 or most >= classes:
        wrong = int(most if least >= 0 else least)
        raise UserError(
            f"{reals.name} has the label {wrong}: with data.classes={classes} they go from 0 to {classes - 1}"
        )


class ImageData(pl.LightningDataModule, ABC):
    """A set of real images, given as endless batches that begin at training's image number.

    A subclass reads the set in `load`; its constructor names its own options and passes the common ones on.

    Args:
        common: see `Common`.

    Attributes:
        depth: bits of a pixel and channel, 8 or 16.
        batch_size: the option; a growing model's batches may be smaller, see `batch_size_at`.
        sub_batches: parts of each batch, as many images each: 2 with `fresh_reals`, else 1.
        classes: number of classes of the labels in the batches; 0: they carry none.
        class_names: one name a class; empty where the batches carry no labels.

    Raises:
        ValueError: an option is not one of the allowed values.
    """

    depth = 8

    def __init__(self, **common: Unpack[Common]) -> None:
        super().__init__()
        if unknown := set(common) - set(Common.__annotations__):  # Python itself does not hold a TypedDict's keys
            raise TypeError(f"{type(self).__name__} got an unexpected keyword argument '{min(unknown)}'")
        self.resolution, self.channels = common["resolution"], common["channels"]
        self.check_shape(self.resolution, self.channels)
        self.batch_size, self.seed = common["batch_size"], common.get("seed", 0)
        if self.batch_size < 1:
            raise ValueError(f"batch_size must be at least 1, not {self.batch_size}")
        self.cache_dir, self.flip = os.path.expanduser(common.get("cache_dir", "cache")), common.get("flip", False)
        self.memory: Memory = common.get("memory", "auto")
        if self.memory not in ("auto", "map", "ram", "device"):
            raise ValueError(f"memory must be one of auto, map, ram, device, not {self.memory!r}")
        self.limit = check_limit(common.get("limit"))
        self.overfit_batches = common.get("overfit_batches")
        if self.overfit_batches is not None and self.overfit_batches < 1:
            raise ValueError(f"overfit_batches must be null or at least 1, not {self.overfit_batches}")
        self.holdout, self.sub_batches = check_share(common.get("holdout")), 2 if common.get("fresh_reals") else 1
        growth = common.get("growth")
        self.growth: Growth = NoGrowth() if growth is None else growth
        self._init_labels(common.get("labels", False), common.get("classes", 0), common.get("class_names"))

    def _init_labels(self, labels: bool, classes: int, names: list[str] | None) -> None:
        if classes < 0:
            raise ValueError(f"classes must be at least 0, not {classes}")
        if labels and names is not None and len(names) != classes:
            raise ValueError(f"class_names must name {classes} classes as classes={classes} does, not {len(names)}")
        self.labels, self.classes = labels, classes if labels else 0
        self.class_names = [str(k) for k in range(self.classes)] if names is None or not labels else list(names)

    def check_shape(self, resolution: Resolution, channels: int) -> None:
        """Raise ValueError where the set cannot have this shape."""
        scales_of(resolution)
        if channels not in (1, 3):
            raise ValueError(f"channels must be 1 or 3, not {channels}")

    @property
    def size(self) -> Size:
        """Height and width of the images."""
        return size_of(self.resolution)

    @abstractmethod
    def load(self) -> ImageSet:
        """Read the set at `self.resolution` with `self.channels`, and its labels where it has some."""

    @cached_property
    def loaded(self) -> ImageSet:
        """The whole set, read on first use."""
        return checked_set(self, self.load(), self.channels, self.resolution)

    def divide(self) -> Parts:
        """The set in its parts, as `holdout` wants them. A subclass may keep images together."""
        return divide(self.loaded, self.holdout)

    @cached_property
    def parts(self) -> Parts:
        """The images that are trained on, and those held out. They keep their labels also where `labels` is false.

        Raises:
            UserError: the set cannot be found, read or divided, or has fewer images than `limit`; `labels` is true and its
                labels are not those of `classes`.
        """
        parts = self.divide()
        parts = parts._replace(training=limited(parts.training, self.limit, self.seed))
        for images in filter(None, parts):
            if self.labels:
                check_labels(images, self.classes)
        return parts

    @cached_property
    def reals(self) -> ImageSet:
        """The real images that are trained on, read on first use; for errors see `parts`."""
        return self.parts.training

    @property
    def held_out(self) -> ImageSet | None:
        """The real images that are never trained on; None without `holdout`."""
        return self.parts.held_out

    def images_of(self, part: Part) -> ImageSet:
        """The images that are trained on, or those held out. UserError where none are."""
        if part == "train":
            return self.reals
        if self.held_out is None:
            raise UserError(
                "metrics.against=held_out, but no images are held out: train with data.holdout=0.1, or give "
                "metrics.against=train"
            )
        return self.held_out

    def batch_size_at(self, images_shown: int) -> int:
        """The images of the global batch that begins at `images_shown`."""
        return self.growth.batch_size(images_shown, self.batch_size)

    def batches(self, images: int) -> list[tuple[int, int]]:
        """The global batches of a run of that many images, without a walk through them: for each part of it in which they
        have one size, their number and that size."""
        parts, shown = list[tuple[int, int]](), 0
        for end in [*(change for change in self.growth.changes if change < images), images]:
            if end > shown:
                size = self.batch_size_at(shown)
                number = -(-(end - shown) // size)
                shown += number * size
                before = parts.pop()[0] if parts and parts[-1][1] == size else 0
                parts.append((before + number, size))
        return parts

    @property
    def description(self) -> str:
        """Name and shape of what is trained on, and how many images are held out. Reads the set."""
        held = f"; {len(self.held_out):,} images held out" if self.held_out is not None else ""
        return f"{self.reals.description}{held}"

    @property
    def fingerprint(self) -> str:
        """The number of images and a hash of what the batches show, labels included: equal for equal sets on every machine."""
        reals = self.reals
        labels = (
            hashlib.sha256(reals.y.cpu().numpy().tobytes()).hexdigest()[:8]
            if self.labels and reals.y is not None
            else ""
        )
        return f"{len(reals):,} images, content {'-'.join(filter(None, [reals.identity, labels]))}"

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
        """Endless `Batch`es of this process: uint8 (B, channels, H, W), or uint16 with `depth` 16, and with `labels` int64
        (B,) in [0, classes), where B is the global batch size divided by the number of processes, times `sub_batches`.

        No workers are started: an index into memory costs less than sending a batch between processes. A batch that goes to
        a GPU is pinned, so that the copy does not stop the host.
        """
        trainer = self.trainer
        assert trainer is not None
        start: Any = trainer.lightning_module.images_shown  # an int; mypy takes a Module's attribute for a tensor
        sampler = EndlessBatches(
            len(self.reals) * (2 if self.flip else 1),
            self.batch_size_at,
            self.seed,
            start=start,
            rank=trainer.global_rank,
            world_size=trainer.world_size,
            overfit_batches=self.overfit_batches,
            sub_batches=self.sub_batches,
        )
        device = trainer.strategy.root_device
        reals = self.placed(device)
        pin = device.type == "cuda" and reals.gather(torch.zeros(1, dtype=torch.int64)).device.type == "cpu"
        batches = Batches(reals, sampler, self.flip, self.labels, self.growth)
        return DataLoader(batches, batch_size=None, num_workers=0, pin_memory=pin)

    def placed(self, device: torch.device) -> ImageSet:
        """The set in the memory that the option `memory` chooses, for a run on `device`."""
        size = self.reals.nbytes
        if self.memory == "ram":
            n, c, h, w = self.reals.shape
            require_memory(n, c, f"{h}x{w}", self.depth)
            return self.reals.to(torch.device("cpu"))
        if device.type != "cuda" or self.memory == "map":
            if self.memory == "device":
                raise UserError(
                    f"data.memory=device needs a GPU, and the run is on {device.type}: give data.memory=auto"
                )
            return self.reals
        fits = size * DEVICE_PARTS <= torch.cuda.mem_get_info(device)[0]
        return self.reals.to(device) if fits or self.memory == "device" else self.reals
