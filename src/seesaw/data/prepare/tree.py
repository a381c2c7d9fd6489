"""Trees of image files, in a folder or in a zip: what is in them, and the bytes of each. Nothing is ever unpacked to disk.

What others made may be broken or hostile: pipes, loops of links, names that lead out of a zip, entries that grow without end.
An entry that must not be read is refused when the tree is listed, with the reason; the rest is read within limits. No torch
here: workers of a preparation get a copy of the tree.
"""

import hashlib
import os
import re
import zipfile
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from stat import S_IFMT, S_ISDIR, S_ISLNK, S_ISREG
from typing import Any, Protocol

from seesaw.data.prepare.decode import LARGEST_FILE, SUFFIXES, BadImage
from seesaw.errors import UserError

TABLES = (".txt", ".csv")
BOMB_RATIO, BOMB_SIZE = 200, 16 << 20
"""An entry of a zip is a bomb if it grows by more than the ratio, to more than the bytes. Images hardly shrink in a zip."""

METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
"""Of these two Python unpacks no more than it is asked for; bz2 and LZMA grow a thousandfold in one step."""


class Tree(Protocol):
    """A set of image files. It can be pickled."""

    @property
    def place(self) -> str:
        """The absolute path, for people."""

    @property
    def names(self) -> list[str]:
        """The images, sorted: paths within the tree with / between the parts. Hidden ones are left out."""

    @property
    def refused(self) -> dict[str, str]:
        """Entries with an image's name that are never read, and why."""

    @property
    def others(self) -> Counter[str]:
        """How many files of each suffix are no images."""

    @property
    def fingerprint(self) -> str:
        """16 hexadecimal digits that change when an image comes, goes or is written anew."""

    def read(self, name: str) -> bytes:
        """The content of one image. BadImage: it cannot be read."""


class Listed(ABC):
    """A tree whose content is known.

    Args:
        place: see `Tree`, like `refused` and `others`.
        stamps: for each image its bytes and a number that changes with its content: a time in ns, or a CRC.
    """

    def __init__(
        self, place: str, stamps: dict[str, tuple[int, int]], refused: dict[str, str], others: Counter[str]
    ) -> None:
        self.place, self.others = place, others
        self.stamps, self.refused = dict(sorted(stamps.items())), dict(sorted(refused.items()))
        self.names = list(self.stamps)
        digest = hashlib.sha256()
        for entry in (*self.stamps.items(), *self.refused.items()):
            digest.update(repr(entry).encode())  # repr also writes names that are no text
        self.fingerprint = digest.hexdigest()[:16]

    @abstractmethod
    def read(self, name: str) -> bytes:
        """See `Tree`."""


class FolderTree(Listed):
    """The images below a folder. Links are followed, and each folder is entered once however many lead there."""

    def __init__(self, path: Path) -> None:
        place = os.path.abspath(path)
        super().__init__(place, *_list_folder(place))

    def read(self, name: str) -> bytes:
        try:
            with open(os.path.join(self.place, name), "rb", opener=_open_at_once) as file:
                status = os.fstat(file.fileno())  # it may have changed since it was listed
                if reason := _refuse_file(status):
                    raise BadImage(reason)
                return file.read(status.st_size)
        except OSError as error:
            raise BadImage(error.strerror or str(error)) from error


class ZipTree(Listed):
    """The images in a zip file; each process opens it for itself.

    Attributes:
        tables: names of the safe .txt and .csv entries; `read` reads these too.

    Raises:
        Exception: whatever Python finds wrong with the zip.
    """

    def __init__(self, path: Path) -> None:
        self._opened: tuple[int, zipfile.ZipFile] | None = None
        place = os.path.abspath(path)
        with zipfile.ZipFile(place) as archive:
            entries = {info.filename: info for info in archive.infolist()}  # of equal names the last one counts
        stamps, refused, others, tables = _list_zip(entries)
        super().__init__(place, stamps, refused, others)
        self.tables = tables

    def read(self, name: str) -> bytes:
        try:
            archive = self._archive()
            info = archive.getinfo(name)
            if reason := _refuse_entry(info):
                raise BadImage(reason)
            with archive.open(info) as entry:
                content = entry.read(info.file_size)  # never more than is declared, whatever is packed; checks the CRC
        except BadImage:
            raise
        except Exception as error:  # a hostile zip makes Python raise nearly anything
            raise BadImage(f"in the zip: {error or type(error).__name__}") from error
        if len(content) != info.file_size:
            raise BadImage(f"in the zip: {len(content)} bytes, {info.file_size} were declared")
        return content

    def _archive(self) -> zipfile.ZipFile:
        """The open file of this process: a fork would share the place of reading with its parent."""
        if self._opened is None or self._opened[0] != os.getpid():
            self._opened = os.getpid(), zipfile.ZipFile(self.place)
        return self._opened[1]

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_opened": None}


