"""The networks as a phase runs them: the modules, or the same weights compiled; convolutions ready for a second derivative."""

from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from seesaw.functional.convolution import SecondOrderLayer
from seesaw.gan.phases import Phase


class CompiledNetworks:
    """The callables that a phase runs: G and D, or the same weights compiled.

    Compiled code has no double backward, so a phase with a second-order term runs the modules themselves (G is compiled there
    too where D plays: nothing differentiates it twice). On a CPU nothing is compiled: measured, it gains nothing there. What
    torch.compile gives is kept here, outside the module's own children, or its prefix would enter the checkpoint. A growing
    model is compiled anew at each stage, and stays as it is once torch's limit of recompilations is reached.

    Args:
        G: the generator.
        D: the discriminator.
        compile: whether anything is compiled at all.
    """

    def __init__(self, G: nn.Module, D: nn.Module, compile: bool) -> None:
        self.modules, self.compile = {"G": G, "D": D}, compile
        self.convolutions = {
            player: [m for m in net.modules() if isinstance(m, SecondOrderLayer)]
            for player, net in self.modules.items()
        }
        self.compiled: dict[str, Callable[..., Any]] = {}

    def of(self, player: str, phase: Phase, keep_graph: bool = False) -> Callable[..., Any]:
        """What stands for G or D in this phase.

        Args:
            player: "G" or "D".
            phase: whose terms are computed.
            keep_graph: a dynamics differentiates the phase's gradients once more.
        """
        net = self.modules[player]
        twice = keep_graph or (phase.second_order and not (player == "G" and phase.player == "D"))
        eager = not self.compile or twice or not on_gpu(net)
        self.expect_second_order(player, keep_graph or (phase.second_order and eager))
        if eager:
            return net
        if player not in self.compiled:
            self.compiled[player] = torch.compile(net)
        return self.compiled[player]

    def expect_second_order(self, player: str, wanted: bool) -> None:
        """Set whether the network's convolutions prepare for a second derivative."""
        for layer in self.convolutions[player]:
            layer.second_order = wanted


def on_gpu(net: nn.Module) -> bool:
    """Whether the net's weights lie on a device other than the CPU."""
    return any(p.device.type != "cpu" for p in net.parameters())
