"""What the pictures of a run and of a comparison have in common. Imports no torch."""

import math

from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, MaxNLocator, NullFormatter


def log_axis(axes: Axes) -> None:
    """Make the vertical axis logarithmic, with plain numbers, at least three where the values differ: powers of ten; over less
    than three of them also 2 and 5; over less than these, evenly spaced numbers. To be called when all is drawn."""
    axes.set_yscale("log")
    bottom, top = axes.get_ylim()
    powers = range(math.floor(math.log10(bottom)), math.ceil(math.log10(top)) + 1)
    if sum(bottom <= 10.0**k <= top for k in powers) >= 3:
        axes.yaxis.set_major_locator(LogLocator(numticks=8))
    else:
        ticks = [m * 10.0**k for k in powers for m in (1, 2, 5) if bottom <= m * 10.0**k <= top]
        if len(ticks) < 3:
            ticks = [float(tick) for tick in MaxNLocator(5).tick_values(bottom, top) if bottom <= tick <= top]
        axes.yaxis.set_major_locator(FixedLocator(ticks))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: format(value, ".6g")))
    axes.yaxis.set_minor_formatter(NullFormatter())


SINGLE = {"marker": "o", "ms": 7.0, "clip_on": False}
"""How a curve of one point is drawn: larger than the points of a curve, and whole also at the edge."""
