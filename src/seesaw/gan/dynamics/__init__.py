"""Dynamics: in which order, at which points and with which gradients the players move in a batch.

A dynamics owns the loop over the phases that are due, and reaches the players by four calls of `seesaw.gan.step.Game`: `loss`,
`gradients`, `update`, `weights`. A file of the group `dynamics` names one.
"""

from collections.abc import Sequence

from torch import nn

from seesaw.gan.phases import Phase
from seesaw.gan.step import Game


class Dynamics(nn.Module):
    """Called once a batch. State in buffers or extra state is saved with the model."""

    def forward(self, game: Game, due: Sequence[Phase]) -> None:
        """Run the phases that are due, in the order of the model."""
        raise TypeError(f"{type(self).__name__} moves nobody")  # Dynamics itself is abstract


class Alternating(Dynamics):
    """Each phase takes its gradients where the one before left the players, then steps: the usual GAN training, AltGD.

    On the bilinear game it stays on an ellipse around the equilibrium (Gidel et al. 2019, "Negative momentum for improved game
    dynamics").
    """

    def forward(self, game: Game, due: Sequence[Phase]) -> None:
        for phase in due:
            game.update(phase.player, game.gradients(phase))


class Simultaneous(Dynamics):
    """All phases take their gradients at the same point, then all step: SimGD, as game theory analyses GANs (Mescheder et al.
    2017, "The numerics of GANs", algorithm 1). On the bilinear game it spirals outwards.
    """

    def forward(self, game: Game, due: Sequence[Phase]) -> None:
        taken = [(phase.player, game.gradients(phase)) for phase in due]
        for player, gradients in taken:
            game.update(player, gradients)
