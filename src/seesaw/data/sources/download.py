"""Sets with two published splits that torchvision downloads."""

import os
import socket
import tempfile
from abc import abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, Unpack

import torchvision
from torch import Tensor

from seesaw.data.images import ImageSet, brought_to
from seesaw.data.module import Common, ImageData
from seesaw.data.prepare.leftovers import remove_leftovers
from seesaw.errors import UserError

Split = Literal["train", "test"]
TIMEOUT = 20.0  # seconds without an answer


class DownloadedData(ImageData):
    """A set of ten classes with two published splits. It is found in `root` or `cache_dir`, or downloaded.

    A subclass has a `name`, as in the configuration, and a `title`, as its authors write it.

    Args:
        root: folder with the files; null: cache_dir, other usual places, then a download.
        split: train or test.
        common: see `seesaw.data.module.Common`.
    """

    name: str
    title: str

    def __init__(self, root: str | None = None, split: Split = "train", **common: Unpack[Common]) -> None:
        super().__init__(**common)
        if split not in ("train", "test"):
            raise ValueError(f"split must be one of train, test, not {split!r}")
        self.root, self.split = root, split

    @property
    def base(self) -> Path:
        """The folder in which the files are looked for first."""
        return Path(self.cache_dir if self.root is None else self.root).expanduser()

    @property
    def torchvision_name(self) -> str:
        """The class of torchvision.datasets that downloads the set."""
        return self.title.replace("-", "")

    @abstractmethod
    def read(self) -> tuple[Tensor, Tensor]:
        """Images, uint8 (N, C, H, W), and labels, int64 (N,), of the split.

        Raises:
            UserError: the set is nowhere and cannot be downloaded, or is damaged.
        """

    @abstractmethod
    def not_found(self, reason: str, advice: str) -> UserError:
        """Where the set was looked for, what is expected there, and how to get it."""

    def load(self) -> ImageSet:
        images, y = self.read()
        name = self.name if self.split == "train" else f"{self.name}-{self.split}"
        return ImageSet(brought_to(images, self.resolution, self.channels), name, y, 10)

    def missing(self) -> UserError:
        """The error where the given `root` does not hold the set."""
        return self.not_found(f"data.root={self.root}", "leave data.root out to have it downloaded")

    def download(self, folder: str) -> None:
        """Download the set with torchvision, which checks the MD5 of each file, to `folder` in `cache_dir`.

        It goes to a temporary folder beside, then each file is moved: a broken download leaves nothing.
        """
        self.base.mkdir(parents=True, exist_ok=True)
        remove_leftovers(self.base)
        with tempfile.TemporaryDirectory(dir=self.base, prefix=f"download-{os.getpid()}-") as scratch, socket_timeout():
            fetch: Any = getattr(torchvision.datasets, self.torchvision_name)
            try:
                fetch(scratch, download=True)
            except (OSError, RuntimeError) as error:  # URLError is an OSError; torchvision raises RuntimeError itself
                reason = f"the download failed ({' '.join(str(error).split())})"
                raise self.not_found(reason, "try again with a network") from error
            (self.base / folder).mkdir(parents=True, exist_ok=True)  # a torn one may be there
            for path in Path(scratch, folder).iterdir():
                os.replace(path, self.base / folder / path.name)


@contextmanager
def socket_timeout(seconds: float = TIMEOUT) -> Iterator[None]:
    """torchvision's downloads set no timeout: where a firewall swallows packets they would hang for minutes."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(seconds)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)
