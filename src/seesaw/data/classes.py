"""The names of a set's classes, before anything is built: class folders are listed, nothing is decoded. Imports no torch."""

import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from seesaw.data.prepare.tree import Found, labelled_by_folder, open_tree
from seesaw.data.prepare.write import prepared_at
from seesaw.data.sources.celeba_layouts import attribute_classes
from seesaw.data.sources.faces import find_celeba_hq, find_ffhq, numbers_images
from seesaw.data.sources.fonts import ALPHABETS
from seesaw.errors import Notice, UserError

FASHION_MNIST = (
    "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot",
)  # fmt: skip
CIFAR10 = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")

MOST_CLASSES = 100_000
"""More are a mistake, such as a folder for each image. ImageNet-21k has 21,841."""

ADVICE = "put the images of each class into a folder of its own, or give data.labels=false"

Node = Mapping[str, Any]


def class_names(target: str, data: Node) -> list[str]:
    """The names of the classes of a set, in the order of its labels.

    Args:
        target: the `_target_` of the data, an exact class path; it is not imported.
        data: the data's node. Of its values only those that decide on the classes are read: `root`, `attribute`, `alphabet`,
            `modes`, `side`, and of a set that seesaw does not know `class_names` and `classes`.

    Returns:
        One name a class. For a set that seesaw does not know: its `class_names`, else the numbers from 0 to `classes` - 1.

    Raises:
        UserError: the set has no labels or too many classes, or it is not found.
    """
    return KNOWN.get(target, _own)(data)


def _own(data: Node) -> list[str]:
    names = data.get("class_names")
    return _numbers(data.get("classes", 0), "data.classes") if names is None else [str(name) for name in names]


def _numbers(count: Any, option: str) -> list[str]:
    if not isinstance(count, int) or not 0 <= count <= MOST_CLASSES:
        raise UserError(f"{option} must be a whole number up to {MOST_CLASSES:,} with data.labels=true, not {count!r}")
    if not count:
        raise UserError(f"data.labels=true, but {option} is 0: the set has no labels; give data.labels=false")
    return [str(k) for k in range(count)]


def _grid(data: Node) -> list[str]:
    side = data.get("side")
    return _numbers(side**2 if isinstance(side, int) else side, "data.side, squared,")


def _attribute(data: Node) -> list[str]:
    if not data.get("attribute"):
        raise UserError("data.labels=true needs data.attribute, one of CelebA's 40, such as data.attribute=Smiling")
    return attribute_classes(data["attribute"])


def _alphabet(data: Node) -> list[str]:
    name = data.get("alphabet")
    if name not in ALPHABETS:
        raise UserError(f"data.alphabet must be one of {', '.join(ALPHABETS)}, not {name!r}")
    return list(ALPHABETS[name])


def _folder(root: str) -> Found:
    return labelled_by_folder(open_tree(Path(root)))


def _class_folders(find: Callable[[str], Found]) -> Callable[[Node], list[str]]:
    """The class folders below `data.root`, where `find` lists the images of a set; or those of a prepared set."""

    def names(data: Node) -> list[str]:
        root = data.get("root")
        if root is None or root == "???":
            raise UserError("data.root must be given: add data.root=… to the command")
        index = prepared_at(str(root))
        if index is None:
            return _usable(_listed(find, str(root)), str(root))
        if index["class_names"] is None:
            sentence = f"the prepared set data.root={root!r} has no labels"
            raise UserError(f"data.labels=true, but {sentence}: give data.labels=false")
        return _usable(index["class_names"], str(root))

    return names


def _listed(find: Callable[[str], Found], root: str) -> list[str]:
    with warnings.catch_warnings():  # notices about the set are printed when it is read
        warnings.simplefilter("ignore", Notice)
        found = find(root)
    first = found.tree.names[0].partition("/")[0]
    if find is find_ffhq and found.class_names is None and numbers_images(first):
        raise UserError(f"data.labels=true, but the folders {first}, … of FFHQ only number its images: {ADVICE}")
    if found.class_names is None:
        raise UserError(f"data.labels=true, but data.root={root!r} has no class folders: {ADVICE}")
    return found.class_names


def _usable(names: list[str], root: str) -> list[str]:
    """`names`, unless there are too many or one cannot be written into a configuration, where `${…}` would be looked up."""
    if len(names) > MOST_CLASSES:
        raise UserError(
            f"data.root={root!r} has {len(names):,} class folders, at most {MOST_CLASSES:,} are taken: {ADVICE}"
        )
    for name in names:
        if not name or not name.isprintable() or "${" in name:
            raise UserError(
                f"data.root={root!r} has a class folder {name!r}: rename it, since the name of a class must be printable text "
                "without '${', or give data.labels=false"
            )
    return names


_DIGITS = [str(k) for k in range(10)]
_TRIPLES = [f"{k:03d}" for k in range(1000)]

KNOWN: dict[str, Callable[[Node], list[str]]] = {
    "seesaw.data.sources.digits.Digits": lambda data: _DIGITS,
    "seesaw.data.sources.mnist.MNIST": lambda data: _DIGITS,
    "seesaw.data.sources.mnist.FashionMNIST": lambda data: list(FASHION_MNIST),
    "seesaw.data.sources.cifar10.CIFAR10": lambda data: list(CIFAR10),
    "seesaw.data.sources.stacked.StackedDigits": lambda data: _TRIPLES,
    "seesaw.data.sources.stacked.StackedMNIST": lambda data: _TRIPLES,
    "seesaw.data.sources.gaussians.GaussiansRing": lambda data: _numbers(data.get("modes"), "data.modes"),
    "seesaw.data.sources.gaussians.GaussiansGrid": _grid,
    "seesaw.data.sources.glyphs.Glyphs": _alphabet,
    "seesaw.data.sources.celeba.CelebA": _attribute,
    "seesaw.data.sources.folder.Folder": _class_folders(_folder),
    "seesaw.data.sources.celeba_hq.CelebAHQ": _class_folders(find_celeba_hq),
    "seesaw.data.sources.ffhq.FFHQ": _class_folders(find_ffhq),
}
"""How the classes of each set are named, by its class path."""
