"""CelebA's images and tables in the layouts in which people keep them. Nothing is downloaded, and no torch is imported."""

import difflib
import os
import re
import warnings
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Literal, NamedTuple

from seesaw.data.prepare.decode import BadImage
from seesaw.data.prepare.tree import TABLES, Found, Subset, Tree, ZipTree, open_tree
from seesaw.errors import Notice, UserError

Split = Literal["all", "train", "valid", "test"]

IMAGES = "img_align_celeba"
PLACES = (
    f"celeba/{IMAGES}",  # torchvision
    f"celeba/{IMAGES}.zip",
    IMAGES,  # Kaggle, where the folder is doubled
    f"{IMAGES}.zip",
    f"Img/{IMAGES}",  # the authors' folders
    f"Img/{IMAGES}.zip",
    "archive.zip",  # Kaggle, from the browser
    "celeba-dataset.zip",  # Kaggle, from its program
    "",
)
"""Where the images may lie below `data.root`, in the order in which they are looked for."""

COUNT = 202_599
NUMBERS = {"train": range(1, 162_771), "valid": range(162_771, 182_638), "test": range(182_638, COUNT + 1)}
"""The published split, by the number that is the image's name; list_eval_partition.txt holds the same."""

CODES = {"train": 0, "valid": 1, "test": 2}
"""The split's code in list_eval_partition."""

ADVICE = (
    f"expected are the {COUNT:,} jpg of 178x218 pixels, 000001.jpg and on, in {IMAGES} or {IMAGES}.zip; fetch that "
    f"zip in a browser from Google Drive or Baidu by way of mmlab.ie.cuhk.edu.hk/projects/CelebA.html, or, where Drive's "
    "quota is used up, archive.zip of jessicali9530/celeba-dataset on Kaggle; then give data.root=FOLDER, the folder that "
    "the zip lies in: it need not be unpacked"
)
NUMBERED = re.compile(r"([0-9]{6})\.\w+")


def find_celeba(root: str, split: Split = "all", attribute: str | None = None) -> Found:
    """CelebA's aligned and cropped images (Liu et al. 2015).

    Args:
        root: the folder of images or its zip, or a folder with one of them at one of `PLACES`.
        split: by list_eval_partition (.txt, or Kaggle's .csv) where it lies in the zip, or beside the images or up to
            two folders above; else by number, as published.
        attribute: one of the 40 of list_attr_celeba (.txt or .csv), looked for in the same way: -1 becomes class 0, 1 class 1.

    Raises:
        UserError: the images are not found; the split has none; the table is missing or wrong, or lacks the attribute.
    """
    images, tables = _find_images(root)
    warn_of_missing(images, "CelebA", COUNT)
    tree: Tree = images
    if split != "all":
        table = tables.find("list_eval_partition")
        if table is not None:
            codes = table.column(1, {str(code): code for code in CODES.values()}, images)
            tree = Subset(images, keep=lambda name: codes[name] == CODES[split])
        else:
            tree = Subset(images, keep=lambda name: int(name[:6]) in NUMBERS[split])
        if not tree.names:
            raise UserError(f"data.split={split}: none of the {len(images.names)} images of {images.place!r} is in it")
    if attribute is None:
        return Found(tree)
    y = _attribute(attribute, tables, tree)
    return Found(tree, [y[name] for name in tree.names], attribute_classes(attribute))


def attribute_classes(attribute: str) -> list[str]:
    """The names of the two classes that an attribute makes, in the order of their labels."""
    return [f"no {attribute}", attribute]


def warn_of_missing(tree: Tree, name: str, published: int) -> None:
    """Warn where a set was unpacked halfway: it trains as well, but its figures are those of another set."""
    count = len(tree.names) + len(tree.refused)
    if count != published:
        notice = f"{tree.place!r} holds {count:,} images, {name} has {published:,}: is it whole?"
        warnings.warn(notice, Notice, stacklevel=2)


