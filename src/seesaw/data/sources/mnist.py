"""MNIST and Fashion-MNIST: four files in LeCun's idx format, plain or as .gz, found in the usual places or downloaded."""

import gzip
import warnings
import zlib
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from seesaw.data.sources.download import DownloadedData
from seesaw.errors import Notice, UserError

IDX_FILES = {
    "train": ("train-images-idx3-ubyte", "train-labels-idx1-ubyte"),
    "test": ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"),
}
COUNTS = {"train": 60_000, "test": 10_000}


class MNIST(DownloadedData):
    """MNIST (LeCun et al. 1998): 60,000 or 10,000 handwritten digits, 28x28 grey, 10 classes.

    The files are taken from `root`, from torchvision's `root/MNIST/raw` or from `root/mnist`. Without a `root` they are looked
    for in `cache_dir` likewise, and at last downloaded into it.
    """

    name, title = "mnist", "MNIST"
    system: ClassVar[Path | None] = None
    """A folder where a package of the system puts the files."""

    def read(self) -> tuple[Tensor, Tensor]:
        paths = self._find()
        if paths is None and self.root is None:
            self.download(f"{self.torchvision_name}/raw")
            paths = self._find()
        if paths is None:
            raise self.missing()
        images, y = torch.from_numpy(read_idx(paths[0], 3))[:, None], torch.from_numpy(read_idx(paths[1], 1)).long()
        if len(images) != len(y) or not len(y) or y.max() > 9:
            sizes = f"{len(images)} images, {len(y)} labels"
            raise UserError(f"{paths[0]} and {paths[1].name} do not belong together: {sizes}")
        if len(y) != COUNTS[self.split]:
            count = f"holds {len(y):,} images, {self.title} has {COUNTS[self.split]:,}"
            warnings.warn(f"{paths[0]} {count}: a part of it?", Notice, stacklevel=2)
        return images, y

    def places(self) -> list[Path]:
        """Where the files are looked for."""
        below = [self.base / self.torchvision_name / "raw", self.base / self.name.replace("_", "-")]
        if self.root is not None:
            return [self.base, *below]
        return below if self.system is None else [*below, self.system]

    def not_found(self, reason: str, advice: str) -> UserError:
        names = ", ".join(name for pair in IDX_FILES.values() for name in pair)
        tried = ", ".join(str(place.absolute()) for place in self.places())
        package = "" if self.system is None else f"install Debian's package dataset-{self.system.name}, or "
        return UserError(
            f"{reason}: {self.title} was not found (tried {tried}; expected {names}, each plain or .gz): put the files "
            f"into one of these folders by hand, {package}{advice}"
        )

    def _find(self) -> tuple[Path, Path] | None:
        """The split's file of images and file of labels in the first place that has both."""
        for place in self.places():
            found = [
                next((path for path in (place / name, place / f"{name}.gz") if path.is_file()), None)
                for name in IDX_FILES[self.split]
            ]
            if found[0] and found[1]:
                return found[0], found[1]
        return None


class FashionMNIST(MNIST):
    """Fashion-MNIST (Xiao et al. 2017): 60,000 or 10,000 articles of clothing, 28x28 grey, 10 classes.

    Its files are found as MNIST's are, and where Debian's package dataset-fashion-mnist puts them.
    """

    name, title = "fashion_mnist", "Fashion-MNIST"
    system = Path("/usr/share/datasets/fashion-mnist")


def read_idx(path: Path, ndim: int) -> np.ndarray:
    """Read an idx file of unsigned bytes. torchvision's reader takes no .gz, and its errors have no text.

    Args:
        path: the file, plain or .gz.
        ndim: number of axes that it must have.

    Returns:
        uint8 with `ndim` axes, writable.

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
