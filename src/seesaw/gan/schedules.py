"""Schedules of images shown: numbers that change over a run. Each is callable: images shown -> value."""

import math
from typing import Any

from torch import nn


class ScheduleModule(nn.Module):
    """A schedule that may have a state, which is saved with the model. The base watches no distance."""

    needs_distance = False

    def observe(self, distance: float) -> None:
        """Told of each new distance of the EMA generator to the reals."""

    def forget(self) -> None:
        """Told that the distances to come do not compare with those before."""


class Constant(ScheduleModule):
    """The same value always."""

    def __init__(self, value: float = 1.0) -> None:
        super().__init__()
        self.value = value

    def forward(self, images_shown: int) -> float:
        return self.value


class Linear(ScheduleModule):
    """From `start` to `end` in a straight line between `begin_kimg` and `kimg`, constant before and after."""

    def __init__(self, start: float, end: float, kimg: float, begin_kimg: float = 0.0) -> None:
        super().__init__()
        if kimg <= begin_kimg:
            raise ValueError(f"kimg is {kimg}; it must be above begin_kimg, {begin_kimg}")
        self.start, self.end, self.kimg, self.begin_kimg = start, end, kimg, begin_kimg

    def progress(self, images_shown: int) -> float:
        return min(max((images_shown / 1000 - self.begin_kimg) / (self.kimg - self.begin_kimg), 0.0), 1.0)

    def forward(self, images_shown: int) -> float:
        return self.start + (self.end - self.start) * self.progress(images_shown)


class Cosine(Linear):
    """From `start` to `end` along half a cosine (R3GAN's shape), constant before and after."""

    def forward(self, images_shown: int) -> float:
        return self.end + (self.start - self.end) * 0.5 * (1 + math.cos(math.pi * self.progress(images_shown)))


class Plateau(ScheduleModule):
    """Times `factor` whenever the distance did not fall by `threshold` (relative) for `patience` evaluations.

    A stuck GAN often converges at a lower learning rate. Needs a metric with a distance.
    """

    needs_distance = True

    def __init__(self, factor: float = 0.5, patience: int = 3, threshold: float = 0.01, lowest: float = 0.01) -> None:
        super().__init__()
        if not 0 < factor < 1:
            raise ValueError(f"factor is {factor}; it must be between 0 and 1")
        if patience < 1:
            raise ValueError(f"patience is {patience}; it must be at least 1")
        self.factor, self.patience, self.threshold, self.lowest = factor, patience, threshold, lowest
        self.value, self.best, self.stuck = 1.0, math.inf, 0

    def forward(self, images_shown: int) -> float:
        return self.value

    def observe(self, distance: float) -> None:
        # the magnitude, since an unbiased kernel distance can be below 0
        if math.isinf(self.best) or distance < self.best - self.threshold * abs(self.best):
            self.best, self.stuck = distance, 0
            return
        self.stuck += 1
        if self.stuck >= self.patience:
            self.value, self.stuck = max(self.value * self.factor, self.lowest), 0

    def forget(self) -> None:
        self.best, self.stuck = math.inf, 0

    def get_extra_state(self) -> dict[str, Any]:
        return {"value": self.value, "best": self.best, "stuck": self.stuck}

    def set_extra_state(self, state: dict[str, Any]) -> None:
        self.value, self.best, self.stuck = state["value"], state["best"], state["stuck"]
