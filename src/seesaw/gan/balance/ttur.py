"""Separate learning rates."""

import math

from seesaw.gan.parts import LrScale


class TTUR(LrScale):
    """Two time-scale update rule: separate learning rates, one step each (Heusel et al. 2017).

    Multiplies the model's own learning rates. The default turns 2e-4 into SAGAN's G 1e-4 and D 4e-4 (Zhang et al. 2019).
    """

    def __init__(self, G: float = 0.5, D: float = 2.0) -> None:
        super().__init__()
        for player, factor in (("G", G), ("D", D)):
            if not 0 < factor < math.inf:
                raise ValueError(f"{player} is {factor}; it must be above 0")
        self.factors = {"G": G, "D": D}

    def scale(self, player: str) -> float:
        return self.factors[player]
