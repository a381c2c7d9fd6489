"""Trees of image files, in a folder or in a zip: their names, and the bytes of each image. Nothing is unpacked to disk.

Files of others may be broken or hostile: pipes, loops of links, names that lead out of a zip, entries that grow without end.
An entry that must not be read is refused when the tree is listed, with the reason; the rest is read within limits. No torch is
imported here: the processes that decode images receive a copy of the tree.
"""

import hashlib
import os
import warnings
import zipfile
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from seesaw.data.checks import check_exists
from seesaw.data.prepare.decode import NPY, SUFFIXES, BadImage
from seesaw.data.prepare.listing import (
    Stamp,
    describe_left_out,
    list_folder,
    list_zip,
    open_without_waiting,
    portable,
    refuse_entry,
    refuse_file,
)
from seesaw.errors import Notice, UserError

TABLES = (".txt", ".csv")
UNREAD = (
    ".heic", ".heif", ".jxl", ".svg", ".psd", ".ai", ".eps", ".pdf", ".exr", ".hdr", ".dng", ".raw", ".cr2", ".cr3", ".nef",
    ".arw", ".orf", ".rw2", ".raf", ".ico", ".npy", ".npz", ".h5", ".tfrecord", ".tfrecords", ".parquet", ".mp4", ".mov", ".avi",
    ".webm", ".zip", ".tar", ".gz", ".tgz", ".7z", ".rar",
)  # fmt: skip
"""Suffixes of files that may hold pictures and are not read: a user is to know of them."""


class Tree(ABC):
    """The images below a place. It can be pickled.

    Args:
        place: the absolute path, for messages.
        entries: name and stamp of each file, or instead of the stamp the reason why it must not be read. The names are paths
            within the tree with / between the parts; that of a folder, which can only be refused, ends with /.

    Attributes:
        stamps: of each image that can be read, sorted by name.
        names: of these images. Arrays (.npy) are images only where there are no pictures.
        refused: entries with an image's name that are never read, and why.
        others: how many files of each suffix are no images.
        left_out: how many folders of each kind were not entered, see `listing`.
        fingerprint: 16 hexadecimal digits that change when an image comes, goes or is written anew.
    """

    left_out: Counter[str]

    def __init__(self, place: str, entries: Iterable[tuple[str, Stamp | str]]) -> None:
        self.place, self.others = place, Counter[str]()
        self.stamps, self.refused = dict[str, Stamp](), dict[str, str]()
        for name, found in sorted(entries, key=lambda entry: entry[0]):
            if not name.endswith("/") and _suffix(name) not in SUFFIXES:
                self.others[_suffix(name) or "no suffix"] += 1
            elif isinstance(found, str):
                self.refused[name] = found
            else:
                self.stamps[name] = found
        if any(
            _suffix(name) != NPY for name in self.stamps
        ):  # arrays beside pictures are masks, landmarks or features of them
            for name in [name for name in (*self.stamps, *self.refused) if _suffix(name) == NPY]:
                self.stamps.pop(name, None), self.refused.pop(name, None)
                self.others[NPY] += 1
        self.names = list(self.stamps)
        digest = hashlib.sha256()
        for entry in (*self.stamps.items(), *self.refused.items()):
            digest.update(repr(entry).encode())  # repr also writes names that are no text
        self.fingerprint = digest.hexdigest()[:16]

    @abstractmethod
    def read(self, name: str, most: int | None = None) -> bytes:
        """The content of one image, or its first `most` bytes. BadImage: it cannot be read."""


class FolderTree(Tree):
    """The images below a folder. Links are followed, and each folder is entered once however many lead there."""

    def __init__(self, path: Path) -> None:
        place, self.left_out = os.path.abspath(path), Counter[str]()
        super().__init__(place, list_folder(place, self.left_out))

    def read(self, name: str, most: int | None = None) -> bytes:
        try:
            with open(os.path.join(self.place, name), "rb", opener=open_without_waiting) as file:
                status = os.fstat(file.fileno())  # it may have changed since it was listed
                if reason := refuse_file(status):
                    raise BadImage(reason)
                return file.read(status.st_size if most is None else most)
        except OSError as error:
            raise BadImage(error.strerror or str(error)) from error


class ZipTree(Tree):
    """The images in a zip file; each process opens it for itself.

    Attributes:
        tables: names of the safe .txt and .csv entries; `read` reads these too.

    Raises:
        Exception: any error that Python's reader of zips raises.
    """

    def __init__(self, path: Path) -> None:
        self._opened: tuple[int, zipfile.ZipFile] | None = None
        place, self.left_out = os.path.abspath(path), Counter[str]()
        with zipfile.ZipFile(place) as archive:
            entries = {
                portable(info.filename): info for info in archive.infolist()
            }  # of equal names the last one counts
        self._written = {name: info.filename for name, info in entries.items() if name != info.filename}
        found = dict(list_zip(entries, self.left_out))
        super().__init__(place, found.items())
        self.tables = sorted(n for n, stamp in found.items() if _suffix(n) in TABLES and not isinstance(stamp, str))

    def read(self, name: str, most: int | None = None) -> bytes:
        try:
            if self._opened is None or self._opened[0] != os.getpid():  # a fork would share the file's position
                self._opened = os.getpid(), zipfile.ZipFile(self.place)
            archive = self._opened[1]
            info = archive.getinfo(self._written.get(name, name))
            if reason := refuse_entry(info):
                raise BadImage(reason)
            with archive.open(info) as entry:
                # never more than is declared, whatever is packed; to the end it checks the CRC
                content = entry.read(info.file_size if most is None else min(most, info.file_size))
        except BadImage:
            raise
        except Exception as error:  # a hostile zip makes Python raise nearly anything
            raise BadImage(f"in the zip: {error or type(error).__name__}") from error
        if most is None and len(content) != info.file_size:
            raise BadImage(f"in the zip: {len(content)} bytes, {info.file_size} were declared")
        return content

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_opened": None}


