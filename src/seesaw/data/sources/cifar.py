"""CIFAR-10 (Krizhevsky 2009): 50,000 and 10,000 colour images of 32 px in 10 classes."""

import io
import os
import tarfile
import tempfile
from pathlib import Path
from typing import Literal

import numpy as np
import torch
import torchvision

from seesaw.data.images import ImageSet, brought_to
from seesaw.data.sources.download import socket_timeout
from seesaw.errors import UserError

Split = Literal["train", "test"]

FOLDER, ARCHIVE = "cifar-10-batches-bin", "cifar-10-binary.tar.gz"
BATCHES = {"train": tuple(f"data_batch_{k}.bin" for k in range(1, 6)), "test": ("test_batch.bin",)}
PICKLED, PICKLED_ARCHIVE = "cifar-10-batches-py", "cifar-10-python.tar.gz"
ROW = 1 + 3 * 32 * 32  # a label, then the planes R, G, B
LARGEST = 64 << 20  # bytes of one file of the archive; the real ones have 30,730,000


def cifar10(
    resolution: int, channels: int = 3, root: str | None = None, split: Split = "train", cache_dir: str = "cache"
) -> ImageSet:
    """The set from `root`, or without one from `cache_dir`, where it is downloaded to when missing.

    Looked for are the binary version, as a folder or as its archive, then the python version: its pickles are opened by
    torchvision alone, after their MD5 was found right, since a pickle can run any program.

    Raises:
        UserError: the set is nowhere and cannot be downloaded, or is damaged.
    """
    base = Path(cache_dir if root is None else root).expanduser()
    found = _binary(base, split)
    images, y = _pickled(base, split, download=root is None) if found is None else found
    name = "cifar10" if split == "train" else f"cifar10-{split}"
    return ImageSet(brought_to(torch.from_numpy(images), resolution, channels), name, torch.from_numpy(y), 10)


def _binary(base: Path, split: Split) -> tuple[np.ndarray, np.ndarray] | None:
    """Images (N, 3, 32, 32) and labels (N,) of the binary version, or None where it is not there."""
    for folder in (base, base / FOLDER):
        paths = [folder / name for name in BATCHES[split]]
        if all(path.is_file() for path in paths):
            return _rows([(str(path), path.read_bytes()) for path in paths])
    for archive in (base, base / ARCHIVE):
        if archive.is_file() and archive.name.endswith(".tar.gz") and "python" not in archive.name:
            return _rows(_unpacked(archive, split))
    return None


def _unpacked(archive: Path, split: Split) -> list[tuple[str, bytes]]:
    """The split's files, read from the archive; nothing is written."""
    parts = []
    try:
        with tarfile.open(archive) as tar:
            for name in BATCHES[split]:
                file = tar.extractfile(f"{FOLDER}/{name}")
                if file is None:
                    raise KeyError(f"{name} is no plain file in it")
                parts.append((f"{archive}, {name}", file.read(LARGEST)))
    except (OSError, EOFError, KeyError, tarfile.TarError) as error:
        raise UserError(f"{archive} cannot be read ({error}): remove it and fetch it again") from error
    return parts


def _rows(parts: list[tuple[str, bytes]]) -> tuple[np.ndarray, np.ndarray]:
    tables = []
    for where, content in parts:
        if not content or len(content) % ROW:
            raise UserError(f"{where} holds {len(content)} bytes, no multiple of {ROW}: remove it and fetch it again")
        tables.append(np.frombuffer(io.BytesIO(content).getbuffer(), dtype=np.uint8).reshape(-1, ROW))
    rows = np.concatenate(tables)
    if rows[:, 0].max() > 9:
        raise UserError(f"{parts[0][0]} holds the label {rows[:, 0].max()}: it is no file of CIFAR-10; fetch it again")
    return rows[:, 1:].reshape(-1, 3, 32, 32).copy(), rows[:, 0].astype(np.int64)


def _pickled(base: Path, split: Split, download: bool) -> tuple[np.ndarray, np.ndarray]:
    """By torchvision, which checks the MD5 of every file before it opens one."""
    train = split == "train"
    try:
        found = torchvision.datasets.CIFAR10(str(base), train=train)
    except RuntimeError as missing:
        if not download:
            raise _not_found(base, f"data.root={str(base)!r}", "leave data.root out to have it downloaded") from missing
        base.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=base, prefix="download-") as scratch, socket_timeout():
            try:
                torchvision.datasets.CIFAR10(scratch, train=train, download=True)
            except (OSError, RuntimeError) as error:
                reason = f"the download failed ({' '.join(str(error).split())})"
                raise _not_found(base, reason, "try again with a network") from error
            (base / PICKLED).mkdir(exist_ok=True)  # a torn one may be there
            for path in Path(scratch, PICKLED).iterdir():
                os.replace(path, base / PICKLED / path.name)
        found = torchvision.datasets.CIFAR10(str(base), train=train)
    return found.data.transpose(0, 3, 1, 2).copy(), np.asarray(found.targets, dtype=np.int64)


def _not_found(base: Path, where: str, advice: str) -> UserError:
    tried = ", ".join(str((base / name).absolute()) for name in (FOLDER, ARCHIVE, PICKLED))
    return UserError(
        f"{where}: CIFAR-10 was not found whole (tried {tried}; expected {ARCHIVE} or {PICKLED_ARCHIVE}, unpacked): put "
        f"one of them there by hand, from www.cs.toronto.edu/~kriz/cifar.html, or {advice}"
    )
