"""Which files of a folder or a zip are a set's: what seesaw and other programs put beside them is left out and counted."""

import os
import re
import stat
import zipfile
from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Mapping

from seesaw.data.prepare.limits import LARGEST_FILE

Stamp = tuple[int, int]
"""Size in bytes of an image, and a number that changes with its content: a time in ns, or a CRC."""

BOMB_RATIO, BOMB_SIZE = 200, 16 << 20
"""An entry of a zip is a bomb if it grows by more than the ratio, to more than the bytes. Images hardly shrink in a zip."""

METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
"""Python unpacks no more of these two than it is asked for; bz2 and LZMA grow a thousandfold in one step."""

CACHE_TAG = "CACHEDIR.TAG"
"""A file that marks its folder as a cache, by the convention of bford.info/cachedir; pytest and ruff write it too."""

FOLDERS = {
    "hidden folder": re.compile(r"\.+[^.].*"),
    "thumbnail folder": re.compile(r"@eadir|_?thumb(nail)?s", re.IGNORECASE),
    "bin folder": re.compile(
        r"\$recycle\.bin|[@#]recycle|recycler|recycled|lost\+found|system volume information|[@#]snapshot",
        re.IGNORECASE,
    ),
    "program folder": re.compile(r"__macosx|__pycache__|node_modules|site-packages", re.IGNORECASE),
}
"""Kinds of folders that are left out for their names."""

RUN_FILES = ("samples", "checkpoints", "curves.png", "reals.png", "stylized.png")
"""What a run writes into its folder and has, or could have, pictures in it."""


def kind_by_name(folder: str) -> str:
    """The kind of a folder that is left out for its name, or ""."""
    return next((kind for kind, pattern in FOLDERS.items() if pattern.fullmatch(folder)), "")


def kind_by_content(inside: Collection[str]) -> str:
    """The kind of a folder that is left out for the names of what lies in it, or ""."""
    if "config.yaml" in inside and ("checkpoints" in inside or "status.json" in inside):
        return "run folder"
    if CACHE_TAG in inside or {"index.json", "names.json"} <= set(inside):
        return "cache"
    if "prepared" in inside and any(name == "reference" or name.startswith("bad_images-") for name in inside):
        return "cache"  # of a version that wrote no tag
    return "program folder" if "pyvenv.cfg" in inside else ""


def written_by_seesaw(inside: Collection[str]) -> set[str]:
    """The entries of the top folder that a run or a comparison wrote there."""
    written = set(RUN_FILES) if kind_by_content(inside) == "run folder" else set()
    if "compare.html" in inside:
        written |= {name for name in inside if re.fullmatch(r"compare(-\d+)?\.png", name)}
    return written


def describe_left_out(left_out: Mapping[str, int]) -> str:
    """Counts of kinds in words, such as `1 cache, 2 run folders`."""
    return ", ".join(f"{count:,} {kind}{'s' if count > 1 else ''}" for kind, count in sorted(left_out.items()))


def list_folder(top: str, left_out: Counter[str]) -> Iterator[tuple[str, Stamp | str]]:
    """The entries of a `Tree`. Links are followed, and each folder is entered once however many lead there.

    Args:
        top: the folder. It is read whatever it is called.
        left_out: counts the folders that are left out, by their kind.

    Raises:
        OSError: the top folder cannot be read.
    """
    entered, waiting = set[tuple[int, int]](), [""]
    while waiting:
        here = waiting.pop()
        try:
            status = os.stat(os.path.join(top, here))
            if (status.st_dev, status.st_ino) in entered:
                continue
            entered.add((status.st_dev, status.st_ino))
            with os.scandir(os.path.join(top, here)) as found:
                entries = list(found)
        except OSError as error:
            if not here:
                raise
            yield here, error.strerror or str(error)  # the missing part must be counted
            continue
        names = {entry.name for entry in entries}
        if here and (kind := kind_by_content(names)):
            left_out[kind] += 1
            continue
        written = written_by_seesaw(names)
        kept = (entry for entry in entries if entry.name not in written)
        # the last name first: folders are taken from the end, and of two ways to a folder the first by name counts
        for entry in sorted(kept, key=lambda entry: entry.name, reverse=True):
            if not (kind := kind_by_name(entry.name)):
                yield from _list_entry(entry, here, waiting)
            elif entry.is_dir():
                left_out[kind] += 1