class Subset(Listed):
    """A part of a tree: the images below `prefix` (a folder in it, with a / at the end, or all of it) whose names, from there
    on, `keep` accepts. What is outside leaves no mark on the fingerprint."""

    def __init__(self, tree: Listed, prefix: str = "", keep: Callable[[str], bool] = bool) -> None:
        listed = [name for name in (*tree.stamps, *tree.refused) if name.startswith(prefix)]
        inner = {name: name.removeprefix(prefix) for name in listed if keep(name.removeprefix(prefix))}
        stamps = {inner[name]: stamp for name, stamp in tree.stamps.items() if name in inner}
        refused = {inner[name]: reason for name, reason in tree.refused.items() if name in inner}
        super().__init__(os.path.join(tree.place, prefix).rstrip("/"), stamps, refused, tree.others)
        self._tree, self._prefix = tree, prefix

    def read(self, name: str) -> bytes:
        return self._tree.read(self._prefix + name)


def open_tree(path: Path, what: str = "data.root") -> FolderTree | ZipTree:
    """The tree of a folder or of a zip file.

    Args:
        what: what the user calls the path, for the messages.

    Raises:
        UserError: there is nothing, it is neither of the two, the zip is damaged, or it holds no images.
    """
    path = path.expanduser()
    where = f"{what}={str(path)!r}"
    try:
        if not path.exists():
            looked = f"(looked for {str(path.absolute())!r})"
            raise UserError(f"{where} does not exist {looked}: give a folder of images or a zip")
        tree = FolderTree(path) if path.is_dir() else _open_zip(path, where)
    except OSError as error:
        raise UserError(f"{where} cannot be read: {error.strerror or error}") from error
    if not tree.names:
        hint = "; give the zip itself" if ".zip" in tree.others else ""
        read = f"{', '.join(SUFFIXES)} are read, in sub-folders too"
        raise UserError(f"{where} holds no images, but {held(tree)}: {read}{hint}")
    return tree


def held(tree: Tree) -> str:
    """What is in a tree without images, in words."""
    common = sorted(tree.others.items(), key=lambda item: (-item[1], item[0]))[:3]
    parts = [f"{count} of {suffix}" for suffix, count in common]
    if tree.refused:
        name, reason = next(iter(tree.refused.items()))
        parts.append(f"{len(tree.refused)} that are refused, such as {name!r} ({reason})")
    return ", ".join(parts) or "nothing at all"


def labels(names: list[str]) -> tuple[list[int], list[str]] | None:
    """A class for each image of a tree, and the classes' names: the first-level folders, sorted. None where there is only
    one, or an image lies in none. Folders that hold all the rest, as often stand on top of a zip, are passed over.
    """
    parts = [name.split("/") for name in names]
    while parts and len({len(part) > 1 and part[0] for part in parts}) == 1 and len(parts[0]) > 1:
        parts = [part[1:] for part in parts]
    if not parts or min(map(len, parts)) < 2:
        return None
    classes = sorted({part[0] for part in parts})
    numbers = {name: number for number, name in enumerate(classes)}
    return [numbers[part[0]] for part in parts], classes


def _suffix(name: str) -> str:
    return os.path.splitext(name)[1].lower()


