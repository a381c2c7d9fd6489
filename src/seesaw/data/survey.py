"""What a user's set of images is like, from the list of its files and the heads of the images: seconds for 10,000 files.

Imports no torch: the choices of a run are made of it before anything heavy is loaded (`seesaw.config.advice`).
"""

import io
import warnings
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

import numpy as np
from PIL import ExifTags, Image

from seesaw.data.prepare.decode import FORMATS, MODES, RARE
from seesaw.data.prepare.limits import check_size
from seesaw.data.prepare.planes import NPY, array_shape
from seesaw.data.prepare.tree import Tree, labelled_by_folder, open_tree
from seesaw.data.prepare.write import prepared_at
from seesaw.errors import UserError
from seesaw.functional.resolution import Resolution, size_of

MOST_HEADS = 10_000
"""At most so many heads are read, evenly spaced over the sorted names: two seconds."""

HEAD = 1 << 16
"""Bytes in which most formats state size and mode; of a file that does not, the whole is read."""

GREY = ("1", "L", "LA", "La", "I", "I;16", "I;16B", "I;16L", "I;16N", "F")
"""Pillow's modes without colour."""

SAMPLED = 1_000
"""At most so many images are decoded to find near-duplicates."""

SAMPLED_PIXELS = 300_000_000
"""And at most so many pixels, by the heads, which bounds the time for photographs of a camera."""

THUMBNAIL = 8
"""Pixels a side of the thumbnails that near-duplicates agree in."""

MOST_BITS, MOST_DIFFERENCE = 4, 8.0
"""Near-duplicates differ in at most so many of 64 bits of their hashes, and in this mean of their thumbnails' values (of 255)."""

Size = tuple[int, int]


@dataclass(frozen=True)
class Survey:
    """A set of images as its heads show it.

    Args:
        place: the folder or zip, absolute.
        images: how many files have an image's name and may be read.
        heads: name -> (width, height) upright and Pillow's mode, of those that were looked at (`MOST_HEADS` at most).
        bad: name -> why an image cannot serve: files that are refused, and heads that cannot be read.
        classes: number of class folders; 0: none.
        prepared: resolution and channels where the place is a prepared set; its sizes are those of the prepared images.
    """

    place: str
    images: int
    heads: dict[str, tuple[Size, str]]
    bad: dict[str, str] = field(default_factory=dict)
    classes: int = 0
    prepared: tuple[Resolution, int] | None = None

    @property
    def sides(self) -> list[int]:
        """The shorter side of each image, in pixels: the square that `data.crop=center` takes."""
        return [min(size) for size, _ in self.heads.values()]

    @property
    def side(self) -> int:
        """The median of `sides`."""
        return int(median(self.sides))

    @property
    def modes(self) -> Counter[str]:
        """How many images have each of Pillow's modes."""
        return Counter(mode for _, mode in self.heads.values())

    @property
    def grey(self) -> bool:
        """Whether no image has colours, by its mode. Grey images that are stored as RGB count as coloured."""
        return set(self.modes) <= set(GREY)

    @property
    def channels(self) -> int:
        """Those of the prepared set or the arrays; of pictures 1 where none has colours, else 3."""
        if self.prepared:
            return self.prepared[1]
        most = self.modes.most_common(1)[0][0]
        return int(most.split()[0]) if most.endswith("channels") else 1 if self.grey else 3


def survey(root: str) -> tuple[Survey, Tree | None]:
    """Look at the images of `data.root`: a folder, a zip, or a prepared set.

    Returns:
        The survey, and the tree of the images; None for a prepared set.

    Raises:
        UserError: there is nothing, no image, or none whose head can be read.
    """
    index = prepared_at(root)
    if index is not None:
        how, n = index["decoding"], index["total"] - len(index["bad"])
        height, width = size_of(how["resolution"])
        size, mode = (width, height), MODES.get(how["channels"], f"{how['channels']} channels")
        heads = {"": (size, mode)}
        classes = len(index["class_names"] or ())
        return Survey(root, n, heads, {}, classes, (how["resolution"], how["channels"])), None
    tree = open_tree(Path(root))
    heads, bad = read_heads(tree, evenly(tree.names, MOST_HEADS))
    if not heads:
        name, reason = next(iter(bad.items()))
        raise UserError(
            f"data.root={root!r}: none of its {len(tree.names):,} images can be read, such as {name!r} ({reason})"
        )
    found = labelled_by_folder(tree)
    return Survey(tree.place, len(tree.names), heads, tree.refused | bad, len(found.class_names or ())), tree


