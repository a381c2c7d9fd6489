"""What the monitor makes of a run."""

from dataclasses import asdict, dataclass
from typing import Any

STATES = (
    "warming_up",
    "healthy",
    "mode_dropping",
    "collapsed",
    "memorising",
    "d_dominates",
    "g_dominates",
    "diverging",
    "stalled",
)
"""All states. The place of one is its number in metrics.csv: 0 warming up, 1 healthy, 2 and above unhealthy."""

HEALTHY = STATES[:2]
"""States in which nothing has to be done."""


def words(state: str) -> str:
    """A state as a reader sees it: `mode dropping`."""
    return state.replace("_", " ")


@dataclass(frozen=True)
class Verdict:
    """Attributes:
    state: one of `STATES`.
    reason: one sentence with the figures.
    advice: what usually helps; empty where nothing has to be done.
    since_kimg: thousands of images shown at the first evaluation that showed this state.
    """

    state: str
    reason: str
    advice: str = ""
    since_kimg: float = 0.0

    @property
    def unhealthy(self) -> bool:
        return self.state not in HEALTHY

    @property
    def code(self) -> float:
        """The number of its state."""
        return float(STATES.index(self.state))

    @property
    def words(self) -> str:
        """The state as a reader sees it: `mode dropping`."""
        return words(self.state)

    def sentence(self) -> str:
        """`mode dropping since 12 kimg: coverage fell …; ADVICE`, the advice where there is one."""
        advice = f"; what usually helps: {self.advice}" if self.advice else ""
        return f"{self.words} since {self.since_kimg:g} kimg: {self.reason}{advice}"

    def status(self) -> dict[str, Any]:
        """Plain values, for status.json and checkpoints."""
        return asdict(self)
