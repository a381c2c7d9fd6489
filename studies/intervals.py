"""Intervals of counted shares."""

from scipy.stats import binomtest


def wilson(hits: int, n: int) -> list[float | None]:
    """A share with its 95 % interval (Wilson 1927): [share, low, high]; of nothing there is no share, and all is possible."""
    if not n:
        return [None, 0.0, 1.0]
    found = binomtest(hits, n).proportion_ci(method="wilson")
    return [round(hits / n, 4), round(float(found.low), 4), round(float(found.high), 4)]
