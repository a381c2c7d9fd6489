"""Only the player whose loss changes faster steps."""

import math
from collections.abc import Mapping
from typing import Any

from seesaw.gan.parts import Gate, adversarial_phase
from seesaw.gan.phases import Phase

LEAST = 1e-12
"""A loss of 0 would have no rate of change."""


class ChangeRate(Gate):
    """D steps if r_D > weight r_G, else G; r = |(L - L') / L'|, the relative change of a player's loss over one batch.

    Ouyang and Agam 2021 (for WGAN-like losses), whose rule lets one player step in a batch. Until two batches were seen both
    step. The losses are those of the adversarial terms, also of the player who is skipped; before batch t the newest are those
    of batch t - 2. Each batch is new, so a skipped player's loss changes by the draw alone.

    Args:
        weight: lambda, above 0: larger, and G steps more often.
    """

    exclusive = True

    needs_statistics = True

    def __init__(self, weight: float = 1.0) -> None:
        super().__init__()
        if not 0 < weight < math.inf:
            raise ValueError(f"weight is {weight}; it must be above 0")
        self.weight = weight
        self.losses: dict[str, float] = {}
        self.rates: dict[str, float] = {}

    def bind(self, phases: Mapping[str, Phase]) -> None:
        phase, term, _ = adversarial_phase(phases, "change_rate")
        rivals = [name for name, p in phases.items() if p.player == "G" and term in p.terms]
        if not rivals:
            raise ValueError(f"change_rate compares D's and G's losses, and no phase of G has a term {term}")
        self.keys = {"D": f"{phase}/{term}", "G": f"{rivals[0]}/{term}"}

    def is_active(self, phase: Phase) -> bool:
        if not self.rates:
            return True
        return (self.rates["D"] > self.weight * self.rates["G"]) == (phase.player == "D")

    def observe(self, statistics: Mapping[str, float], images: int) -> None:
        if not all(key in statistics for key in self.keys.values()):  # one of the phases was not due
            return
        losses = {player: statistics[key] for player, key in self.keys.items()}
        if self.losses:
            self.rates = {p: abs(losses[p] - old) / max(abs(old), LEAST) for p, old in self.losses.items()}
        self.losses = losses

    def report(self) -> dict[str, float]:
        return {f"balance/change_rate/{player}": rate for player, rate in self.rates.items()}

    def get_extra_state(self) -> dict[str, Any]:
        return {"losses": dict(self.losses), "rates": dict(self.rates)}

    def set_extra_state(self, state: dict[str, Any]) -> None:
        self.losses, self.rates = dict(state["losses"]), dict(state["rates"])