class _Table:
    """A text file with a row for each image: the image's name, then values; above it a header or none.

    Args:
        where: path of the file, for messages.
        read: gives its content.

    Raises:
        UserError: it cannot be read, or lists no images.
    """

    def __init__(self, where: str, read: Callable[[], bytes]) -> None:
        try:
            lines = read().decode("utf-8-sig", errors="replace").splitlines()
        except (BadImage, OSError) as error:
            raise UserError(f"{where} cannot be read: {error}") from error
        self.where, separator = where, "," if where.endswith(".csv") else None
        rows = [
            (k, [cell.strip() for cell in line.split(separator)]) for k, line in enumerate(lines, 1) if line.strip()
        ]
        first = next((k for k, (_, cells) in enumerate(rows) if NUMBERED.fullmatch(cells[0])), None)
        if first is None:
            raise UserError(f"{where} lists no images")
        above = rows[first - 1][1] if first else []
        self.names = above[1:] if separator else above  # a .csv also names the images' column
        self.rows = rows[first:]

    def header(self) -> list[str]:
        """The names of the columns after the image's."""
        number, cells = self.rows[0]
        if len(self.names) != len(cells) - 1:
            raise UserError(f"{self.where}, line {number}: {len(cells) - 1} values under {len(self.names)} names")
        return self.names

    def column(self, index: int, meanings: dict[str, int], tree: Tree) -> dict[str, int]:
        """The values of a column, by the names of the tree's images, refused ones included."""
        found: dict[str, int] = {}
        for number, cells in self.rows:
            image = NUMBERED.fullmatch(cells[0])
            if image is None or index >= len(cells) or cells[index] not in meanings:
                allowed = ", ".join(meanings)
                raise UserError(f"{self.where}, line {number}: an image and one of {allowed} were expected")
            found[image[1]] = meanings[cells[index]]
        names = (*tree.names, *tree.refused)
        if missing := next((name for name in names if name[:6] not in found), None):
            raise UserError(f"{self.where} has no row for {missing!r}")
        return {name: found[name[:6]] for name in names}


class _Tables(NamedTuple):
    """Where the tables may lie."""

    archive: ZipTree | None
    folders: list[Path]

    def find(self, stem: str) -> _Table | None:
        """The table in the zip, else in the first folder that has it."""
        names = [stem + suffix for suffix in TABLES]
        if self.archive is not None:
            for entry in self.archive.tables:
                if entry.rpartition("/")[2] in names:
                    return _Table(f"{self.archive.place}/{entry}", partial(self.archive.read, entry))
        paths = (folder / name for folder in self.folders for name in names)
        return next((_Table(str(path), path.read_bytes) for path in paths if path.is_file()), None)


def _find_images(root: str) -> tuple[Tree, _Tables]:
    """The images, by their bare names, and where their tables are."""
    base = Path(root).expanduser()
    missing, wrong = [], []
    for place in PLACES if os.path.isdir(base) else ("",):
        path = base / place
        if not os.path.exists(path):
            missing.append(place)
            continue
        try:
            tree = open_tree(path)
        except UserError as error:
            wrong.append(str(error).removeprefix("data.root="))
            continue
        folder = _images_folder(tree.names)
        if folder is None:
            first = f"such as {tree.names[0]!r}"
            wrong.append(f"{tree.place!r} holds {len(tree.names)} images, {first}, but no {IMAGES} and none by number")
            continue
        archive = tree if isinstance(tree, ZipTree) else None
        start = Path(tree.place) / folder if archive is None else Path(tree.place).parent
        above = (start, start.parent, start.parent.parent)
        places = [one / sub for one in above for sub in ("", "Anno", "Eval")]  # the latter as the authors' folders
        return Subset(tree, folder, lambda name: bool(NUMBERED.fullmatch(name))), _Tables(archive, places)
    where = repr(str(base.absolute()))
    absent = f"{where} has no {', '.join(missing)}" if os.path.exists(base) else f"there is no {where}"
    reasons = "; ".join((*wrong, *([absent] if missing else [])))
    raise UserError(f"data.root={root!r}: CelebA was not found ({reasons}); {ADVICE}")


def _images_folder(names: list[str]) -> str | None:
    """The folder of a tree, with a / at the end, that holds CelebA's images: called as theirs, or the top, or the only one."""
    split = [name.rpartition("/") for name in names]
    only = len({folder for folder, _, _ in split}) == 1
    counts = Counter(folder for folder, _, name in split if NUMBERED.fullmatch(name))
    fit = [folder for folder in sorted(counts) if only or folder == "" or folder.rpartition("/")[2] == IMAGES]
    best = max(fit, key=counts.__getitem__, default=None)
    return f"{best}/" if best else best


def _attribute(attribute: str, tables: _Tables, tree: Tree) -> dict[str, int]:
    """The class of each image, 0 or 1."""
    table = tables.find("list_attr_celeba")
    if table is None:
        places = ", ".join(str(folder) for folder in tables.folders if folder.is_dir())
        raise UserError(
            f"data.attribute={attribute!r} needs list_attr_celeba.txt or .csv, which is neither in the zip nor in {places}: "
            "put it beside the images; it comes from where they come from"
        )
    names = table.header()
    if attribute not in names:
        by_lower = {name.lower(): name for name in names}
        near = difflib.get_close_matches(attribute.lower(), by_lower, 1, 0.5)
        meant = f"; did you mean {by_lower[near[0]]!r}?" if near else ""
        raise UserError(f"data.attribute={attribute!r} is none of {table.where}{meant} ({', '.join(names)})")
    return table.column(1 + names.index(attribute), {"-1": 0, "1": 1}, tree)
