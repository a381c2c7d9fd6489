"""Points of the plane as a picture: the generated ones over the real ones. Matplotlib is imported when one is drawn."""

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

if TYPE_CHECKING:
    from matplotlib.figure import Figure

REAL, FAKE = "#009E73", "#D55E00"  # the colours of the reals and of G in the curves
MOST = 2500  # points of each kind in a picture


def scatter(points: Tensor, reals: Tensor) -> Tensor:
    """A picture, uint8 (3, 600, 600).

    The frame is that of the reals and a margin, so that a few outliers do not squeeze it; how many generated points lie
    outside is written above it.

    Args:
        points: generated, (N, 2, 1, 1).
        reals: (M, 2, 1, 1), at least one.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    canvas = FigureCanvasAgg(plot(points, reals))  # no pyplot: nothing global is touched
    canvas.draw()
    return torch.from_numpy(np.asarray(canvas.buffer_rgba()).copy())[..., :3].permute(2, 0, 1).contiguous()


def plot(points: Tensor, reals: Tensor) -> "Figure":
    """The figure that `scatter` draws."""
    from matplotlib.figure import Figure

    fake, real = (x.flatten(1).float().cpu() for x in (points, reals))
    low, high = real.amin(0), real.amax(0)
    margin = 0.15 * (high - low).max()
    outside = ~((fake >= low - margin) & (fake <= high + margin)).all(1)
    figure = Figure(figsize=(6, 6), dpi=100, layout="constrained")
    axes = figure.add_subplot()
    (x, y), (fake_x, fake_y) = real[:: max(len(real) // MOST, 1)].T.numpy(), fake.T.numpy()
    axes.scatter(x, y, s=9, color=REAL, alpha=0.35, linewidths=0, label="real")
    axes.scatter(fake_x, fake_y, s=5, color=FAKE, alpha=0.6, linewidths=0, label=f"generated ({len(fake):,})")
    axes.set_xlim(float(low[0] - margin), float(high[0] + margin))
    axes.set_ylim(float(low[1] - margin), float(high[1] + margin))
    axes.set_aspect("equal")
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(labelsize=9)
    axes.legend(
        loc="lower left", bbox_to_anchor=(0, 1), ncols=2, frameon=False, fontsize=11, markerscale=3, borderaxespad=0.1
    )
    axes.set_title(f"{int(outside.sum()):,} outside the frame", loc="right", fontsize=11)
    return figure
