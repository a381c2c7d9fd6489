"""The names of a set's classes, before anything is built: class folders are listed, nothing is decoded. Imports no torch."""

import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from seesaw.data.prepare.tree import labels, open_tree
from seesaw.data.prepare.write import folder_classes, whole
from seesaw.data.sources.faces import attribute_classes, find_celeba_hq, find_ffhq
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
        data: the data's node. Of its values only those that decide on the classes are read: `root`, `attribute`, `modes`,
            `side`, and of a set that seesaw does not know `class_names` and `classes`.

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


def _folders_of(find: Callable[[str], list[str]]) -> Callable[[Node], list[str]]:
    """The class folders below `data.root`, where `find` lists the images of a set; or those of a prepared set."""

    def names(data: Node) -> list[str]:
        root = data.get("root")
        if root is None or root == "???":
            raise UserError("data.root must be given: add data.root=… to the command")
        folder = Path(str(root)).expanduser()
        index = whole(folder)
        return _usable(_listed(find, str(root)) if index is None else _prepared(folder, index), str(root))

    return names


def _listed(find: Callable[[str], list[str]], root: str) -> list[str]:
    with warnings.catch_warnings():  # notices about the set are printed when it is read
        warnings.simplefilter("ignore", Notice)
        found = labels(find(root))
    if found is None:
        raise UserError(f"data.labels=true, but data.root={root!r} has no class folders: {ADVICE}")
    return found[1]


def _prepared(folder: Path, index: dict[str, Any]) -> list[str]:
    """The class names of a prepared set. Its index lists them; of sets prepared by older versions the images' paths show them."""
    classes, names = index["classes"], index.get("class_names")
    if isinstance(names, list) and len(names) == classes and all(isinstance(name, str) for name in names):
        return names
    found = folder_classes(folder, classes)
    if found is not None and classes in (None, len(found[1])):
        return found[1]
    if classes is None:
        raise UserError(
            f"data.labels=true, but the prepared set data.root={str(folder)!r} has no labels: give data.labels=false"
        )
    return _numbers(classes, "the number of classes of the prepared set")


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


def _folder_images(root: str) -> list[str]:
    return open_tree(Path(root)).names


def _celeba_hq_images(root: str) -> list[str]:
    return find_celeba_hq(root).tree.names


def _ffhq_images(root: str) -> list[str]:
    """Raises UserError for the published folders 00000, 01000, …, which hold a thousand images each and are no classes."""
    names = find_ffhq(root).tree.names
    found = labels(names)
    if found is not None and all(len(name) == 5 and name.isdecimal() for name in found[1]):
        raise UserError(f"data.labels=true, but the folders {found[1][0]}, … of FFHQ only number its images: {ADVICE}")
    return names


KNOWN: dict[str, Callable[[Node], list[str]]] = {
    "seesaw.data.sources.sets.Digits": lambda data: [str(k) for k in range(10)],
    "seesaw.data.sources.sets.MNIST": lambda data: [str(k) for k in range(10)],
    "seesaw.data.sources.sets.FashionMNIST": lambda data: list(FASHION_MNIST),
    "seesaw.data.sources.sets.CIFAR10": lambda data: list(CIFAR10),
    "seesaw.data.sources.sets.StackedDigits": lambda data: [f"{k:03d}" for k in range(1000)],
    "seesaw.data.sources.sets.StackedMNIST": lambda data: [f"{k:03d}" for k in range(1000)],
    "seesaw.data.sources.points.GaussiansRing": lambda data: _numbers(data.get("modes"), "data.modes"),
    "seesaw.data.sources.points.GaussiansGrid": _grid,
    "seesaw.data.sources.files.CelebA": _attribute,
    "seesaw.data.sources.files.Folder": _folders_of(_folder_images),
    "seesaw.data.sources.files.CelebAHQ": _folders_of(_celeba_hq_images),
    "seesaw.data.sources.files.FFHQ": _folders_of(_ffhq_images),
}
"""How the classes of each set are named, by its class path."""
