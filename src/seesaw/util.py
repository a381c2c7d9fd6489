"""Helpers that every layer shares: atomic writes, seeds from keys, colours, resolutions. Imports neither torch nor numpy."""

import contextlib
import errno
import hashlib
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from seesaw.errors import UserError

RESOLUTIONS = tuple(2**k for k in range(3, 11))
"""Heights and widths of images that every data set and model knows: 8 to 1024 pixels."""

PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
"""Colours of curves. Okabe and Ito's palette: distinct for every kind of colour vision."""

LUMA = (0.299, 0.587, 0.114)
"""Weights of R, G and B in the luma of ITU-R BT.601, as Pillow's mode L has them."""


LEFTOVER = re.compile(r"\..*\.tmp\d+(\.\w+)?")
"""Names of temporary files."""


def key(*parts: int | str) -> int:
    """A 63-bit seed from its parts: equal parts give equal seeds on every machine, different ones unrelated seeds."""
    digest = hashlib.blake2b("/".join(map(str, parts)).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little") >> 1


def atomic_write(path: Path, content: str | bytes | Callable[[BinaryIO], object], hint: str = "") -> None:
    """Write a file so that a reader, or a run after a crash, finds either the former content or the whole new one.

    The content goes to a temporary file in the same folder, is synced to the disk, and is renamed. The folder is created.

    Args:
        path: the file.
        content: text (as UTF-8), bytes, or a function that writes into the open file that it receives.
        hint: what the user can do when it fails, such as "choose another place by run_dir=…"; part of the error's sentence.

    Raises:
        UserError: the disk is full, or the place cannot be written. The former content is untouched.
    """
    temporary = path.with_name(f".{path.stem}.tmp{os.getpid()}{path.suffix}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(temporary, "wb") as file:
            if callable(content):
                _write_by(content, file)
            else:
                file.write(content.encode() if isinstance(content, str) else content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError as error:
        raise UserError(f"{path} cannot be written: {disk_error(error)}{f'; {hint}' if hint else ''}") from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink()


def remove_leftovers(folder: Path) -> None:
    """Remove the temporary files that `atomic_write` left in a folder when its process was killed."""
    with contextlib.suppress(OSError):
        for path in folder.iterdir():
            if LEFTOVER.fullmatch(path.name):
                path.unlink()


def _write_by(content: Callable[[BinaryIO], object], file: BinaryIO) -> None:
    """Call a function that writes. torch reports a write that fails as a RuntimeError without the system's number."""
    try:
        content(file)
    except RuntimeError as error:
        raise OSError(errno.EIO, "the disk is full, or the file system refused the file") from error


def disk_error(error: OSError) -> str:
    """Why a file could not be written, in words."""
    words = {
        errno.ENOSPC: "the disk is full",
        errno.EDQUOT: "the disk quota is used up",
        errno.EROFS: "the file system is read-only",
        errno.EACCES: "permission is denied",
    }
    return words.get(error.errno or 0, error.strerror or type(error).__name__)
