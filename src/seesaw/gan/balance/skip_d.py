"""D rests while it wins."""

from collections.abc import Mapping
from typing import Any, Literal

from seesaw.gan.balance.parts import Gate, adversarial_phase
from seesaw.gan.phases import Phase


class SkipD(Gate):
    """D rests while it wins too clearly, and plays again when it no longer does (ganhacks, item 11, made scale-free).

    D's *advantage* is 0 at the loss's equilibrium and 1 when D separates perfectly: 1 - L_D / L* by loss, 2 accuracy - 1 by
    accuracy, on a running mean. D rests once it exceeds `rest_above` and plays once it is under `wake_below`, or after
    `longest_rest` batches in a row (its running mean goes on, so it may rest again after one step).

    The Wasserstein loss has no scale (its equilibrium is 0), so there `by: loss` reads the accuracy too, which for a critic is
    the share of pairs whose real has the higher value: 1/2 at equilibrium, 1 when it separates perfectly. The theory wants
    that critic trained to its optimum, so resting it is an experiment.

    Args:
        by: what the advantage is read from.
        rest_above, wake_below: thresholds of the advantage, wake_below <= rest_above < 1. Accuracy 0.8 is an advantage of 0.6.
        half_life: of the running mean, in images.
        longest_rest: batches.
    """

    listens = True

    def __init__(
        self,
        by: Literal["loss", "accuracy"] = "loss",
        rest_above: float = 0.6,
        wake_below: float = 0.5,
        half_life: float = 1000.0,
        longest_rest: int = 20,
    ) -> None:
        super().__init__()
        if not wake_below <= rest_above < 1:
            raise ValueError(
                f"wake_below is {wake_below} and rest_above {rest_above}; wake_below <= rest_above < 1 must hold"
            )
        if half_life <= 0 or longest_rest < 1:
            raise ValueError(
                f"half_life is {half_life} and longest_rest {longest_rest}; they must be above 0 and at least 1"
            )
        self.by, self.rest_above, self.wake_below = by, rest_above, wake_below
        self.half_life, self.longest_rest = half_life, longest_rest
        self.advantage, self.resting, self.rested = 0.0, False, 0

    def bind(self, phases: Mapping[str, Phase]) -> None:
        name, term, loss = adversarial_phase(phases, "skip_d")
        self.by_loss = self.by == "loss" and loss.equilibrium != 0
        self.key = f"{name}/{term}" if self.by_loss else f"{name}/accuracy"
        self.equilibrium = loss.equilibrium

    def plays(self, phase: Phase) -> bool:
        return phase.player == "G" or not self.resting

    def observe(self, seen: Mapping[str, float], images: int) -> None:
        if self.key not in seen:  # its phase was not due in that batch
            return
        now = 1 - seen[self.key] / self.equilibrium if self.by_loss else 2 * seen[self.key] - 1
        keep = 0.5 ** (images / self.half_life)
        self.advantage = keep * self.advantage + (1 - keep) * now
        if self.resting:
            self.rested += 1
            self.resting = self.advantage > self.wake_below and self.rested < self.longest_rest
        else:
            self.resting, self.rested = self.advantage > self.rest_above, 0

    def report(self) -> dict[str, float]:
        return {"balance/advantage": self.advantage, "balance/resting": float(self.resting)}

    def get_extra_state(self) -> dict[str, Any]:
        return {"advantage": self.advantage, "resting": self.resting, "rested": self.rested}

    def set_extra_state(self, state: dict[str, Any]) -> None:
        self.advantage, self.resting, self.rested = state["advantage"], state["resting"], state["rested"]
