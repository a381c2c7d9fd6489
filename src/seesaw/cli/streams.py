"""Standard streams that may be closed, broken or unable to show a letter: nothing of this ends a command.

Called once, where a process begins: `prepare_streams`.
"""

import errno
import io
import os
import sys
from typing import Any

from seesaw.errors import UserError


def prepare_streams(goes_on: bool = False) -> None:
    """Make the three standard streams safe to use.

    - Where Python reads names of files as ASCII (LC_ALL=C with PYTHONUTF8=0), the program starts anew in Python's UTF-8 mode,
      since the encoding of names cannot be changed later.
    - A closed stream (`>&-`) becomes the null device; its number would else be given to the next file that is opened.
    - Output to a pipe without a reader (`| head`), or to a terminal that is gone, is dropped from then on. So is what a full disk
      does not take (`> log.txt`), of a command that goes on; another one fails by it, once.
    - A letter that the terminal's encoding does not have is written as an escape.

    Args:
        goes_on: whether the command does more than print; it is reported on standard error that it goes on without its output.
    """
    if sys.getfilesystemencoding().lower() != "utf-8" and os.environ.get("PYTHONUTF8") != "1":
        os.environ["PYTHONUTF8"] = "1"
        os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDONLY if number == 0 else os.O_WRONLY)  # gets the lowest free number: this one
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            nowhere = open(os.devnull, mode, encoding="utf-8")  # noqa: SIM115 - open to the end
            setattr(sys, name, nowhere)
            setattr(sys, f"__{name}__", nowhere)
    sys.stdout, sys.stderr = _safe(sys.stdout, goes_on, goes_on), _safe(sys.stderr, True, False)


def _safe(stream: Any, goes_on: bool, reports: bool) -> Any:
    """A stream to the same descriptor that neither a missing reader nor a letter can break."""
    try:
        number = stream.fileno()
    except (AttributeError, OSError):  # replaced by an object without one
        return stream
    stream.flush()
    return io.TextIOWrapper(
        io.BufferedWriter(_Output(number, goes_on, reports)),
        encoding=stream.encoding,
        errors="backslashreplace",
        line_buffering=stream.line_buffering,
        write_through=stream.write_through,
    )


GONE = (errno.EPIPE, errno.EIO)
FULL = (errno.ENOSPC, errno.EDQUOT)


class _Output(io.FileIO):
    """A descriptor that becomes the null device when what it leads to is gone, or full."""

    def __init__(self, number: int, goes_on: bool, reports: bool) -> None:
        super().__init__(number, "wb", closefd=False)
        self.goes_on, self.reports = goes_on, reports

    def write(self, data: Any) -> int:
        try:
            return super().write(data)
        except OSError as error:
            if error.errno not in (*GONE, *FULL):
                raise
            nowhere = os.open(os.devnull, os.O_WRONLY)  # also for what is flushed at the end
            os.dup2(nowhere, self.fileno())
            os.close(nowhere)
            full = error.errno in FULL
            if full and not self.goes_on:
                raise UserError("the disk of the standard output is full") from error
        if self.reports:
            why = "the disk of the standard output is full" if full else "nobody reads the standard output any more"
            sys.stderr.write(f"seesaw: {why}; the run goes on without it\n")
        return memoryview(data).nbytes
