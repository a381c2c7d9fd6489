"""Durations: measured, and in words."""

import time
from collections.abc import Callable


def seconds_of(call: Callable[[], object]) -> float:
    """Wall-clock duration of one call."""
    began = time.perf_counter()
    call()
    return time.perf_counter() - began


def in_words(seconds: float) -> str:
    """In the unit a person would choose: 0.4 s, 40 s, 12 min, 3.5 h."""
    if seconds < 90:
        return f"{seconds:.2g} s" if seconds < 10 else f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
