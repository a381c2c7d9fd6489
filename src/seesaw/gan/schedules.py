"""Schedules of images shown: numbers that change over a run. Each is callable: images shown -> value.

An argument annotated `seesaw.types.Schedule` takes a number, or in a configuration `{shape: cosine, start: 9, end: 1}`, which
`from_shape` turns into one of the classes here.
"""

import math
from typing import Any

from seesaw.shared.schedules import ScheduleModule

SHAPES = {"constant": "Constant", "linear": "Linear", "cosine": "Cosine"}
"""The word in `{shape: …}` -> the class in this file."""


class Constant(ScheduleModule):
    """The same value always, or after a linear warm-up from 0.

    Args:
        value: the value.
        warmup_kimg: thousand images over which it rises from 0 in a straight line; 0: no warm-up.
    """

    def __init__(self, value: float = 1.0, warmup_kimg: float = 0.0) -> None:
        super().__init__()
        if not 0 <= warmup_kimg < math.inf:
            raise ValueError(f"warmup_kimg is {warmup_kimg}; it must be at least 0")
        self.value, self.warmup_kimg = value, warmup_kimg

    def shape(self, images_shown: int) -> float:
        """The value without the warm-up."""
        return self.value

    def forward(self, images_shown: int) -> float:
        value = self.shape(images_shown)
        if images_shown >= 1000 * self.warmup_kimg:
            return value
        return value * images_shown / (1000 * self.warmup_kimg)

    def extremes(self) -> tuple[float, ...]:
        return (self.value,)


class Linear(Constant):
    """From `start` to `end` in a straight line between `begin_kimg` and `kimg`, constant before and after.

    Args:
        start: value up to begin_kimg.
        end: value from kimg on.
        kimg: thousand images at which `end` is reached.
        begin_kimg: thousand images up to which it is `start`.
        warmup_kimg: see `Constant`; the rise multiplies the shape.
    """

    def __init__(
        self, start: float, end: float, kimg: float, begin_kimg: float = 0.0, warmup_kimg: float = 0.0
    ) -> None:
        super().__init__(start, warmup_kimg)
        if not 0 <= begin_kimg < kimg < math.inf:
            raise ValueError(f"kimg is {kimg}; it must be above begin_kimg, {begin_kimg}, which must be at least 0")
        self.start, self.end, self.kimg, self.begin_kimg = start, end, kimg, begin_kimg

    def progress(self, images_shown: int) -> float:
        """0 at the start, 1 at the end."""
        return min(max((images_shown / 1000 - self.begin_kimg) / (self.kimg - self.begin_kimg), 0.0), 1.0)

    def shape(self, images_shown: int) -> float:
        p = self.progress(images_shown)
        return self.start * (1 - p) + self.end * p

    def extremes(self) -> tuple[float, ...]:
        return (self.start, self.end)


class Cosine(Linear):
    """From `start` to `end` along half a cosine (R3GAN's shape), constant before and after. Arguments as `Linear`'s."""

    def shape(self, images_shown: int) -> float:
        return self.end + (self.start - self.end) * 0.5 * (1 + math.cos(math.pi * self.progress(images_shown)))


def from_shape(node: dict[str, Any], kimg: float) -> dict[str, Any]:
    """The node that builds `{shape: …, start: …}`: with `_target_`, and the run's length where `kimg` is left out.

    Raises:
        ValueError: the shape is not known.
    """
    shape = node.get("shape")
    if not isinstance(shape, str) or shape not in SHAPES:
        raise ValueError(f"shape is {shape}; it must be one of {', '.join(SHAPES)}")
    rest = {key: value for key, value in node.items() if key not in ("shape", "_target_")}
    if shape != "constant":
        rest = {"kimg": kimg} | rest
    return {"_target_": f"{__name__}.{SHAPES[shape]}", **rest}


class Plateau(ScheduleModule):
    """Times `factor` whenever the distance did not fall by `threshold` (relative) for `patience` evaluations.

    A stuck GAN often converges at a lower learning rate. Needs a metric.

    Args:
        factor: in (0, 1).
        patience: evaluations without a gain, at least 1.
        threshold: relative gain that counts, in [0, 1).
        lowest: the smallest value, in [0, 1].
    """

    needs_metric = True

    def __init__(self, factor: float = 0.5, patience: int = 3, threshold: float = 0.01, lowest: float = 0.01) -> None:
        super().__init__()
        if not 0 < factor < 1:
            raise ValueError(f"factor is {factor}; it must be between 0 and 1")
        if patience < 1:
            raise ValueError(f"patience is {patience}; it must be at least 1")
        if not 0 <= threshold < 1:
            raise ValueError(f"threshold is {threshold}; it must be at least 0 and below 1")
        if not 0 <= lowest <= 1:
            raise ValueError(f"lowest is {lowest}; it must be at least 0 and at most 1")
        self.factor, self.patience, self.threshold, self.lowest = factor, patience, threshold, lowest
        self.value, self.best, self.stuck = 1.0, math.inf, 0

    def forward(self, images_shown: int) -> float:
        return self.value

    def observe(self, value: float) -> None:
        # the magnitude, since an unbiased kernel distance can be below 0
        if math.isinf(self.best) or value < self.best - self.threshold * abs(self.best):
            self.best, self.stuck = value, 0
            return
        self.stuck += 1
        if self.stuck >= self.patience:
            self.value, self.stuck = max(self.value * self.factor, self.lowest), 0

    def forget(self) -> None:
        self.best, self.stuck = math.inf, 0

    def extremes(self) -> tuple[float, ...]:
        return (self.lowest, 1.0)

    def get_extra_state(self) -> dict[str, Any]:
        return {"value": self.value, "best": self.best, "stuck": self.stuck}

    def set_extra_state(self, state: dict[str, Any]) -> None:
        self.value, self.best, self.stuck = state["value"], state["best"], state["stuck"]
