"""A prepared set as an `ImageSet` over its file: what is read stays in the system's cache, never in the process's memory."""

import mmap
import os
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from seesaw.data.images import ImageSet, box_average, free_memory
from seesaw.data.prepare.write import Plan, folder_classes, prepare, whole

CHUNK = 1024


@dataclass(frozen=True, eq=False)
class PreparedSet(ImageSet):
    """An `ImageSet` whose pixels are a map of a file.

    Args:
        folder: of that file; smaller levels of the set may lie beside it.
        levels: folder in which missing levels are written; None: `folder`.
    """

    folder: Path | None = None
    levels: Path | None = None

    def level(self, resolution: int) -> ImageSet:
        """The same images at a smaller power of two, from a file that is made when it is missing."""
        assert self.folder is not None
        n, c, h, _ = self.shape
        if resolution == h:
            return self
        name, size = f"images-{resolution}.u8", n * c * resolution**2
        written = self.levels or self.folder
        path = next((p for p in (self.folder / name, written / name) if p.exists() and p.stat().st_size == size), None)
        if path is None:
            path = written / name
            written.mkdir(parents=True, exist_ok=True)
            _write_level(self.images, resolution, path)
        return ImageSet(map_file(path, (n, c, resolution, resolution)), self.name, self.y, self.classes)


def prepared(plan: Plan, cache_dir: str | Path, jobs: int | None = None) -> PreparedSet:
    """The set that `plan` describes, prepared first where it is not; for errors see `seesaw.data.prepare.write.prepare`."""
    return open_prepared(prepare(plan, cache_dir, jobs))


def open_prepared(folder: Path, levels: Path | None = None) -> PreparedSet:
    """The prepared set in `folder`, which must be whole; for `levels` see `PreparedSet`."""
    index = whole(folder)
    assert index is not None, folder
    n, c, h, w = index["shape"]
    y = None
    if index["classes"] is not None:
        y = torch.frombuffer(bytearray((folder / "labels.i64").read_bytes()), dtype=torch.int64)
    images = map_file(folder / f"images-{h}.u8", (n, c, h, w))
    return PreparedSet(images, index["name"], y, index["classes"] or 0, index["sha256"][:16], folder, levels)


def labelled_by_folder(reals: PreparedSet, expected: int) -> PreparedSet:
    """`reals` with the class folders of its files as labels, see `folder_classes`; unchanged where there are none."""
    assert reals.folder is not None
    found = folder_classes(reals.folder, expected)
    return (
        reals
        if found is None or len(found[0]) != len(reals)
        else replace(reals, y=torch.tensor(found[0]), classes=len(found[1]))
    )


def map_file(path: Path, shape: tuple[int, ...]) -> Tensor:
    """uint8 of `shape` over a file. It is mapped for this process alone, so that writing to it would change no file.

    A file that fits into half of the free memory is fetched into the system's cache in one go; of a larger one only the
    pages that are asked for are read, since read-ahead would push out others that will be needed.
    """
    with open(path, "rb") as file:
        pages = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)
    pages.madvise(mmap.MADV_WILLNEED if len(pages) < free_memory() // 2 else mmap.MADV_RANDOM)
    return torch.frombuffer(pages, dtype=torch.uint8).view(shape)


def _write_level(images: Tensor, resolution: int, path: Path) -> None:
    """Under another name and then renamed, chunk by chunk: the set may be larger than the memory."""
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            for part in images.split(CHUNK):
                file.write(box_average(part, resolution).numpy().data)
        os.replace(name, path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
