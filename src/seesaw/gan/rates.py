"""Learning rate and beta2 of each step: base x schedule(images shown) x lazy factor x balance."""

import math
from collections.abc import Mapping, Sequence

from torch.optim import Optimizer

from seesaw.gan.parts import LrScale
from seesaw.gan.phases import Phase
from seesaw.shared.schedules import check_range
from seesaw.types import Schedule, at


def lazy_factor(phases: Mapping[str, Phase], player: str) -> float:
    """k/(k+1) for each of the player's phases that is due k times more rarely than its most frequent one.

    Karras et al. 2020 (StyleGAN2), appendix B: k+1 steps where there were k, so lr and the exponents of beta shrink.
    """
    intervals = [phase.interval for phase in phases.values() if phase.player == player]
    ratios = [k / min(intervals) for k in intervals if k > min(intervals)]
    return math.prod(k / (k + 1) for k in ratios)


class LearningRates:
    """Sets lr and betas before each step, always from the optimiser's own first values, so that nothing compounds.

    Args:
        phases: by name.
        schedule: "lr" is a factor on both players' learning rates, "beta2" the value itself of Adam's second beta (R3GAN).
        scales: balance parts that scale learning rates.

    Raises:
        ValueError: `schedule` has another name, or a value is out of range at an end of its schedule.
    """

    def __init__(
        self, phases: Mapping[str, Phase], schedule: Mapping[str, Schedule], scales: Sequence[LrScale]
    ) -> None:
        unknown = set(schedule) - {"lr", "beta2"}
        if unknown:
            raise ValueError(
                f"schedule has lr and beta2, and no {min(unknown)}; other numbers are scheduled at their own keys"
            )
        check_range("schedule.lr", schedule.get("lr", 1.0), least=0)
        check_range("schedule.beta2", schedule.get("beta2", 0.0), least=0, below=1)
        self.lazy = {player: lazy_factor(phases, player) for player in "GD"}
        self.schedule, self.scales = dict(schedule), scales  # a dict: the module owns the schedules, not this
        self.base: dict[str, float] = {}

    def remember(self, player: str, optimizer: Optimizer) -> None:
        """Take the base values, once, before a checkpoint restores changed ones. Constant betas are scaled here: they stay.

        Raises:
            ValueError: `schedule.beta2` is given, and the optimiser has no betas.
        """
        self.base[player] = float(optimizer.param_groups[0]["lr"])
        for group in optimizer.param_groups:
            if "betas" in group:
                group["betas"] = tuple(beta ** self.lazy[player] for beta in group["betas"])
            elif "beta2" in self.schedule:
                raise ValueError(
                    f"schedule.beta2 needs an optimizer with betas, and {type(optimizer).__name__} has none"
                )

    def at(self, player: str, images_shown: int) -> float:
        """The learning rate of a player's next step."""
        lr = self.base[player] * self.lazy[player] * at(self.schedule.get("lr", 1.0), images_shown)
        return lr * math.prod(part.scale(player) for part in self.scales)

    def apply(self, player: str, optimizer: Optimizer, images_shown: int) -> None:
        """Set lr, and beta2 where it is scheduled, in every parameter group."""
        lr = self.at(player, images_shown)
        for group in optimizer.param_groups:
            group["lr"] = lr
        if "beta2" in self.schedule:
            beta2 = at(self.schedule["beta2"], images_shown) ** self.lazy[player]
            for group in optimizer.param_groups:
                group["betas"] = (group["betas"][0], beta2)