def _list_folder(top: str) -> tuple[dict[str, tuple[int, int]], dict[str, str], Counter[str]]:
    """Stamps, refused and others; see `Listed`. OSError: the top folder cannot be read."""
    stamps, refused, others = dict[str, tuple[int, int]](), dict[str, str](), Counter[str]()
    entered, waiting = set[tuple[int, int]](), [""]
    while waiting:
        here = waiting.pop()
        try:
            status = os.stat(os.path.join(top, here))
            known, identity = len(entered), (status.st_dev, status.st_ino)
            entered.add(identity)
            inside = _scan(os.path.join(top, here)) if len(entered) > known else {}
        except OSError as error:
            if not here:
                raise
            refused[here] = error.strerror or str(error)  # a part that is missing must not go unseen
            continue
        for name, found in inside.items():
            if isinstance(found, os.stat_result) and S_ISDIR(found.st_mode):
                waiting.append(f"{here}{name}/")
            elif _suffix(name) not in SUFFIXES:
                others[_suffix(name) or "no suffix"] += 1
            elif isinstance(found, OSError):
                refused[here + name] = found.strerror or str(found)
            elif reason := _refuse_file(found):
                refused[here + name] = reason
            else:
                stamps[here + name] = found.st_size, found.st_mtime_ns
    return stamps, refused, others


def _scan(folder: str) -> dict[str, os.stat_result | OSError]:
    """What is in a folder and not hidden, links followed; the error where one leads nowhere or in circles. The last name
    comes first, since the caller takes folders from the end: of two ways to a folder the first by name counts."""
    inside: dict[str, os.stat_result | OSError] = {}
    with os.scandir(folder) as entries:
        for entry in sorted(entries, key=lambda entry: entry.name, reverse=True):
            if not entry.name.startswith("."):
                try:
                    inside[entry.name] = entry.stat()
                except OSError as error:
                    inside[entry.name] = error
    return inside


def _refuse_file(status: os.stat_result) -> str:
    """Why a file must not be read, or ""."""
    if not S_ISREG(status.st_mode):
        return "not a regular file"
    return _refuse_size(status.st_size)


def _refuse_size(size: int) -> str:
    return f"{size / 2**20:,.0f} MiB, {LARGEST_FILE >> 20} are read at most" if size > LARGEST_FILE else ""


def _open_at_once(path: str, flags: int) -> int:
    """Opened without waiting, as one would at a pipe, for a writer."""
    return os.open(path, flags | os.O_NONBLOCK)


def _list_zip(
    entries: dict[str, zipfile.ZipInfo],
) -> tuple[dict[str, tuple[int, int]], dict[str, str], Counter[str], list[str]]:
    """Stamps, refused, others and tables; see `Listed` and `ZipTree`."""
    stamps, refused, others, tables = dict[str, tuple[int, int]](), dict[str, str](), Counter[str](), list[str]()
    for name, info in entries.items():
        parts = re.split(r"[/\\]", name)
        hidden = any(part == "__MACOSX" or (part.startswith(".") and part.strip(".")) for part in parts)
        if hidden or info.is_dir():
            continue
        reason, suffix = _refuse_entry(info), _suffix(name)
        if suffix not in SUFFIXES:
            others[suffix or "no suffix"] += 1
            if suffix in TABLES and not reason:
                tables.append(name)
        elif reason:
            refused[name] = reason
        else:
            stamps[name] = info.file_size, info.CRC
    return stamps, refused, others, sorted(tables)


def _refuse_entry(info: zipfile.ZipInfo) -> str:
    """Why an entry of a zip must not be read, or "". Names matter though nothing is unpacked: an archive with one that
    leads elsewhere was made to harm, and others would unpack it."""
    mode = info.external_attr >> 16
    if ".." in info.filename.split("/"):
        return "its name leads out of the zip"
    if info.filename.startswith("/") or "\\" in info.filename or re.match("[A-Za-z]:", info.filename):
        return "its name is absolute or not portable"
    if S_ISLNK(mode):
        return "a link"
    if S_IFMT(mode) and not S_ISREG(mode):
        return "not a regular file"
    if info.flag_bits & 1:
        return "encrypted"
    if info.compress_type not in METHODS:
        return f"packed by method {info.compress_type}; stored and deflated entries are read"
    if info.file_size > BOMB_SIZE and info.file_size > BOMB_RATIO * info.compress_size:
        return f"{info.file_size / 2**20:,.0f} MiB packed into {info.compress_size:,} bytes: a decompression bomb"
    return _refuse_size(info.file_size)


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