def evenly(names: list[str], most: int) -> list[str]:
    """At most so many of the names, evenly spaced."""
    if len(names) <= most:
        return names
    return [names[k * len(names) // most] for k in range(most)]


def read_heads(tree: Tree, names: list[str]) -> tuple[dict[str, tuple[Size, str]], dict[str, str]]:
    """Size and mode by name, and the reasons by name where there are none."""
    heads, bad = dict[str, tuple[Size, str]](), dict[str, str]()
    for name in names:
        try:
            try:
                heads[name] = head(tree.read(name, HEAD), name)
            except Exception:  # Pillow raises nearly anything for a file that is cut
                heads[name] = head(tree.read(name), name)
        except Exception as error:
            bad[name] = str(error).splitlines()[0] if str(error) and "BytesIO" not in str(error) else "not an image"
    return heads, bad


def head(content: bytes, name: str) -> tuple[Size, str]:
    """Width and height, upright, and mode of an image by its first bytes.

    Raises:
        BadImage: training would skip the image for its size.
        Exception: any error of Pillow's.
    """
    suffix = Path(name).suffix.lower()
    if suffix == NPY:
        channels, height, width = array_shape(content)
        check_size(width, height)
        return (width, height), f"{channels} channels"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of Pillow's about large images
        with Image.open(io.BytesIO(content), formats=(*FORMATS, *([RARE[suffix]] if suffix in RARE else []))) as image:
            width, height = image.size
            turned = image.getexif().get(ExifTags.Base.Orientation) in (5, 6, 7, 8)
            mode = "RGBA" if image.mode == "P" and image.has_transparency_data else image.mode
    check_size(width, height)
    return ((height, width) if turned else (width, height)), mode


@dataclass(frozen=True)
class Sample:
    """What the pixels of some images show.

    Args:
        images: how many were decoded.
        pairs: near-duplicates by name.
        grey: how many of them hold no colour although their mode does.
    """

    images: int
    pairs: list[tuple[str, str]]
    grey: int


def sample(tree: Tree, found: Survey) -> Sample:
    """Decode some images, evenly spaced, and compare each with each; those that cannot be decoded are left out."""
    pixels = [size[0] * size[1] for size, _ in found.heads.values()]
    most = max(min(SAMPLED, int(SAMPLED_PIXELS / (sum(pixels) / len(pixels)))), 2)
    names, thumbnails, hashes, grey = list[str](), list[np.ndarray](), list[np.ndarray](), 0
    for name in evenly(list(found.heads), most):
        try:
            thumbnail, bits = looks(tree.read(name), name)
        except Exception:  # it is counted when the set is prepared
            continue
        names.append(name)
        thumbnails.append(thumbnail)
        hashes.append(bits)
        grey += found.heads[name][1] not in GREY and int(np.ptp(thumbnail, 2).max()) <= 1
    return Sample(len(names), near_duplicates(names, np.array(thumbnails), np.array(hashes)), grey)


def looks(content: bytes, name: str) -> tuple[np.ndarray, np.ndarray]:
    """A thumbnail, uint8 (8, 8, 3), and a hash of 64 bits: whether each value of a 9x8 grey thumbnail is below its right
    neighbour (the difference hash, Krawetz 2013)."""
    suffix = Path(name).suffix.lower()
    with Image.open(io.BytesIO(content), formats=(*FORMATS, *([RARE[suffix]] if suffix in RARE else []))) as image:
        image.draft("RGB", (64, 64))
        colours = image.convert("RGB")
    small = colours.resize((THUMBNAIL, THUMBNAIL), Image.Resampling.BOX)
    luma = np.asarray(colours.convert("L").resize((THUMBNAIL + 1, THUMBNAIL), Image.Resampling.BOX), dtype=np.int16)
    return np.asarray(small), (luma[:, :-1] < luma[:, 1:]).reshape(-1)


def near_duplicates(names: list[str], thumbnails: np.ndarray, hashes: np.ndarray) -> list[tuple[str, str]]:
    """The pairs whose hashes, bool (N, 64), and thumbnails, uint8 (N, 8, 8, 3), nearly agree. Colours decide too, since all plain
    surfaces have one hash."""
    pairs: list[tuple[str, str]] = []
    if not names:
        return pairs
    flat = thumbnails.reshape(len(names), -1).astype(np.int16)
    for k in range(len(names) - 1):
        close = np.flatnonzero((hashes[k + 1 :] != hashes[k]).sum(1) <= MOST_BITS) + k + 1
        differences = np.abs(flat[close] - flat[k]).mean(1) if len(close) else np.empty(0)
        pairs += [(names[k], names[j]) for j in close[differences <= MOST_DIFFERENCE]]
    return pairs
