"""Several steps of one player for one of the other."""

from collections.abc import Mapping
from typing import Literal

from seesaw.gan.parts import Gate
from seesaw.gan.phases import Phase


class NCritic(Gate):
    """`n` steps of one player, then one of the other: WGAN's n_critic = 5 (Arjovsky et al. 2017, algorithm 1).

    A batch holds one phase of each player, so the slow one steps in the last of every `n` batches: with D more often, D's
    n-th step comes right before G's, as in the algorithm. Each step sees fresh reals and latents. Time is reals shown, so
    at equal kimg G takes an n-th of its steps; the papers and most codes count G's steps instead.

    Args:
        n: at least 1; 1 changes nothing.
        more: who steps in every batch. "G" is the reverse: n steps of G for one of D (PacGAN's code takes 2).
    """

    def __init__(self, n: int = 5, more: Literal["G", "D"] = "D") -> None:
        super().__init__()
        if n < 1:
            raise ValueError(f"n is {n}; it must be at least 1")
        if more not in ("G", "D"):
            raise ValueError(f"more must be G or D, not {more}")
        self.n, self.more, self.batches = n, more, 0

    def bind(self, phases: Mapping[str, Phase]) -> None:
        lazy = [name for name, phase in phases.items() if phase.player != self.more and phase.interval > 1]
        if lazy and self.n > 1:  # it would step only where both counts of batches meet, which may be never
            raise ValueError(
                f"n_critic lets {phases[lazy[0]].player} step in one of {self.n} batches, and phase {lazy[0]} is due in one of "
                f"{phases[lazy[0]].interval}; give that penalty interval=1, or balance.n_critic.more={phases[lazy[0]].player}"
            )

    def advance(self, batches: int, images_shown: int) -> None:
        self.batches = batches

    def is_active(self, phase: Phase) -> bool:
        return phase.player == self.more or self.batches % self.n == self.n - 1
