"""Ranges of numbers that no constructor checks: what is not finite or absurdly large, and arguments of classes that are not
ours or are built only once a run has its folder. The class that takes a number checks all else, with a ValueError."""

import math
from typing import Any, NamedTuple

MOST_INTEGER = 2**63 - 1
"""The largest integer that torch takes."""

MOST = 1e15
"""The largest number that an argument of a shipped class can mean: beyond it nothing is left of float32's digits."""

SHIPPED = ("seesaw.", "torch.", "pytorch_lightning.")
"""Packages whose classes have no use for larger numbers and infinity. A class of the user's own may have one."""


class Range(NamedTuple):
    """least <= value < below."""

    least: float
    below: float = math.inf

    @property
    def words(self) -> str:
        """What is allowed."""
        return f"at least {self.least:g}" + (f" and below {self.below:g}" if self.below < math.inf else "")


RANGES: dict[str, dict[str, Range]] = {
    "torch.optim.RMSprop": {"alpha": Range(0, 1), "momentum": Range(0, 1)},
    "torch.optim.SGD": {"momentum": Range(0, 1)},
    "torch.optim.LBFGS": {"max_iter": Range(1), "history_size": Range(1)},
    "seesaw.training.loggers.wandb_log.WandbLog": {"init_timeout": Range(0), "finish_timeout": Range(0), "table": Range(0)},
}
"""Target -> argument -> what is allowed."""


def allowed_instead(value: Any, target: str, argument: str) -> str:
    """What is allowed in the place of a number that is out of range; "" where nothing is wrong.

    Args:
        value: any leaf of the configuration.
        target: the class that it is built with, directly or in a list or mapping; "" for none.
        argument: its own key.
    """
    if isinstance(value, bool) or not isinstance(value, int | float):
        return ""
    known = RANGES.get(target, {}).get(argument)
    if isinstance(value, int) and abs(value) > MOST_INTEGER:
        return "an integer of at most 64 bits"
    if math.isnan(value) or (target.startswith(SHIPPED) and isinstance(value, float) and abs(value) > MOST):
        if known is not None:
            return known.words
        return f"a number of size {MOST:g} at most" if math.isfinite(value) else "a finite number"
    return "" if known is None or known.least <= value < known.below else known.words
