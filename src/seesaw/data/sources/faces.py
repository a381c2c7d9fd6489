"""Finding the sets of faces among the ways people keep them: CelebA, CelebA-HQ, FFHQ. Nothing is downloaded.

Each `find_…` takes a folder or a zip that is the set or has it inside, and lists what was looked for when it is not there.
"""

import difflib
import os
import re
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Literal, NamedTuple

from seesaw.data.prepare.decode import BadImage
from seesaw.data.prepare.tree import TABLES, Listed, Subset, Tree, ZipTree, open_tree
from seesaw.errors import Notice, UserError

Split = Literal["all", "train", "valid", "test"]

IMAGES = "img_align_celeba"
CELEBA_PLACES = (
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
"""Where CelebA's images may lie below `data.root`, in the order in which they are looked for."""

CELEBA_COUNT = 202_599
CELEBA_NUMBERS = {
    "train": range(1, 162_771),
    "valid": range(162_771, 182_638),
    "test": range(182_638, CELEBA_COUNT + 1),
}
"""The published split, by the number that is the image's name; list_eval_partition.txt holds the same."""

CELEBA_CODES = {"train": 0, "valid": 1, "test": 2}
CELEBA_ADVICE = (
    f"expected are the {CELEBA_COUNT:,} jpg of 178x218 pixels, 000001.jpg and on, in {IMAGES} or {IMAGES}.zip; fetch that "
    f"zip in a browser from Google Drive or Baidu by way of mmlab.ie.cuhk.edu.hk/projects/CelebA.html, or, where Drive's "
    "quota is used up, archive.zip of jessicali9530/celeba-dataset on Kaggle; then give data.root=FOLDER, the folder that "
    "the zip lies in: it need not be unpacked"
)
LARGEST = 1024  # px, of CelebA-HQ and FFHQ
NUMBERED = re.compile(r"([0-9]{6})\.\w+")


class Found(NamedTuple):
    """A set that was found: its images, and where they have labels one for each and the classes' names."""

    tree: Tree
    y: list[int] | None = None
    class_names: list[str] | None = None


def find_celeba(root: str, split: Split = "all", attribute: str | None = None) -> Found:
    """CelebA's aligned and cropped images (Liu et al. 2015).

    Args:
        root: the folder of images or its zip, or a folder with one of them at one of `CELEBA_PLACES`.
        split: by list_eval_partition (.txt, or Kaggle's .csv) where it lies in the zip, or beside the images or up to
            two folders above; else by number, as published.
        attribute: one of the 40 of list_attr_celeba (.txt or .csv), looked for in the same way: -1 becomes class 0, 1 class 1.

    Raises:
        ValueError: split is not one of the allowed values.
        UserError: the images are not found; the split has none; the table is missing or wrong, or lacks the attribute.
    """
    if split not in ("all", *CELEBA_NUMBERS):
        raise ValueError(f"split must be one of all, train, valid, test, not {split!r}")
    whole, tables = _find_celeba_images(root)
    _compare_count(whole, "CelebA", CELEBA_COUNT)
    tree = whole
    if split != "all":
        table = tables.find("list_eval_partition")
        if table is not None:
            codes = _of_images(table, table.column(1, {str(code): code for code in CELEBA_CODES.values()}), whole)
            inside = {name for name, code in codes.items() if code == CELEBA_CODES[split]}
        else:
            inside = {name for name in _all(whole) if int(name[:6]) in CELEBA_NUMBERS[split]}
        tree = Subset(whole, keep=inside.__contains__)
        if not tree.names:
            raise UserError(f"data.split={split}: none of the {len(whole.names)} images of {whole.place!r} is in it")
    if attribute is None:
        return Found(tree)
    y = _attribute(attribute, tables, tree)
    return Found(tree, [y[name] for name in tree.names], attribute_classes(attribute))


def attribute_classes(attribute: str) -> list[str]:
    """The names of the two classes that an attribute of CelebA makes, in the order of their labels."""
    return [f"no {attribute}", attribute]


def find_celeba_hq(root: str) -> Found:
    """CelebA-HQ (Karras et al. 2018): 30,000 images. See `_find_largest` for what `root` may be.

    Raises:
        UserError: it is not found.
    """
    return Found(_find_largest(root, CELEBA_HQ))


def find_ffhq(root: str) -> Found:
    """FFHQ (Karras et al. 2019): 70,000 images. See `_find_largest` for what `root` may be.

    Raises:
        UserError: it is not found.
    """
    return Found(_find_largest(root, FFHQ))


class _Table(NamedTuple):
    """A text file with a row for each image: the image's name, then values; above it a header or none."""

    where: str
    text: str
    separator: str | None

    def rows(self) -> Iterator[tuple[int, list[str]]]:
        """Number and cells of each line."""
        for number, line in enumerate(self.text.splitlines(), 1):
            if line.strip():
                yield number, [cell.strip() for cell in line.split(self.separator)]

    def header(self) -> list[str]:
        """The names of the columns after the image's."""
        above: list[str] = []
        for number, cells in self.rows():
            if NUMBERED.fullmatch(cells[0]):
                names = above[1:] if self.separator else above  # a .csv also names the images' column
                if len(names) == len(cells) - 1:
                    return names
                raise UserError(f"{self.where}, line {number}: {len(cells) - 1} values under {len(names)} names")
            above = cells
        raise UserError(f"{self.where} lists no images")

    def column(self, index: int, meanings: dict[str, int]) -> dict[str, int]:
        """The values of a column, by the number of the image as it is written, such as 000001."""
        found: dict[str, int] = {}
        for number, cells in self.rows():
            image = NUMBERED.fullmatch(cells[0])
            if image is None and not found:
                continue  # how many there are, or the header
            if image is None or index >= len(cells) or cells[index] not in meanings:
                allowed = ", ".join(meanings)
                raise UserError(f"{self.where}, line {number}: an image and one of {allowed} were expected")
            found[image[1]] = meanings[cells[index]]
        return found


class _Tables(NamedTuple):
    """Where CelebA's tables may lie."""

    archive: ZipTree | None
    folders: list[Path]

    def find(self, stem: str) -> _Table | None:
        """The table in the zip, else in the first folder that has it."""
        names = [stem + suffix for suffix in TABLES]
        for entry in self.archive.tables if self.archive else []:
            if entry.rpartition("/")[2] in names:
                assert self.archive is not None
                return _table(f"{self.archive.place}/{entry}", partial(self.archive.read, entry))
        for path in (folder / name for folder in self.folders for name in names):
            if path.is_file():
                return _table(str(path), path.read_bytes)
        return None


def _table(where: str, read: Callable[[], bytes]) -> _Table:
    try:
        text = read().decode("utf-8-sig", errors="replace")
    except (BadImage, OSError) as error:
        raise UserError(f"{where} cannot be read: {error}") from error
    return _Table(where, text, "," if where.endswith(".csv") else None)


def _find_celeba_images(root: str) -> tuple[Listed, _Tables]:
    """The images, by their bare names, and where their tables are."""
    base = Path(root).expanduser()
    missing, wrong = [], []
    for place in CELEBA_PLACES if os.path.isdir(base) else ("",):
        path = base / place
        if not os.path.exists(path):
            missing.append(place)
            continue
        try:
            tree = open_tree(path)
        except UserError as error:
            wrong.append(str(error).removeprefix("data.root="))
            continue
        folder = _celeba_folder(tree.names)
        if folder is None:
            first = f"such as {tree.names[0]!r}"
            wrong.append(f"{tree.place!r} holds {len(tree.names)} images, {first}, but no {IMAGES} and none by number")
            continue
        archive = tree if isinstance(tree, ZipTree) else None
        start = Path(tree.place) if archive is None else Path(tree.place).parent
        start = start / folder if archive is None else start
        above = (start, start.parent, start.parent.parent)
        places = [one / sub for one in above for sub in ("", "Anno", "Eval")]  # the latter as the authors' folders
        return Subset(tree, folder, lambda name: bool(NUMBERED.fullmatch(name))), _Tables(archive, places)
    where = repr(str(base.absolute()))
    absent = f"{where} has no {', '.join(missing)}" if os.path.exists(base) else f"there is no {where}"
    reasons = "; ".join((*wrong, *([absent] if missing else [])))
    raise UserError(f"data.root={root!r}: CelebA was not found ({reasons}); {CELEBA_ADVICE}")


def _celeba_folder(names: list[str]) -> str | None:
    """The folder of a tree, with a / at the end, that holds CelebA's images: called as theirs, or the top, or the only one."""
    split = [name.rpartition("/") for name in names]
    only = len({folder for folder, _, _ in split}) == 1
    counts = Counter(folder for folder, _, name in split if NUMBERED.fullmatch(name))
    fit = [folder for folder in sorted(counts) if only or folder == "" or folder.rpartition("/")[2] == IMAGES]
    best = max(fit, key=counts.__getitem__, default=None)
    return best if best in (None, "") else f"{best}/"


def _all(tree: Listed) -> list[str]:
    """The refused ones too: what is bad in a split must be counted there."""
    return [*tree.names, *tree.refused]


def _of_images(table: _Table, column: dict[str, int], tree: Listed) -> dict[str, int]:
    """A column by the names of the tree's images."""
    for name in _all(tree):
        if name[:6] not in column:
            raise UserError(f"{table.where} has no row for {name!r}")
    return {name: column[name[:6]] for name in _all(tree)}


def _attribute(attribute: str, tables: _Tables, tree: Listed) -> dict[str, int]:
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
    return _of_images(table, table.column(1 + names.index(attribute), {"-1": 0, "1": 1}), tree)


class _Faces(NamedTuple):
    """What is known of a set: how many images, and the folders that people keep it in.

    sizes: fits the name of a folder or zip; its group is the resolution, and without one it is the largest.
    avoid: folders with images that are not those of the set.
    """

    name: str
    published: int
    sizes: re.Pattern[str]
    avoid: tuple[str, ...]
    advice: str

    def avoids(self, name: str) -> bool:
        return not set(self.avoid).isdisjoint(name.split("/"))


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


def _find_largest(root: str, faces: _Faces) -> Listed:
    """The images of a folder or zip. If it holds, at any depth, folders that are called as those of the set are, or zips
    directly in it, then those of the largest resolution, and a warning names the others.
    """
    base = Path(root).expanduser()
    zips = {path.name: size for path in sorted(base.glob("*.zip")) if (size := _size(path.stem, faces))}
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
    found = Subset(tree, best, lambda name: not faces.avoids(name))
    if not found.names:
        raise UserError(f"data.root={root!r} holds only {faces.name}'s {', '.join(faces.avoid)}; {faces.advice}")
    _compare_count(found, faces.name, faces.published)
    return found


def _size(name: str, faces: _Faces) -> int:
    """The resolution in the name of a folder or zip, or 0."""
    match = faces.sizes.fullmatch(name)
    return int(match[1] or LARGEST) if match else 0


def _sized_folders(names: list[str], faces: _Faces) -> dict[str, int]:
    """The folders of a tree whose own names hold a resolution, with a / at the end; of nested ones the inner."""
    found = {}
    for folder in sorted({name.rpartition("/")[0] for name in names}):
        parts = folder.split("/")
        for depth in range(len(parts), 0, -1):
            if size := _size(parts[depth - 1], faces):
                found["/".join(parts[:depth]) + "/"] = size
                break
    return found


def _compare_count(tree: Tree, name: str, published: int) -> None:
    """A set that was unpacked halfway trains as well, but its figures are of another set: warn."""
    count = len(tree.names) + len(tree.refused)
    if count != published:
        warnings.warn(
            f"{tree.place!r} holds {count:,} images, {name} has {published:,}: is it whole?", Notice, stacklevel=2
        )
