"""Many samples as a folder of images, a zip or a .npy file: chunk by chunk, whole or not at all."""

import csv
import io
import re
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from seesaw.errors import UserError
from seesaw.latents.model import Chosen, open_model
from seesaw.latents.place import ELSEWHERE, check_folder
from seesaw.util import atomic_write, whole_folder

SAFE = re.compile(r"[\w][\w \-]{0,79}")
"""Names of classes that are also names of folders. A checkpoint may come from a stranger, so others, such as `../x`, are not."""

LABELS = "labels.csv"
"""The list of files and classes beside images with labels."""

PNG_CHANNELS = (1, 2, 3, 4)

CHUNK = 256
"""Images that are held at once."""

Chunk = tuple[Tensor, Tensor | None]
"""Stored images (B, C, H, W), and their labels (B,)."""

Put = Callable[[str, bytes], object]
"""Takes a file's name and content."""


def write_many(chosen: Chosen, count: int, seed: int, out: Path, is_folder: bool) -> str:
    """Write samples in the form that `out` names.

    The samples are those of `seesaw sample --seed` as a grid. Classes of a model with labels are drawn evenly unless one is
    chosen.

    Args:
        chosen: the checkpoint.
        count: how many.
        seed: key of the latents and labels.
        out: `.npy`: an array (count, H, W, C) of uint8 or uint16, or of points (count, 2) of float32, with the labels beside it
            as NAME.labels.npy. `.zip` or a folder: an image a file, PNG for 1 to 4 channels of 8 bits or one of 16, else .npy, in
            folders by class with labels.csv.
        is_folder: whether `out` is a folder, whatever its name.

    Returns:
        The line to print.

    Raises:
        UserError: the folder is not empty, or a file cannot be written.
    """
    if is_folder:
        check_folder(out)
    model = open_model(chosen, images=False)
    y = model.drawn_labels(count, seed)
    z = model.latents(count, seed)
    labels = [None] * len(z) if y is None else list(y.split(CHUNK))
    images = ((model.images(part, own), own) for part, own in zip(z.split(CHUNK), labels, strict=False))
    folders = None if y is None else class_folders(model.classes, [str(name) for name in model.run.class_names])
    beside = "" if folders is None else f" in a folder for each class, with {LABELS}"
    if is_folder or out.suffix.lower() == ".zip":
        if model.run.points:
            raise UserError(f"--out {out}: points of the plane are no images; give a name that ends in .npy or .png")
        if is_folder:
            _write_folder(images, folders, count, out)
        else:
            atomic_write(out, lambda file: _write_zip(images, folders, count, file), ELSEWHERE)
    else:
        beside = _write_array(images, count, model.shape, model.depth, y, out)
    return f"{out}: {count} samples{beside}; {model.described(drawn=True)}"


def class_folders(classes: int, names: list[str]) -> list[str]:
    """The folder of each class: its name where all names are usable as such and distinct, else its number, so padded that the
    order of names is that of numbers."""
    padded = [str(k).zfill(len(str(classes - 1))) for k in range(classes)]
    usable = len(names) == classes == len({name.casefold() for name in names}) and all(map(SAFE.fullmatch, names))
    return list(names) if usable and not all(name.isdecimal() for name in names) else padded


def _write_array(
    images: Iterator[Chunk], count: int, shape: tuple[int, ...], depth: int, y: Tensor | None, out: Path
) -> str:
    """A .npy file whose header is written first, as the number of images is known, and its labels."""
    points = shape[1:] == (1, 1)
    kind = np.dtype("<f4" if points else "<u2" if depth > 8 else "u1")
    size = (count, shape[0]) if points else (count, *shape[1:], shape[0])

    def write(file: BinaryIO) -> None:
        header = {"descr": np.lib.format.dtype_to_descr(kind), "fortran_order": False, "shape": size}
        np.lib.format.write_array_header_1_0(file, header)
        for chunk, _ in images:
            file.write(np.ascontiguousarray(chunk.permute(0, 2, 3, 1).numpy().astype(kind, copy=False)).tobytes())

    atomic_write(out, write, ELSEWHERE)
    if y is None:
        return ""
    beside = out.with_name(f"{out.stem}.labels.npy")
    atomic_write(beside, lambda file: np.save(file, y.numpy()), ELSEWHERE)
    return f", classes in {beside.name}"


def _files(images: Iterator[Chunk], folders: list[str] | None, count: int) -> Iterator[tuple[str, bytes]]:
    """Name and content of each file, and last the list of labels."""
    digits, number = max(6, len(str(count - 1))), 0
    table = io.StringIO()
    rows = csv.writer(table)
    rows.writerow(["file", "class"])
    for chunk, y in images:
        for k, image in enumerate(chunk):
            content, suffix = encoded(image)
            name = f"{number:0{digits}d}{suffix}"
            if y is not None and folders is not None:
                name = f"{folders[int(y[k])]}/{name}"
                rows.writerow([name, int(y[k])])
            yield name, content
            number += 1
    if folders is not None:
        yield LABELS, table.getvalue().encode()


def encoded(image: Tensor) -> tuple[bytes, str]:
    """One stored image (C, H, W) as a file that data=folder reads, and its suffix: PNG where Pillow writes so many bits and
    channels, else .npy (H, W, C)."""
    pixels, file = image.permute(1, 2, 0).contiguous().numpy(), io.BytesIO()
    deep = image.dtype == torch.uint16
    if image.shape[0] == 1 or (image.shape[0] in PNG_CHANNELS and not deep):
        Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels).save(file, format="PNG")
        return file.getvalue(), ".png"
    np.save(file, pixels)
    return file.getvalue(), ".npy"


def _write_zip(images: Iterator[Chunk], folders: list[str] | None, count: int, file: BinaryIO) -> None:
    """PNG files are stored, since they are compressed; the same samples give the same bytes."""
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        for name, content in _files(images, folders, count):
            entry = zipfile.ZipInfo(name)
            entry.compress_type = zipfile.ZIP_STORED if name.endswith(".png") else zipfile.ZIP_DEFLATED
            archive.writestr(entry, content)


def _write_folder(images: Iterator[Chunk], folders: list[str] | None, count: int, out: Path) -> None:
    """All files, or none."""
    check_folder(out)
    with whole_folder(out, ELSEWHERE) as folder:
        for name, content in _files(images, folders, count):
            path = folder / name
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(content)
