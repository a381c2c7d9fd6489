"""Preparation: every image of a tree decoded, cropped and resized once, on all cores, into one memory-mapped file.

A prepared set is a folder of `cache_dir/prepared`:

    images-64.u8   uint8 (N, C, 64, 64), image after image; with smaller levels images-32.u8, … beside it
    labels.i64     int64 (N,), where the set has labels
    names.json     the file each image came from
    index.json     shape, classes and their names, content hash, where it came from and how, the bad images with their reasons

It is made under another name and renamed when it is whole. Nothing here imports torch: workers start in a moment.
"""

import fcntl
import hashlib
import json
import os
import shutil
import sys
import tempfile
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from seesaw.data.prepare.decode import Decoding
from seesaw.data.prepare.tree import Tree, labels
from seesaw.data.prepare.workers import decode_all
from seesaw.errors import Notice, UserError

VERSION = 1
FEW = 256  # images that are read sooner than workers would have started


@dataclass(frozen=True)
class Plan:
    """What is to be prepared.

    Args:
        name: what the set is called.
        tree: where the images are read from.
        how: how each is decoded.
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
        """A hash of the sources and of all that makes the pixels: equal keys, equal prepared sets."""
        made = (VERSION, self.name, self.tree.fingerprint, asdict(self.how), self.y)
        return hashlib.sha256(repr(made).encode()).hexdigest()[:16]

    def folder(self, cache_dir: str | Path) -> Path:
        """Where the prepared set lies."""
        shape = f"{self.how.resolution}x{self.how.channels}"
        return Path(cache_dir).expanduser() / "prepared" / f"{self.name}-{shape}-{self.key}"


def prepare(plan: Plan, cache_dir: str | Path, jobs: int | None = None) -> Path:
    """The folder of the prepared set, made if it is not there or not whole. Other processes that want the same one wait.

    Args:
        jobs: processes that decode; None: one a core, or none for few images.

    Raises:
        UserError: more images are bad than `plan.max_bad` allows; a worker died.
        OSError: the disk is full, or cannot be written.
    """
    folder = plan.folder(cache_dir)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with _alone(folder):
        for stale in folder.parent.glob(f".{folder.name}.*"):  # of a process that was killed: we hold the lock
            shutil.rmtree(stale, ignore_errors=True)
        index = whole(folder)
        if index is None:
            shutil.rmtree(folder, ignore_errors=True)
            making = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
            try:
                _make(plan, making, Path(cache_dir).expanduser(), jobs)
                os.replace(making, folder)
            except BaseException:
                shutil.rmtree(making, ignore_errors=True)
                raise
        elif too_many(len(index["bad"]), index["total"], plan.max_bad):  # it was made when more were allowed
            raise UserError(
                judgement(index["bad"], index["total"], plan, f"the whole list is in {folder / 'index.json'}")
            )
    return folder


def whole(folder: Path) -> dict[str, Any] | None:
    """The index of a prepared set, or None where it is missing or its files do not have the sizes that it lists."""
    try:
        index: dict[str, Any] = json.loads((folder / "index.json").read_text())
        n, c, h, w = index["shape"]
        if index["version"] != VERSION or (folder / f"images-{h}.u8").stat().st_size != n * c * h * w:
            return None
        if index["classes"] is not None and (folder / "labels.i64").stat().st_size != 8 * n:
            return None
    except (OSError, ValueError, KeyError, TypeError, RecursionError):  # another's index.json may hold anything
        return None
    return index


def folder_classes(folder: Path, expected: int | None = None) -> tuple[list[int], list[str]] | None:
    """The class folders of the files that a prepared set was made of: a label for each image, and the classes' names.

    A class all of whose images were bad keeps its number. The index lists these beside files that were refused when the tree
    was listed, which count for no class; `expected` decides where that makes a difference.

    Args:
        folder: a prepared set that is whole.
        expected: the number of classes, where it is known.

    Returns:
        None where the files lie in no class folders, or their list cannot be read.
    """
    try:
        kept = json.loads((folder / "names.json").read_text())
        bad = json.loads((folder / "index.json").read_text())["bad"]
        found = [one for names in ([*kept, *bad], kept) if (one := labels(names)) is not None]
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):  # another's may hold anything
        return None
    fitting = [one for one in found if len(one[1]) == expected]
    y, names = (fitting or found or [([], [])])[0]
    return (y[: len(kept)], names) if names else None


def content_hash(folder: Path, shape: tuple[int, ...]) -> str:
    """The SHA-256 of shape and pixels, in hexadecimal digits: its first 16 are the `identity` of the set."""
    digest = hashlib.sha256(str(shape).encode())
    with open(folder / f"images-{shape[-1]}.u8", "rb") as file:
        while part := file.read(1 << 22):
            digest.update(part)
    return digest.hexdigest()


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """A lock among processes, which the system releases when its holder ends, however it ends."""
    with open(folder.with_name(f"{folder.name}.lock"), "w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _make(plan: Plan, making: Path, cache_dir: Path, jobs: int | None) -> None:
    names, how = plan.tree.names, plan.how
    path = making / f"images-{how.resolution}.u8"
    row = how.channels * how.resolution**2
    with open(path, "wb") as file:
        if sys.platform == "linux":  # a disk that is too small fails here, not after hours
            os.posix_fallocate(file.fileno(), 0, row * len(names))
    reasons = _decode_all(plan, path, jobs)
    bad = {name: reason for name, reason in zip(names, reasons, strict=True) if reason} | plan.tree.refused
    total = len(names) + len(plan.tree.refused)
    if bad:
        judge(bad, total, plan, cache_dir)
    good = [i for i, reason in enumerate(reasons) if not reason]
    _close_gaps(path, good, row)
    if plan.y is not None:
        np.asarray(plan.y, dtype=np.int64)[good].tofile(making / "labels.i64")
    shape = (len(good), how.channels, how.resolution, how.resolution)
    (making / "names.json").write_text(json.dumps([names[i] for i in good]))
    index = {
        "version": VERSION,
        "name": plan.name,
        "shape": shape,
        "classes": None if plan.class_names is None else len(plan.class_names),
        "class_names": plan.class_names,
        "sha256": content_hash(making, shape),
        "source": plan.tree.place,
        "decoding": asdict(how),
        "total": total,
        "bad": bad,
        "made": time.strftime("%Y-%m-%d %H:%M:%S"),
    }
    (making / "index.json").write_text(json.dumps(index, indent=1))


def _decode_all(plan: Plan, path: Path, jobs: int | None) -> list[str]:
    """Write every image to its row; for each the reason why it is bad, or ""."""
    n = len(plan.tree.names)
    reasons = [""] * n
    with tqdm(total=n, desc=f"preparing {plan.name}", unit="image", leave=False, disable=None) as bar:

        def done(start: int, found: list[str]) -> None:
            reasons[start : start + len(found)] = found
            bar.update(len(found))

        decode_all(plan.tree, plan.how, path, jobs or (1 if n < FEW else cores()), done)
    return reasons


def cores() -> int:
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1


def _close_gaps(path: Path, good: list[int], row: int) -> None:
    """Move the good rows together, in their order, and cut the file."""
    with open(path, "r+b") as file:
        for to, start in enumerate(good):
            if to != start:
                os.pwrite(file.fileno(), os.pread(file.fileno(), row, start * row), to * row)
        file.truncate(len(good) * row)


def judge(bad: dict[str, str], total: int, plan: Plan, cache_dir: Path) -> None:
    """List the bad images in a file; warn, or raise where they are too many. Names are written as Python literals,
    since they may hold line breaks or bytes that are no text. The same images have the same file, whatever the reasons:
    these are Pillow's words, which change with its version.
    """
    text = "".join(f"{name!r}: {reason}\n" for name, reason in bad.items())
    content = f"{len(bad)} of {total} images of {plan.tree.place!r} were skipped:\n{text}"
    digest = hashlib.sha256(repr((plan.tree.place, sorted(bad))).encode()).hexdigest()[:16]
    listed = cache_dir / f"bad_images-{digest}.txt"
    listed.write_text(content, encoding="utf-8", errors="backslashreplace")
    where = f"the whole list is in {listed}"
    if too_many(len(bad), total, plan.max_bad):
        raise UserError(judgement(bad, total, plan, where))
    warnings.warn(judgement(bad, total, plan, where), Notice, stacklevel=2)


def too_many(bad: int, total: int, max_bad: float) -> bool:
    return bad > max_bad * total or bad == total


def judgement(bad: dict[str, str], total: int, plan: Plan, where: str) -> str:
    """How many are bad, the first of them, what that leads to, and where all are listed."""
    first = ", ".join(f"{name!r} ({reason})" for name, reason in list(bad.items())[:3]) + (
        ", ..." if len(bad) > 3 else ""
    )
    allowed = f"data.max_bad={plan.max_bad} allows {int(plan.max_bad * total)}"
    verdict = allowed if too_many(len(bad), total, plan.max_bad) else "they are skipped"
    return f"{len(bad)} of {total} images of data.root={plan.tree.place!r} cannot be used: {first}; {verdict}; {where}"
