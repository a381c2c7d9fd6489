"""The base class of nets, views and other modules that grow; the stage is set from outside."""

from typing import Any

import torch
from torch import Tensor, nn

from seesaw.types import Stage


class Staged(nn.Module):
    """A module that grows. Its stage has three parts: `depth`, the number of scales beyond the coarsest; `alpha` in [0, 1], how
    far the newest scale is faded in; `fading`, whether the fade is under way. Without it the path of the coarser scale need
    not be computed.
    """

    def __init__(self) -> None:
        super().__init__()
        self.depth, self.fading = 0, False
        self.alpha: Tensor
        self.register_buffer("alpha", torch.ones(()))  # 0-d on the device: a fade compiles once

    def set_stage(self, stage: Stage) -> None:
        self.depth, self.fading = stage.depth, stage.alpha < 1
        self.alpha.fill_(stage.alpha)

    def get_extra_state(self) -> dict[str, Any]:
        return {"depth": self.depth, "fading": self.fading}

    def set_extra_state(self, state: dict[str, Any]) -> None:
        self.depth, self.fading = state["depth"], state["fading"]
