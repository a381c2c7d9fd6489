"""A prepared set as an `ImageSet` over its file: pages that are read stay in the system's cache, not in the process's memory."""

import json
import mmap
import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO

import numpy as np
import torch
from torch import Tensor

from seesaw.data.images import ImageSet, box_average, free_memory, require_memory
from seesaw.data.prepare.write import images_file, shape_of, whole, write_header
from seesaw.errors import DataLost
from seesaw.functional.resolution import Size
from seesaw.util import atomic_write

CHUNK = 1024


@dataclass(frozen=True, eq=False)
class PreparedSet(ImageSet):
    """An `ImageSet` whose pixels are a map of a file.

    Args:
        folder: of that file; smaller levels of the set may lie beside it.
        levels: folder in which missing levels are written; None: `folder`.
        file: the map; None where the pixels were copied to memory.
    """

    folder: Path | None = None
    levels: Path | None = None
    file: mmap.mmap | None = None

    def gather(self, indices: Tensor) -> Tensor:
        self.check_file()
        return super().gather(indices)

    def image_keys(self) -> list[str]:
        """The name of each image's file below the root of the set."""
        assert self.folder is not None
        try:
            names: list[str] = json.loads((self.folder / "names.json").read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise self._lost() from error
        if len(names) != len(self):
            raise self._lost()
        return names

    def to(self, device: torch.device) -> ImageSet:
        self.check_file()
        return replace(super().to(device), file=None)  # type: ignore[call-arg]

    def level(self, height: int) -> ImageSet:
        """The same images smaller by a power of two, from a file that is made when it is missing; in memory where it
        cannot be written.
        """
        assert self.folder is not None
        n, c, h, w = self.shape
        if height == h:
            return self
        resolution = Size(height, w * height // h).label
        shape = n, c, height, w * height // h
        places = [images_file(folder, resolution) for folder in (self.folder, self.levels or self.folder)]
        path = next((place for place in places if shape_of(place) == shape), places[1])
        if shape_of(path) != shape:
            self.check_file()
            lost = shape_of(images_file(self.folder, Size(h, w).label)) != self.shape
            if lost and self.file is not None:
                raise self._lost()
            if lost or (path.parent.exists() and not os.access(path.parent, os.W_OK)):
                require_memory(n, c, resolution, 8 * self.images.itemsize)
                return ImageSet(box_average(self.images, height), self.name, self.y, self.classes)
            hint = "choose another place by cache_dir=…"
            atomic_write(path, lambda file: _write_level(self.images, height, file), hint)
        images, file = map_images(path)
        return PreparedSet(images, self.name, self.y, self.classes, None, path.parent, self.levels, file)

    def check_file(self) -> None:
        """Raise DataLost where the mapped file has become shorter: to read beyond its end would kill the process."""
        if self.file is not None and self.file.size() < len(self.file):
            raise self._lost()

    def _lost(self) -> DataLost:
        return DataLost(
            f"the prepared set {str(self.folder)!r} is gone or damaged while the run reads it: go on with resume=auto, which "
            "prepares it again"
        )


def open_prepared(folder: Path, levels: Path | None = None) -> PreparedSet:
    """The prepared set in `folder`, which must be whole; for `levels` see `PreparedSet`."""
    index = whole(folder)
    assert index is not None, folder
    images, file = map_images(images_file(folder, index["decoding"]["resolution"]))
    names = index["class_names"]
    y = None if names is None else torch.from_numpy(np.load(folder / "labels.npy"))
    return PreparedSet(images, index["name"], y, len(names or ()), index["sha256"][:16], folder, levels, file)


def map_images(path: Path) -> tuple[Tensor, mmap.mmap]:
    """The array of a .npy file as a tensor, and the map. It is mapped for this process alone, so that writing to it would
    change no file.

    A file that fits into half of the free memory is fetched into the system's cache in one go; of a larger one only the
    pages that are asked for are read, since read-ahead would push out others that will be needed.
    """
    array = np.load(path, mmap_mode="c")
    assert isinstance(array.base, mmap.mmap)
    array.base.madvise(mmap.MADV_WILLNEED if array.nbytes < free_memory() // 2 else mmap.MADV_RANDOM)
    return torch.from_numpy(array), array.base


def _write_level(images: Tensor, height: int, file: BinaryIO) -> None:
    """Chunk by chunk: the set may be larger than the memory."""
    n, c, h, w = images.shape
    write_header(file, (n, c, height, w * height // h), 8 * images.itemsize)
    for part in images.split(CHUNK):
        file.write(box_average(part, height).cpu().numpy().data)
