"""CIFAR-10 (Krizhevsky 2009): 50,000 and 10,000 colour images of 32 px in 10 classes."""

import tarfile
from pathlib import Path

import numpy as np
import torch
import torchvision
from torch import Tensor

from seesaw.data.sources.download import DownloadedData
from seesaw.errors import UserError

FOLDER, ARCHIVE = "cifar-10-batches-bin", "cifar-10-binary.tar.gz"
BATCHES = {"train": tuple(f"data_batch_{k}.bin" for k in range(1, 6)), "test": ("test_batch.bin",)}
PICKLED, PICKLED_ARCHIVE = "cifar-10-batches-py", "cifar-10-python.tar.gz"
ROW = 1 + 3 * 32 * 32  # a label, then the planes R, G, B
LARGEST = 64 << 20  # bytes of one file of the archive; the real ones have 30,730,000


class CIFAR10(DownloadedData):
    """CIFAR-10, from `root`, or without one from `cache_dir`, where it is downloaded to when missing.

    The binary version is looked for first, as a folder or as its archive, then the python version: its pickles are opened by
    torchvision alone, after their MD5 was found right, since a pickle can run any program.
    """

    name, title = "cifar10", "CIFAR-10"

    def read(self) -> tuple[Tensor, Tensor]:
        files = self._binary_files()
        if files is not None:
            return _parse(files)
        try:
            found = self._pickled()
        except RuntimeError as error:  # not there, or another MD5
            if self.root is not None:
                raise self.missing() from error
            self.download(PICKLED)
            found = self._pickled()
        return torch.from_numpy(found.data).permute(0, 3, 1, 2).contiguous(), torch.tensor(found.targets)

    def not_found(self, reason: str, advice: str) -> UserError:
        tried = ", ".join(str((self.base / name).absolute()) for name in (FOLDER, ARCHIVE, PICKLED))
        return UserError(
            f"{reason}: CIFAR-10 was not found whole (tried {tried}; expected {ARCHIVE} or {PICKLED_ARCHIVE}, unpacked): put "
            f"one of them there by hand, from www.cs.toronto.edu/~kriz/cifar.html, or {advice}"
        )

    def _pickled(self) -> torchvision.datasets.CIFAR10:
        return torchvision.datasets.CIFAR10(str(self.base), train=self.split == "train")

    def _binary_files(self) -> list[tuple[str, bytes]] | None:
        """Name and content of each file of the split's binary version, or None where it is not there."""
        for folder in (self.base, self.base / FOLDER):
            paths = [folder / name for name in BATCHES[self.split]]
            if all(path.is_file() for path in paths):
                return [(str(path), path.read_bytes()) for path in paths]
        for archive in (self.base, self.base / ARCHIVE):
            if archive.is_file() and archive.name.endswith(".tar.gz") and "python" not in archive.name:
                return [(f"{archive}, {name}", content) for name, content in _unpacked(archive, BATCHES[self.split])]
        return None


def _unpacked(archive: Path, names: tuple[str, ...]) -> list[tuple[str, bytes]]:
    """These files of the archive, read in memory."""
    try:
        with tarfile.open(archive) as tar:
            files = [(name, tar.extractfile(f"{FOLDER}/{name}")) for name in names]
            return [(name, b"" if file is None else file.read(LARGEST)) for name, file in files]
    except (OSError, EOFError, KeyError, tarfile.TarError) as error:
        raise UserError(f"{archive} cannot be read ({error}): remove it and fetch it again") from error


def _parse(files: list[tuple[str, bytes]]) -> tuple[Tensor, Tensor]:
    for where, content in files:
        if not content or len(content) % ROW:
            raise UserError(f"{where} holds {len(content)} bytes, no multiple of {ROW}: remove it and fetch it again")
    rows = np.frombuffer(b"".join(content for _, content in files), dtype=np.uint8).reshape(-1, ROW)
    if rows[:, 0].max() > 9:
        raise UserError(f"{files[0][0]} holds the label {rows[:, 0].max()}: it is no file of CIFAR-10; fetch it again")
    images = rows[:, 1:].reshape(-1, 3, 32, 32).copy()
    return torch.from_numpy(images), torch.from_numpy(rows[:, 0].astype(np.int64))
