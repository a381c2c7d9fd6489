"""What a rule of the monitor is: a pure function of the history, with its thresholds."""

from abc import ABC, abstractmethod
from typing import ClassVar, NamedTuple

from seesaw.monitor.history import History


class Finding(NamedTuple):
    """Attributes:
    reason: one sentence with the figures, without a full stop.
    sure: no second evaluation has to confirm it, and it counts during the warm-up too.
    early: it counts during the warm-up too, but a second evaluation has to confirm it: no run begins like that.
    """

    reason: str
    sure: bool = False
    early: bool = False


class Rule(ABC):
    """One way in which a run goes wrong. A rule of your own is a subclass in a package of yours, and an entry in
    `monitor.rules`; the first rule in their order that finds something decides.

    Attributes:
        state: the verdict that it gives, one of `seesaw.monitor.verdict.STATES`.
        advice: what usually helps, without a full stop.
    """

    state: ClassVar[str]
    advice: ClassVar[str]

    @abstractmethod
    def __call__(self, history: History) -> Finding | None:
        """What the rule finds at the newest record; None: nothing. Comparisons with nan are false, so that a figure that was
        not measured finds nothing."""


def check_shares(**shares: float) -> None:
    """ValueError for a threshold that is no share: outside of 0 to 1."""
    for name, share in shares.items():
        if not 0 <= share <= 1:
            raise ValueError(f"{name} is {share}; it must be from 0 to 1")


def check_factors(**factors: float) -> None:
    """ValueError for a factor that is not above 1."""
    for name, factor in factors.items():
        if not factor > 1:
            raise ValueError(f"{name} is {factor}; it must be above 1")
