"""D's learning rate follows the gap between its loss and the loss's equilibrium."""

import math
from collections.abc import Mapping
from typing import Any

from seesaw.gan.parts import LrScale, adversarial_phase
from seesaw.gan.phases import Phase


class GapAware(LrScale):
    """The gap-aware learning rate of D (Hazimeh and Ponomareva 2023; constants and running mean as in the authors' demo).

    L is the running mean of D's adversarial loss, from its equilibrium L* on. With x = |L - L*| and w = width L*, D's
    learning rate is multiplied by min(f_max^(x / w), f_max) if L > L* (D is losing) and by max(h_min^(x / w), h_min) else.
    The factor is on the base rate and never compounds. It is two batches late: in batch t the newest loss is that of batch t - 2;
    the demo takes that of batch t itself, before D's step.

    Args:
        f_max: the largest factor, at least 1. h_min: the smallest, in (0, 1].
        width: the gap, as a part of L*, at which they are reached.
        decay: of the running mean, a batch.
    """

    needs_statistics = True

    def __init__(self, f_max: float = 2.0, h_min: float = 0.1, width: float = 0.1, decay: float = 0.95) -> None:
        super().__init__()
        if not 1 <= f_max < math.inf or not 0 < h_min <= 1:
            raise ValueError(f"f_max is {f_max} and h_min {h_min}; f_max >= 1 and 0 < h_min <= 1 must hold")
        if not 0 < width < math.inf or not 0 <= decay < 1:
            raise ValueError(f"width is {width} and decay {decay}; width > 0 and 0 <= decay < 1 must hold")
        self.f_max, self.h_min, self.width, self.decay = f_max, h_min, width, decay

    def bind(self, phases: Mapping[str, Phase]) -> None:
        phase, term, loss = adversarial_phase(phases, "gap_aware")
        if loss.equilibrium == 0:
            raise ValueError(
                f"gap_aware needs a loss with an equilibrium above 0, and {type(loss).__name__} has no scale"
            )
        self.key, self.ideal, self.mean = f"{phase}/{term}", loss.equilibrium, loss.equilibrium

    def scale(self, player: str) -> float:
        if player == "G":
            return 1.0
        gap = min(abs(self.mean - self.ideal) / (self.width * self.ideal), 1.0)
        return float((self.f_max if self.mean > self.ideal else self.h_min) ** gap)

    def observe(self, statistics: Mapping[str, float], images: int) -> None:
        if self.key in statistics:
            self.mean = self.decay * self.mean + (1 - self.decay) * statistics[self.key]

    def report(self) -> dict[str, float]:
        return {"balance/gap": self.mean - self.ideal, "balance/lr_scale/D": self.scale("D")}

    def get_extra_state(self) -> dict[str, Any]:
        return {"mean": self.mean}

    def set_extra_state(self, state: dict[str, Any]) -> None:
        self.mean = state["mean"]