def _list_entry(entry: os.DirEntry[str], here: str, waiting: list[str]) -> Iterator[tuple[str, Stamp | str]]:
    name = here + entry.name
    try:
        status = entry.stat()  # of a link that of its target
    except OSError as error:
        yield name, error.strerror or str(error)
        return
    if stat.S_ISDIR(status.st_mode):
        waiting.append(f"{name}/")
    else:
        yield name, refuse_file(status) or (status.st_size, status.st_mtime_ns)


def refuse_file(status: os.stat_result) -> str:
    """Why a file must not be read, or ""."""
    return _refuse_size(status.st_size) if stat.S_ISREG(status.st_mode) else "not a regular file"


def _refuse_size(size: int) -> str:
    return f"{size / 2**20:,.0f} MiB, {LARGEST_FILE >> 20} are read at most" if size > LARGEST_FILE else ""


def open_without_waiting(path: str, flags: int) -> int:
    """A pipe would wait for a writer."""
    return os.open(path, flags | os.O_NONBLOCK)


def portable(name: str) -> str:
    """The name of an entry with / between its parts. Some programs of Windows write backslashes."""
    return name.replace("\\", "/")


def list_zip(entries: Mapping[str, zipfile.ZipInfo], left_out: Counter[str]) -> Iterator[tuple[str, Stamp | str]]:
    """The entries of a `Tree`; those of a folder that would be left out are left out here too.

    Args:
        entries: of the zip, by their portable names.
        left_out: counts the folders that are left out, by their kind.
    """
    inside = defaultdict[str, set[str]](set)
    for name in entries:
        parts = name.rstrip("/").split("/")
        for depth, part in enumerate(parts):
            inside["/".join(parts[:depth])].add(part)
    written, known = written_by_seesaw(inside[""]), {"": ""}

    def kind(folder: str) -> str:
        """Of a folder or the first folder above it that is left out."""
        if folder not in known:
            above, _, own = folder.rpartition("/")
            known[folder] = kind(above) or kind_by_name(own) or kind_by_content(inside[folder])
            if known[folder] and not known[above]:
                left_out[known[folder]] += 1
        return known[folder]

    for name, info in entries.items():
        folder, _, own = name.rpartition("/")
        if own and not kind(folder) and not own.startswith(".") and name.split("/")[0] not in written:
            yield name, refuse_entry(info) or (info.file_size, info.CRC)


def refuse_entry(info: zipfile.ZipInfo) -> str:
    """Why an entry of a zip must not be read, or "". Names matter though nothing is unpacked: an archive with one that
    leads elsewhere was made to harm, and other programs would unpack it."""
    mode, name = info.external_attr >> 16, portable(info.filename)
    if ".." in name.split("/"):
        return "its name leads out of the zip"
    if name.startswith("/") or re.match("[A-Za-z]:", name):
        return "its name is absolute"
    if stat.S_ISLNK(mode):
        return "a link"
    if stat.S_IFMT(mode) and not stat.S_ISREG(mode):
        return "not a regular file"
    if info.flag_bits & 1:
        return "encrypted"
    if info.compress_type not in METHODS:
        return f"packed by method {info.compress_type}; stored and deflated entries are read"
    if info.file_size > BOMB_SIZE and info.file_size > BOMB_RATIO * info.compress_size:
        return f"{info.file_size / 2**20:,.0f} MiB packed into {info.compress_size:,} bytes: a decompression bomb"
    return _refuse_size(info.file_size)
