"""torch.compile, where it pays and works."""

from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from seesaw.gan.phases import Phase


class Players:
    """The callables that a phase runs: G and D, or the same weights compiled.

    Compiled code has no double backward, so a phase with a second-order term runs the modules themselves (G is compiled there
    too where D plays: nothing differentiates it twice). On a CPU nothing is compiled: measured, it gains nothing there. What
    torch.compile gives is kept here, outside the module's own children, or its prefix would enter the checkpoint. A growing
    model is compiled anew at each stage, and stays as it is once torch's limit of recompilations is reached.

    Args:
        G, D: the players.
        wanted: whether anything is compiled at all.
    """

    def __init__(self, G: nn.Module, D: nn.Module, wanted: bool) -> None:
        self.nets, self.wanted = {"G": G, "D": D}, wanted
        self.compiled: dict[str, Callable[..., Any]] = {}

    def of(self, player: str, phase: Phase) -> Callable[..., Any]:
        """What stands for G or D in this phase."""
        net = self.nets[player]
        twice = phase.second_order and not (player == "G" and phase.player == "D")
        if not self.wanted or twice or not on_gpu(net):
            return net
        if player not in self.compiled:
            self.compiled[player] = torch.compile(net)
        return self.compiled[player]


def on_gpu(net: nn.Module) -> bool:
    """Whether the net's weights lie on a device other than the CPU."""
    return any(p.device.type != "cpu" for p in net.parameters())
