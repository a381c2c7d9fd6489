"""CelebA-HQ and FFHQ in the layouts in which people keep them. Nothing is downloaded, and no torch is imported."""

import os
import re
import warnings
from pathlib import Path
from typing import NamedTuple

from seesaw.data.prepare.tree import Found, Subset, Tree, labelled_by_folder, open_tree
from seesaw.data.sources.celeba_layouts import warn_of_missing
from seesaw.errors import Notice, UserError

LARGEST = 1024
"""Pixels of both sets at their full size."""


class _Faces(NamedTuple):
    """What is known of a set.

    Args:
        name: as its authors write it.
        published: number of its images.
        sizes: fits the name of a folder or zip; its group is the resolution, and without one it is the largest.
        avoid: folders with images that are not those of the set.
        advice: how to get the set.
    """

    name: str
    published: int
    sizes: re.Pattern[str]
    avoid: tuple[str, ...]
    advice: str

    def size(self, name: str) -> int:
        """The resolution in the name of a folder or zip, or 0."""
        match = self.sizes.fullmatch(name)
        return int(match[1] or LARGEST) if match else 0


CELEBA_HQ = _Faces(
    "CelebA-HQ",
    30_000,
    re.compile(r"celeba-hq-img|(?:data|celeba[-_]?(?:hq)?)(?:-resized)?[-_]?(\d{2,4})(?:x\d+)?", re.IGNORECASE),
    ("CelebAMask-HQ-mask-anno", "mask"),
    "expected are 30,000 images, in a folder or zip such as CelebAMask-HQ/CelebA-HQ-img (1024 px, by way of "
    "github.com/switchablenorms/CelebAMask-HQ), data1024x1024 or celeba_hq_256: fetch one by hand and give data.root=FOLDER",
)
FFHQ = _Faces(
    "FFHQ",
    70_000,
    re.compile(r"(?:images|thumbnails|ffhq)[-_]?(\d{2,4})(?:x\d+)?", re.IGNORECASE),
    ("in-the-wild-images",),
    "expected are 70,000 images, in a folder or zip such as images1024x1024 or thumbnails128x128 (enough up to 128 px), by "
    "way of github.com/NVlabs/ffhq-dataset: fetch one by hand and give data.root=FOLDER",
)


def find_celeba_hq(root: str) -> Found:
    """CelebA-HQ (Karras et al. 2018): 30,000 images. See `_find_largest` for what `root` may be.

    Raises:
        UserError: it is not found.
    """
    return labelled_by_folder(_find_largest(root, CELEBA_HQ))


def find_ffhq(root: str) -> Found:
    """FFHQ (Karras et al. 2019): 70,000 images. See `_find_largest` for what `root` may be.

    The published folders 00000, 01000, … hold a thousand images each and are no classes.

    Raises:
        UserError: it is not found.
    """
    found = labelled_by_folder(_find_largest(root, FFHQ))
    return Found(found.tree) if all(map(numbers_images, found.class_names or [])) else found


def numbers_images(folder: str) -> bool:
    """Whether a folder is called as the published ones of FFHQ."""
    return len(folder) == 5 and folder.isdecimal()


def _find_largest(root: str, faces: _Faces) -> Tree:
    """The images of a folder or zip. If it holds, at any depth, folders that are called as those of the set are, or zips
    directly in it, then those of the largest resolution, and a warning names the others.
    """
    base = Path(root).expanduser()
    zips = {path.name: size for path in sorted(base.glob("*.zip")) if (size := faces.size(path.stem))}
    try:
        tree = open_tree(base)
        folders = _sized_folders(tree.names, faces)
    except UserError as error:
        if not zips:
            raise UserError(f"{error}; {faces.name} was not found: {faces.advice}") from error
        folders = {}
    sizes = folders | zips
    best = max(sizes, key=sizes.__getitem__, default="")  # of equal ones the first, folders before zips
    if len(sizes) > 1:
        others = ", ".join(repr(str(base / place)) for place in sizes if place != best)
        hint = "; give data.root to take another" if os.path.isdir(base) else ""
        notice = f"{faces.name}: {str(base / best)!r} is taken, the largest; also there: {others}{hint}"
        warnings.warn(notice, Notice, stacklevel=2)
    if best in zips:
        return _find_largest(str(base / best), faces)
    found = Subset(tree, best, lambda name: set(faces.avoid).isdisjoint(name.split("/")))
    if not found.names:
        raise UserError(f"data.root={root!r} holds only {faces.name}'s {', '.join(faces.avoid)}; {faces.advice}")
    warn_of_missing(found, faces.name, faces.published)
    return found


def _sized_folders(names: list[str], faces: _Faces) -> dict[str, int]:
    """The folders of a tree whose own names hold a resolution, with a / at the end; of nested ones the inner."""
    found = {}
    for folder in sorted({name.rpartition("/")[0] for name in names}):
        parts = folder.split("/")
        for depth in range(len(parts), 0, -1):
            if size := faces.size(parts[depth - 1]):
                found["/".join(parts[:depth]) + "/"] = size
                break
    return found
