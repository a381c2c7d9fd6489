"""Data sets that need no preparation by the user: each function reads one into an `ImageSet`.

A source takes `resolution` and `channels` and what else it needs, and knows nothing of batches; its data module, which
gives its options to the configuration, stands in `module.py`.
"""

import gzip
import os
import socket
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import numpy as np
import torch
import torchvision
from sklearn.datasets import load_digits
from torch import Tensor

from seesaw.data.images import ImageSet, require_memory, resize, to_channels
from seesaw.types import UserError

Split = Literal["train", "test"]

DEBIAN_FASHION_MNIST = Path("/usr/share/datasets/fashion-mnist")
"""Where Debian's package dataset-fashion-mnist puts its files."""

IDX_FILES = {
    "train": ("train-images-idx3-ubyte", "train-labels-idx1-ubyte"),
    "test": ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"),
}
DOWNLOAD_TIMEOUT = 20.0  # seconds without an answer


def _brought_to(images: Tensor, resolution: int, channels: int) -> Tensor:
    require_memory(len(images), channels, resolution)
    return to_channels(resize(images, resolution), channels)


def digits(resolution: int, channels: int = 1) -> ImageSet:
    """The 1797 handwritten digits that scikit-learn carries (Alpaydin & Kaynak, UCI 1998): no download.

    They are 8x8 with values 0 ... 16, here scaled to 0 ... 255 and enlarged bilinearly; 10 classes.
    """
    bunch = load_digits()
    images = torch.from_numpy((bunch.images * (255 / 16)).round().astype(np.uint8))[:, None]
    y = torch.from_numpy(bunch.target.astype(np.int64))
    return ImageSet(_brought_to(images, resolution, channels), "digits", y, 10)


def fashion_mnist(
    resolution: int,
    channels: int = 1,
    root: str | None = None,
    split: Split = "train",
    cache_dir: str = "cache",
) -> ImageSet:
    """Fashion-MNIST (Xiao et al. 2017): 60,000 or 10,000 articles of clothing, 28x28 grey, 10 classes.

    The idx files, plain or as .gz, are taken from `root`, `root/FashionMNIST/raw` (torchvision's place) or
    `root/fashion-mnist`. Without a `root` they are looked for in the same way in `cache_dir`, then where Debian's
    package puts them, and at last downloaded by torchvision into `cache_dir`.

    Raises:
        UserError: the files are in none of these places and cannot be downloaded, or are damaged.
    """
    base = Path(cache_dir if root is None else root).expanduser()
    places = [base, base / "FashionMNIST" / "raw", base / "fashion-mnist"]
    if root is None:
        places.append(DEBIAN_FASHION_MNIST)
    paths = _find_idx(places, split)
    if paths is None and root is None:
        _download_fashion_mnist(base, places)
        paths = _find_idx(places, split)
    if paths is None:
        raise _not_found(places, f"data.root={root}", "leave data.root out to have them downloaded")
    images = torch.from_numpy(read_idx(paths[0], 3))[:, None]
    y = torch.from_numpy(read_idx(paths[1], 1)).long()
    if len(images) != len(y) or not len(y) or y.max() > 9:
        raise UserError(f"{paths[0]} and {paths[1].name} do not belong together: {len(images)} images, {len(y)} labels")
    name = "fashion_mnist" if split == "train" else f"fashion_mnist-{split}"
    return ImageSet(_brought_to(images, resolution, channels), name, y, 10)


def read_idx(path: Path, ndim: int) -> np.ndarray:
    """Read an idx file of unsigned bytes (LeCun's format), plain or .gz: uint8 with `ndim` axes, writable.

    Raises:
        UserError: it cannot be read, is not such a file, or holds another number of bytes than its header says.
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
        raise UserError(f"{path} holds {len(body)} bytes, its header says {shape}: remove it and fetch it again")
    return body.reshape(shape).copy()


def _find_idx(places: list[Path], split: Split) -> tuple[Path, Path] | None:
    """The split's file of images and file of labels in the first place that has both."""
    for place in places:
        found = [
            next((path for path in (place / name, place / f"{name}.gz") if path.is_file()), None)
            for name in IDX_FILES[split]
        ]
        if found[0] and found[1]:
            return found[0], found[1]
    return None


def _not_found(places: list[Path], where: str, advice: str) -> UserError:
    names = ", ".join(name for pair in IDX_FILES.values() for name in pair)
    tried = ", ".join(str(place.absolute()) for place in places)
    return UserError(
        f"{where}: Fashion-MNIST was not found (tried {tried}; expected {names}, each plain or .gz): put the files "
        f"into one of these folders by hand, install Debian's package dataset-fashion-mnist, or {advice}"
    )


def _download_fashion_mnist(base: Path, places: list[Path]) -> None:
    """Download into a temporary folder beside the place, then move file by file: a broken download leaves nothing."""
    base.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=base, prefix="download-") as scratch, _socket_timeout(DOWNLOAD_TIMEOUT):
        try:
            torchvision.datasets.FashionMNIST(scratch, download=True)
        except (OSError, RuntimeError) as error:  # URLError is an OSError; torchvision raises RuntimeError itself
            reason = f"the download failed ({' '.join(str(error).split())})"
            raise _not_found(places, reason, "try again with a network") from error
        raw = base / "FashionMNIST" / "raw"
        raw.mkdir(parents=True, exist_ok=True)
        for path in Path(scratch, "FashionMNIST", "raw").iterdir():
            os.replace(path, raw / path.name)


@contextmanager
def _socket_timeout(seconds: float) -> Iterator[None]:
    """torchvision's download sets no timeout: where a firewall swallows packets it would hang for minutes."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(seconds)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)
