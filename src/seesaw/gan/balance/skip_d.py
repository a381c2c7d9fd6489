"""D skips steps while it wins."""

import math
from collections.abc import Mapping
from typing import Any, Literal

from seesaw.gan.parts import Gate, adversarial_phase
from seesaw.gan.phases import Phase


class SkipD(Gate):
    """D's phases are skipped while D wins too clearly, and resume when it no longer does.

    After the example in ganhacks, item 11 (`while lossD > A: train D`), made independent of the loss's scale. That item is titled
    "Don't balance loss via statistics (unless you have a good reason to)": it advises against such rules rather than for them.

    D's *advantage* is 0 at the loss's equilibrium and 1 when D separates perfectly: 1 - L_D / L* by loss, 2 accuracy - 1 by
    accuracy, on a running mean. D is skipped once the advantage exceeds `skip_above`, and resumes once it is under
    `resume_below`, or after `max_skips` batches in a row (the running mean goes on, so it may be skipped again after one step).

    The Wasserstein loss has no scale (its equilibrium is 0), so there `by: loss` reads the accuracy too, which for a critic is
    the share of pairs whose real has the higher value: 1/2 at equilibrium, 1 when it separates perfectly. The theory wants
    that critic trained to its optimum, so skipping its steps is an experiment.

    Args:
        by: what the advantage is read from.
        skip_above: advantage above which D is skipped, below 1. An accuracy of 0.8 is an advantage of 0.6.
        resume_below: advantage below which D resumes, at most skip_above.
        half_life: of the running mean, in images.
        max_skips: batches in a row, at least 1.
    """

    needs_statistics = True

    def __init__(
        self,
        by: Literal["loss", "accuracy"] = "loss",
        skip_above: float = 0.6,
        resume_below: float = 0.5,
        half_life: float = 1000.0,
        max_skips: int = 20,
    ) -> None:
        super().__init__()
        if not resume_below <= skip_above < 1:
            raise ValueError(
                f"resume_below is {resume_below} and skip_above {skip_above}; resume_below <= skip_above < 1 must hold"
            )
        if not 0 < half_life < math.inf or max_skips < 1:
            raise ValueError(f"half_life is {half_life} and max_skips {max_skips}; they must be above 0 and at least 1")
        self.by, self.skip_above, self.resume_below = by, skip_above, resume_below
        self.half_life, self.max_skips = half_life, max_skips
        self.advantage, self.skipping, self.skipped = 0.0, False, 0

    def bind(self, phases: Mapping[str, Phase]) -> None:
        name, term, loss = adversarial_phase(phases, "skip_d")
        self.by_loss = self.by == "loss" and loss.equilibrium != 0
        self.key = f"{name}/{term}" if self.by_loss else f"{name}/accuracy"
        self.equilibrium = loss.equilibrium

    def is_active(self, phase: Phase) -> bool:
        return phase.player == "G" or not self.skipping

    def observe(self, statistics: Mapping[str, float], images: int) -> None:
        if self.key not in statistics:  # its phase was not due in that batch
            return
        now = 1 - statistics[self.key] / self.equilibrium if self.by_loss else 2 * statistics[self.key] - 1
        keep = 0.5 ** (images / self.half_life)
        self.advantage = keep * self.advantage + (1 - keep) * now
        if self.skipping:
            self.skipped += 1
            self.skipping = self.advantage > self.resume_below and self.skipped < self.max_skips
        else:
            self.skipping, self.skipped = self.advantage > self.skip_above, 0

    def report(self) -> dict[str, float]:
        return {"balance/advantage": self.advantage, "balance/skipping": float(self.skipping)}

    def get_extra_state(self) -> dict[str, Any]:
        return {"advantage": self.advantage, "skipping": self.skipping, "skipped": self.skipped}

    def set_extra_state(self, state: dict[str, Any]) -> None:
        self.advantage, self.skipping, self.skipped = state["advantage"], state["skipping"], state["skipped"]
