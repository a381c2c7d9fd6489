"""Preparation: every image of a tree decoded, cropped and resized once, on all cores, into one memory-mapped file.

A prepared set is a folder of `cache_dir/prepared`:

    images-64.npy  uint8 (N, C, 64, 64), or uint16 of data.depth=16; of other shapes than squares images-96x160.npy, …; with
                   smaller levels images-32.npy, … beside it
    labels.npy     int64 (N,), where the set has labels
    names.json     the file each image came from
    index.json     names of the classes, content hash, where it came from and how, the bad images with their reasons

It is made under another name and renamed when it is whole. Nothing here imports torch.
"""

import hashlib
import json
import os
import shutil
import sys
import time
import warnings
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from tqdm import tqdm

from seesaw.data.prepare.decode import Decoding
from seesaw.data.prepare.leftovers import lock_file, remove_half_made, remove_leftovers
from seesaw.data.prepare.listing import CACHE_TAG
from seesaw.data.prepare.tree import Tree
from seesaw.data.prepare.workers import decode_all
from seesaw.errors import Notice, UserError
from seesaw.functional.resolution import Resolution
from seesaw.util import atomic_write, locked, usable_cpus

VERSION = 2
"""Of the format; 1 had raw files (images-64.u8, labels.i64) whose shape the index listed."""

DECODER = 2
"""Of the code that decodes; 1 took a PNG with much text and a JPEG without its end marker for bad."""

CACHE_SIGNATURE = "Signature: 8a477f597d28d172789f06886806bc55"
"""The first line of a `CACHE_TAG`."""

FEW = 256  # images that are read sooner than processes would have started


@dataclass(frozen=True)
class Plan:
    """What is to be prepared.

    Args:
        name: of the set.
        tree: where the images are read from.
        how: each is decoded.
        y: a label for each of `tree.names`, or None.
        class_names: the name of each class, in the order of the labels; None exactly when `y` is.
        max_bad: the share of images, 0 ... 1, that may be bad; they are skipped.
    """

    name: str
    tree: Tree
    how: Decoding
    y: list[int] | None = None
    class_names: list[str] | None = None
    max_bad: float = 0.05

    @property
    def key(self) -> str:
        """A hash of the sources and of all options that decide on the pixels: equal keys, equal prepared sets."""
        # 1: the same as in format 1, so that a set of that format is found in its place and made anew there
        made = (1, self.name, self.tree.fingerprint, self.how.decisive(), self.y)
        return hashlib.sha256(repr(made).encode()).hexdigest()[:16]

    def folder(self, cache_dir: str | Path) -> Path:
        """Where the prepared set lies."""
        shape = f"{self.how.resolution}x{self.how.channels}"
        return Path(cache_dir).expanduser() / "prepared" / f"{self.name}-{shape}-{self.key}"


def prepare(plan: Plan, cache_dir: str | Path, jobs: int | None = None) -> Path:
    """The folder of the prepared set, made if it is not there or not whole. Other processes that want the same one wait.

    Args:
        plan: what to prepare.
        cache_dir: the set becomes a folder of its sub-folder `prepared`.
        jobs: processes that decode; None: one a core, or none for few images.

    Raises:
        UserError: more images are bad than `plan.max_bad` allows; a process that decodes died.
        OSError: the disk is full, or cannot be written.
    """
    folder = plan.folder(cache_dir)
    index = whole(folder)
    remove_leftovers(Path(cache_dir).expanduser())
    if index is None or outdated(index):
        folder.parent.mkdir(parents=True, exist_ok=True)
        mark_cache(Path(cache_dir).expanduser())
        with locked(lock_file(folder)):
            index = whole(folder)  # another process may have made it meanwhile
            if index is None or outdated(index):
                index = _make_whole(plan, folder, Path(cache_dir).expanduser(), jobs)
    if too_many(len(index["bad"]), index["total"], plan.max_bad):  # it was made when more were allowed
        raise UserError(summary(index["bad"], index["total"], plan, folder / "index.json"))
    return folder


