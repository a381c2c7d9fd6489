"""The learning rate of each step: base x schedule(images shown) x lazy factor x balance."""

import math
from collections.abc import Mapping, Sequence

from torch.optim import Optimizer

from seesaw.gan.balance import LrScale
from seesaw.gan.phases import Phase
from seesaw.gan.schedules import ScheduleModule


def lazy_factor(phases: Mapping[str, Phase], player: str) -> float:
    """k/(k+1) for each of the player's phases played k times more rarely than its most frequent one.

    Karras et al. 2020 (StyleGAN2), appendix B: k+1 steps where there were k, so lr and the exponents of beta shrink.
    """
    every = [phase.every for phase in phases.values() if phase.player == player]
    ratios = [k / min(every) for k in every if k > min(every)]
    return math.prod(k / (k + 1) for k in ratios)


class LearningRates:
    """Sets lr and betas before each step, always from the optimiser's own first values, so that nothing compounds."""

    def __init__(self, phases: Mapping[str, Phase], schedule: ScheduleModule, scales: Sequence[LrScale]) -> None:
        self.lazy = {player: lazy_factor(phases, player) for player in "GD"}
        self.schedule, self.scales = [schedule], scales  # in a list: the module owns it, not this
        self.base: dict[str, float] = {}

    def remember(self, player: str, optimizer: Optimizer) -> None:
        """Take the base values, once, before a checkpoint restores changed ones. Betas are scaled here: they stay."""
        self.base[player] = float(optimizer.param_groups[0]["lr"])
        for group in optimizer.param_groups:
            if "betas" in group:
                group["betas"] = tuple(beta ** self.lazy[player] for beta in group["betas"])

    def at(self, player: str, images_shown: int) -> float:
        lr = self.base[player] * self.lazy[player] * self.schedule[0](images_shown)
        return lr * math.prod(part.scale(player) for part in self.scales)

    def apply(self, player: str, optimizer: Optimizer, images_shown: int) -> None:
        lr = self.at(player, images_shown)
        for group in optimizer.param_groups:
            group["lr"] = lr
