"""Growing: the stage is set on the modules before a batch; the step never hears of it."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from seesaw.types import Stage


class Staged(nn.Module):
    """A module that grows: `depth` says how many scales it has beyond the coarsest, `alpha` how far the newest is faded in."""

    def __init__(self) -> None:
        super().__init__()
        self.depth = 0
        self.alpha: Tensor
        self.register_buffer("alpha", torch.ones(()))  # 0-d on the device: a fade compiles once

    def set_stage(self, stage: Stage) -> None:
        self.depth = stage.depth
        self.alpha.fill_(stage.alpha)

    def get_extra_state(self) -> dict[str, Any]:
        return {"depth": self.depth}

    def set_extra_state(self, state: dict[str, Any]) -> None:
        self.depth = state["depth"]


class FullGrown(nn.Module):
    """No growing: nothing changes."""

    def advance(self, images_shown: int, modules: list[nn.Module], optimizers: list[Optimizer]) -> None:
        """Set the stage for the coming batch."""


class Growing(FullGrown):
    """Stages by images shown: `hold` images at depth 0, then per depth `fade` images of blending and `hold` of settling.

    Karras et al. 2018 (ProGAN), appendix A. Adam's state is cleared when the depth changes. The depth is saved, so a resumed
    run neither clears it once more nor misses a change.
    """

    def __init__(self, fade: int, hold: int, deepest: int) -> None:
        super().__init__()
        if fade < 1 or hold < 0 or deepest < 0:
            raise ValueError(
                f"fade {fade}, hold {hold}, deepest {deepest}; fade >= 1, hold >= 0 and deepest >= 0 must hold"
            )
        self.fade, self.hold, self.deepest = fade, hold, deepest
        self.depth = 0

    def stage(self, images_shown: int) -> Stage:
        if images_shown < self.hold:
            return Stage(0, 1.0)
        grown, into = divmod(images_shown - self.hold, self.fade + self.hold)
        if grown >= self.deepest:
            return Stage(self.deepest, 1.0)
        return Stage(grown + 1, min(into / self.fade, 1.0))

    def advance(self, images_shown: int, modules: list[nn.Module], optimizers: list[Optimizer]) -> None:
        stage = self.stage(images_shown)
        for module in modules:
            for part in module.modules():
                if isinstance(part, Staged):
                    part.set_stage(stage)
        if stage.depth != self.depth:
            for optimizer in optimizers:
                optimizer.state.clear()
        self.depth = stage.depth

    def get_extra_state(self) -> dict[str, Any]:
        return {"depth": self.depth}

    def set_extra_state(self, state: dict[str, Any]) -> None:
        self.depth = state["depth"]
