"""MNIST and Fashion-MNIST: four files in LeCun's idx format, plain or as .gz, found where people keep them or downloaded."""

import gzip
import os
import tempfile
import warnings
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
import torchvision

from seesaw.data.images import ImageSet, brought_to
from seesaw.data.sources.download import socket_timeout
from seesaw.errors import Notice, UserError

Split = Literal["train", "test"]

IDX_FILES = {
    "train": ("train-images-idx3-ubyte", "train-labels-idx1-ubyte"),
    "test": ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"),
}
COUNTS = {"train": 60_000, "test": 10_000}


@dataclass(frozen=True)
class IdxSet:
    """One set in this format.

    Args:
        name: in the configuration, and of its folder.
        title: as its authors write it.
        torchvision: the class that downloads it; its files lie in `<class>/raw`.
        system: a folder where a package of the system puts the files, or None.
        advice: how else to get it.
    """

    name: str
    title: str
    torchvision: str
    system: Path | None
    advice: str

    def places(self, root: str | None, cache_dir: str) -> list[Path]:
        """Where the files are looked for: `root` or `cache_dir`, torchvision's place in it, and the system's."""
        base = Path(cache_dir if root is None else root).expanduser()
        folder = self.name.replace("_", "-")
        places = [base] if root is not None else []
        places += [base / self.torchvision / "raw", base / folder]
        if root is None and self.system is not None:
            places.append(self.system)
        return places


FASHION = IdxSet(
    "fashion_mnist",
    "Fashion-MNIST",
    "FashionMNIST",
    Path("/usr/share/datasets/fashion-mnist"),  # Debian's package dataset-fashion-mnist
    "install Debian's package dataset-fashion-mnist, or ",
)
MNIST = IdxSet("mnist", "MNIST", "MNIST", None, "")


def fashion_mnist(
    resolution: int, channels: int = 1, root: str | None = None, split: Split = "train", cache_dir: str = "cache"
) -> ImageSet:
    """Fashion-MNIST (Xiao et al. 2017): 60,000 or 10,000 articles of clothing, 28x28 grey, 10 classes; see `read_set`."""
    return read_set(FASHION, resolution, channels, root, split, cache_dir)


def mnist(
    resolution: int, channels: int = 1, root: str | None = None, split: Split = "train", cache_dir: str = "cache"
) -> ImageSet:
    """MNIST (LeCun et al. 1998): 60,000 or 10,000 handwritten digits, 28x28 grey, 10 classes; see `read_set`."""
    return read_set(MNIST, resolution, channels, root, split, cache_dir)


def read_set(what: IdxSet, resolution: int, channels: int, root: str | None, split: Split, cache_dir: str) -> ImageSet:
    """The files are taken from `root`, from `root/<torchvision's class>/raw` or `root/<name>`.

    Without a `root` they are looked for in `cache_dir` likewise, then where the system's package puts them, and at last
    downloaded by torchvision into `cache_dir`.

    Raises:
        UserError: the files are in none of these places and cannot be downloaded, or are damaged.
    """
    places = what.places(root, cache_dir)
    paths = _find(places, split)
    if paths is None and root is None:
        _download(what, Path(cache_dir).expanduser(), places)
        paths = _find(places, split)
    if paths is None:
        raise _not_found(what, places, f"data.root={root}", "leave data.root out to have them downloaded")
    images = torch.from_numpy(read_idx(paths[0], 3))[:, None]
    y = torch.from_numpy(read_idx(paths[1], 1)).long()
    if len(images) != len(y) or not len(y) or y.max() > 9:
        raise UserError(f"{paths[0]} and {paths[1].name} do not belong together: {len(images)} images, {len(y)} labels")
    if len(y) != COUNTS[split]:
        notice = f"{paths[0]} holds {len(y):,} images, {what.title} has {COUNTS[split]:,}: a part of it?"
        warnings.warn(notice, Notice, stacklevel=2)
    name = what.name if split == "train" else f"{what.name}-{split}"
    return ImageSet(brought_to(images, resolution, channels), name, y, 10)


def read_idx(path: Path, ndim: int) -> np.ndarray:
    """Read an idx file of unsigned bytes (LeCun's format), plain or .gz: uint8 with `ndim` axes, writable.

    Raises:
        UserError: it cannot be read, is not such a file, or holds another number of bytes than its header gives.
    """
    try:
        content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    except (OSError, EOFError, zlib.error) as error:
        raise UserError(f"{path} cannot be read ({error}): remove it and fetch it again") from error
    header = np.frombuffer(content[: 4 + 4 * ndim], dtype=np.uint8)
    # the magic number: two zero bytes, 8 for "unsigned byte", the number of axes
    if len(header) < 4 + 4 * ndim or header[:4].tolist() != [0, 0, 8, ndim]:
        raise UserError(f"{path} is not an idx file of unsigned bytes with {ndim} axes: remove it and fetch it again")
    shape = header[4:].view(">u4").tolist()
    body = np.frombuffer(content, dtype=np.uint8, offset=4 + 4 * ndim)
    if len(body) != np.prod(shape, dtype=np.int64):
        raise UserError(f"{path} holds {len(body)} bytes, its header gives {shape}: remove it and fetch it again")
    return body.reshape(shape).copy()


def _find(places: list[Path], split: Split) -> tuple[Path, Path] | None:
    """The split's file of images and file of labels in the first place that has both."""
    for place in places:
        found = [
            next((path for path in (place / name, place / f"{name}.gz") if path.is_file()), None)
            for name in IDX_FILES[split]
        ]
        if found[0] and found[1]:
            return found[0], found[1]
    return None


def _not_found(what: IdxSet, places: list[Path], where: str, advice: str) -> UserError:
    names = ", ".join(name for pair in IDX_FILES.values() for name in pair)
    tried = ", ".join(str(place.absolute()) for place in places)
    return UserError(
        f"{where}: {what.title} was not found (tried {tried}; expected {names}, each plain or .gz): put the files "
        f"into one of these folders by hand, {what.advice}{advice}"
    )


def _download(what: IdxSet, base: Path, places: list[Path]) -> None:
    """Download into a temporary folder beside the place, then move file by file: a broken download leaves nothing."""
    base.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=base, prefix="download-") as scratch, socket_timeout():
        fetch: Any = getattr(torchvision.datasets, what.torchvision)
        try:
            fetch(scratch, download=True)
        except (OSError, RuntimeError) as error:  # URLError is an OSError; torchvision raises RuntimeError itself
            reason = f"the download failed ({' '.join(str(error).split())})"
            raise _not_found(what, places, reason, "try again with a network") from error
        raw = base / what.torchvision / "raw"
        raw.mkdir(parents=True, exist_ok=True)
        for path in Path(scratch, what.torchvision, "raw").iterdir():
            os.replace(path, raw / path.name)
