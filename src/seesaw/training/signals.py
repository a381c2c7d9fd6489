"""Signals that end a command in good order. Imports no torch."""

import contextlib
import signal
import threading
from collections.abc import Iterator
from types import FrameType
from typing import Any

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR2)
"""Ctrl-C, a request to end, the end of the terminal or of its ssh connection, and a scheduler's notice that the time is nearly
up, as submitit sends it."""


@contextlib.contextmanager
def ended_by_signals() -> Iterator[None]:
    """Around what is not training, as a command, the set-up and the end of a run: all but Ctrl-C, which Python itself raises,
    raise SystemExit, so that the status is right and no half-written file stays. While a run trains, `GracefulStop` handles
    them. Signals that are ignored stay so; in a thread nothing changes."""
    former: dict[int, Any] = {}
    if threading.current_thread() is threading.main_thread():
        for number in SIGNALS[1:]:
            if signal.getsignal(number) is not signal.SIG_IGN:
                former[int(number)] = signal.signal(number, _exit)
    try:
        yield
    finally:
        for key, handler in former.items():
            signal.signal(key, handler)


def _exit(number: int, frame: FrameType | None) -> None:
    raise SystemExit(128 + number)