def outdated(index: dict[str, Any]) -> bool:
    """Whether images were skipped by a former decoder that this one may read."""
    return bool(index["bad"]) and index.get("decoder", 1) != DECODER


def _make_whole(plan: Plan, folder: Path, cache_dir: Path, jobs: int | None) -> dict[str, Any]:
    """Make the set under another name, and rename it. Modes follow the umask, which those of `tempfile` do not."""
    remove_half_made(folder)
    making = folder.with_name(f".{folder.name}.{os.getpid()}")
    making.mkdir()
    try:
        _make(plan, making, cache_dir, jobs)
        shutil.rmtree(folder, ignore_errors=True)
        os.replace(making, folder)
    except BaseException:
        shutil.rmtree(making, ignore_errors=True)
        raise
    index = whole(folder)
    assert index is not None, folder
    return index


def mark_cache(cache_dir: Path) -> None:
    """Mark a folder as a cache, so that neither seesaw takes it for a set nor a backup keeps it."""
    tag = cache_dir / CACHE_TAG
    if not tag.exists():
        atomic_write(tag, f"{CACHE_SIGNATURE}\n# This folder is a cache of seesaw.\n")


def images_file(folder: Path, resolution: Resolution) -> Path:
    """Where the images of a prepared set lie at one resolution, a number or `HxW`."""
    return folder / f"images-{resolution}.npy"


def whole(folder: Path) -> dict[str, Any] | None:
    """The index of a prepared set, or None where it is missing, of another format, or its files do not fit it."""
    try:
        index: dict[str, Any] = json.loads((folder / "index.json").read_text(encoding="utf-8"))
        if index["version"] != VERSION:
            return None
        shape, names = shape_of(images_file(folder, index["decoding"]["resolution"])), index["class_names"]
        if shape is None or (names is not None and shape_of(folder / "labels.npy") != shape[:1]):
            return None
        if any(not isinstance(name, str) for name in names or ()):
            return None
    except (OSError, ValueError, KeyError, TypeError, RecursionError):  # another's index.json may hold anything
        return None
    return index


def shape_of(path: Path) -> tuple[int, ...] | None:
    """The shape of a .npy file; None where it is missing, cut, or of another kind."""
    try:
        array = np.load(path, mmap_mode="r")
    except (OSError, ValueError, EOFError):
        return None
    return array.shape if isinstance(array, np.ndarray) else None


def prepared_at(root: str) -> dict[str, Any] | None:
    """The index where `data.root` is itself a prepared set, None where it is something else.

    Raises:
        UserError: an earlier version of seesaw prepared it.
    """
    folder = Path(root).expanduser()
    index = whole(folder)
    if index is None and (folder / "names.json").is_file() and any(folder.glob("images-*.u8")):
        raise UserError(
            f"data.root={root!r} was prepared by an earlier version of seesaw: give the folder or zip of the images, which are "
            "then prepared again"
        )
    return index


def content_hash(folder: Path, resolution: Resolution) -> str:
    """The SHA-256 of shape and pixels, in hexadecimal digits: its first 16 are the `identity` of the set."""
    images = np.load(images_file(folder, resolution), mmap_mode="r")
    digest = hashlib.sha256(str(images.shape).encode())
    for start in range(0, len(images), 1024):
        digest.update(images[start : start + 1024].data)
    return digest.hexdigest()