class Subset(Tree):
    """A part of a tree. Its fingerprint does not depend on what lies outside of it.

    Args:
        tree: the whole.
        prefix: a folder in it, with a / at the end, or "".
        keep: whether an image belongs to the part, by its name below the prefix.
    """

    def __init__(self, tree: Tree, prefix: str = "", keep: Callable[[str], bool] = bool) -> None:
        entries: dict[str, Stamp | str] = {**tree.stamps, **tree.refused}
        inner = ((name.removeprefix(prefix), entry) for name, entry in entries.items() if name.startswith(prefix))
        super().__init__(
            os.path.join(tree.place, prefix).rstrip("/"), ((name, entry) for name, entry in inner if keep(name))
        )
        self._tree, self._prefix = tree, prefix
        self.left_out = tree.left_out

    def read(self, name: str, most: int | None = None) -> bytes:
        return self._tree.read(self._prefix + name, most)


def open_tree(path: Path, option: str = "data.root") -> FolderTree | ZipTree:
    """The tree of a folder or of a zip file.

    Args:
        path: of the folder or zip.
        option: that gave the path, for the messages.

    Raises:
        UserError: there is nothing, it is neither of the two, the zip is damaged, or it holds no images.
    """
    check_exists(path, option)
    path = path.expanduser()
    where = f"{option}={str(path)!r}"
    try:
        tree = FolderTree(path) if path.is_dir() else _open_zip(path, where)
    except OSError as error:
        raise UserError(f"{where} cannot be read: {error.strerror or error}") from error
    if not tree.names:
        hint = "; give the zip itself" if ".zip" in tree.others else ""
        read = f"{', '.join(SUFFIXES)} are read, in sub-folders too"
        raise UserError(f"{where} holds no images, but {_describe_others(tree)}: {read}{hint}")
    return tree


class Found(NamedTuple):
    """A set that was found: its images, and where they have labels one for each and the classes' names."""

    tree: Tree
    y: list[int] | None = None
    class_names: list[str] | None = None


def labelled_by_folder(tree: Tree) -> Found:
    """The images of a tree with their class folders as labels, see `labels`; without labels where there are none."""
    return Found(tree, *(labels(tree.names) or ()))


def labels(names: list[str]) -> tuple[list[int], list[str]] | None:
    """The class of each image of a tree by its first-level folder.

    Folders that hold all the rest, as often stand on top of a zip, are passed over.

    Returns:
        A number for each name, and the names of the classes, sorted. None where there is only one folder, or an image lies
        in none.
    """
    parts = [name.split("/") for name in names]
    while parts and len({len(part) > 1 and part[0] for part in parts}) == 1 and len(parts[0]) > 1:
        parts = [part[1:] for part in parts]
    if not parts or min(map(len, parts)) < 2:
        return None
    classes = sorted({part[0] for part in parts})
    numbers = {name: number for number, name in enumerate(classes)}
    return [numbers[part[0]] for part in parts], classes


def counted(suffixes: Mapping[str, int], most: int = 3) -> str:
    """How many files of each suffix there are, the most frequent first, such as `2 of .heic, 1 of .svg`."""
    common = sorted(suffixes.items(), key=lambda item: (-item[1], item[0]))
    return ", ".join([f"{count} of {suffix}" for suffix, count in common[:most]] + ["…"] * (len(common) > most))


def warn_of_unread(tree: Tree, option: str = "data.root") -> None:
    """Count and name the files of a tree that may hold pictures and are not read."""
    unread = {suffix: count for suffix, count in tree.others.items() if suffix in UNREAD}
    if unread:
        files = f"{sum(unread.values()):,} files that are not read: {counted(unread, len(unread))}"
        warnings.warn(f"{option}={tree.place!r} also holds {files}; convert them to png", Notice, stacklevel=2)


def describe_rest(tree: Tree) -> list[str]:
    """What lies beside the images of a tree, in words: files that are not read, folders that are left out."""
    parts = [f"other files not read: {counted(tree.others, 5)}"] if tree.others else []
    return parts + ([f"{describe_left_out(tree.left_out)} left out"] if tree.left_out else [])


def _describe_others(tree: Tree) -> str:
    """What a tree without images holds, in words."""
    parts = [counted(tree.others)] if tree.others else []
    if tree.left_out:
        parts.append(f"{describe_left_out(tree.left_out)} that are left out")
    if tree.refused:
        name, reason = next(iter(tree.refused.items()))
        parts.append(f"{len(tree.refused)} that are refused, such as {name!r} ({reason})")
    return ", ".join(parts) or "nothing at all"


def _suffix(name: str) -> str:
    return os.path.splitext(name)[1].lower()


def _open_zip(path: Path, where: str) -> ZipTree:
    """UserError: it is no zip, or a damaged one."""
    if not path.is_file():
        raise UserError(f"{where} is neither a folder nor a file: give a folder of images or a zip")
    with open(path, "rb") as file:
        start = file.read(512).lstrip()[:1]
    if start == b"<":
        raise UserError(
            f"{where} is a web page, which Google Drive for one sends when its quota is used up: fetch it again"
        )
    if not zipfile.is_zipfile(path) and path.suffix.lower() != ".zip":
        raise UserError(f"{where} is a file, but no zip: give the folder or the zip that holds the images")
    try:
        return ZipTree(path)
    except OSError:
        raise
    except Exception as error:  # a hostile zip makes Python raise nearly anything
        raise UserError(f"{where} is a damaged zip ({error or type(error).__name__}): fetch it again") from error