def write_header(file: BinaryIO, shape: tuple[int, ...], depth: int = 8) -> None:
    """Write the header of a .npy file of uint8, or with `depth` 16 of uint16. Its length does not depend on the first number
    of `shape`."""
    header = {"descr": "|u1" if depth == 8 else "<u2", "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(file, header)


def _make(plan: Plan, making: Path, cache_dir: Path, jobs: int | None) -> None:
    names, how = plan.tree.names, plan.how
    path = images_file(making, how.resolution)
    _allocate(path, (len(names), how.channels, *how.size), how.depth)
    reasons = _decode_all(plan, path, jobs)
    bad = {name: reason for name, reason in zip(names, reasons, strict=True) if reason} | plan.tree.refused
    total = len(names) + len(plan.tree.refused)
    if bad:
        report_bad(bad, total, plan, cache_dir)
    good = [i for i, reason in enumerate(reasons) if not reason]
    if len(good) < len(names):
        _keep_rows(path, good)
    if plan.y is not None:
        np.save(making / "labels.npy", np.asarray(plan.y, dtype=np.int64)[good])
    (making / "names.json").write_text(json.dumps([names[i] for i in good]), encoding="utf-8")
    index = {
        "version": VERSION,
        "decoder": DECODER,
        "name": plan.name,
        "class_names": plan.class_names,
        "sha256": content_hash(making, how.resolution),
        "source": plan.tree.place,
        "decoding": asdict(how),
        "total": total,
        "bad": bad,
        "made": time.strftime("%Y-%m-%d %H:%M:%S"),
    }
    (making / "index.json").write_text(json.dumps(index, indent=1), encoding="utf-8")


def _allocate(path: Path, shape: tuple[int, ...], depth: int) -> None:
    """An empty .npy file of `depth` bits a value. A disk that is too small fails here, not after hours."""
    with open(path, "wb") as file:
        write_header(file, shape, depth)
        size = file.tell() + int(np.prod(shape, dtype=np.int64)) * depth // 8
        file.truncate(size)
        file.flush()
        if sys.platform == "linux":
            os.posix_fallocate(file.fileno(), 0, size)


def _decode_all(plan: Plan, path: Path, jobs: int | None) -> list[str]:
    """Write every image to its row; for each the reason why it is bad, or ""."""
    n, reasons = len(plan.tree.names), list[str]()
    with tqdm(total=n, desc=f"preparing {plan.name}", unit="image", leave=False, disable=None) as bar:
        for found in decode_all(plan.tree, plan.how, path, jobs or (1 if n < FEW else len(usable_cpus()))):
            reasons += found
            bar.update(len(found))
    return reasons


def _keep_rows(path: Path, good: list[int]) -> None:
    """Move the good rows together, in their order, and cut the file."""
    rows = np.load(path, mmap_mode="r")
    with open(path, "r+b") as file:
        write_header(file, (len(good), *rows.shape[1:]), 8 * rows.itemsize)
        for start in good:  # never behind the place that is written
            file.write(rows[start].data)
        file.truncate()


def report_bad(bad: dict[str, str], total: int, plan: Plan, cache_dir: Path) -> None:
    """List the bad images in a file; warn, or raise UserError where they are too many.

    Names are written as Python literals, since they may hold line breaks or bytes that are no text. The same images have the
    same file, whatever the reasons: these are Pillow's words, which change with its version.
    """
    text = "".join(f"{name!r}: {reason}\n" for name, reason in bad.items())
    content = f"{len(bad)} of {total} images of {plan.tree.place!r} were skipped:\n{text}"
    digest = hashlib.sha256(repr((plan.tree.place, sorted(bad))).encode()).hexdigest()[:16]
    listed = cache_dir / f"bad_images-{digest}.txt"
    atomic_write(listed, content.encode(errors="backslashreplace"))
    sentence = summary(bad, total, plan, listed)
    if too_many(len(bad), total, plan.max_bad):
        raise UserError(sentence)
    warnings.warn(sentence, Notice, stacklevel=2)


def too_many(bad: int, total: int, max_bad: float) -> bool:
    """Whether so many bad images are more than the share `max_bad` of all, or all."""
    return bad > max_bad * total or bad == total


def summary(bad: dict[str, str], total: int, plan: Plan, listed: Path) -> str:
    """How many images are bad, the first of them, what that leads to, and where all are listed."""
    first = ", ".join(f"{name!r} ({reason})" for name, reason in list(bad.items())[:3])
    more = ", ..." if len(bad) > 3 else ""
    allowed = f"data.max_bad={plan.max_bad} allows {int(plan.max_bad * total)}"
    verdict = allowed if too_many(len(bad), total, plan.max_bad) else "they are skipped"
    return (
        f"{len(bad)} of {total} images of data.root={plan.tree.place!r} cannot be used: {first}{more}; {verdict}; "
        f"the whole list is in {listed}"
    )
