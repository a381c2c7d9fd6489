"""Growing: the stage is set on the modules before a batch; the step never hears of it."""

import math
from typing import Any

from torch import nn
from torch.optim import Optimizer

from seesaw.functional.staged import Staged as Staged
from seesaw.types import Stage

COARSEST = 4
"""Height and width of the images at depth 0."""


class FullGrown(nn.Module):
    """No growing: nothing changes."""

    last_change = 0
    """The images shown at which the last scale enters."""

    def advance(self, images_shown: int, modules: list[nn.Module], optimizers: list[Optimizer]) -> None:
        """Set the stage for the coming batch."""


class Growing(FullGrown):
    """Stages by images shown: `hold` images at depth 0, then per depth `fade` images of blending and `hold` of settling.

    Karras et al. 2018 (ProGAN), appendix A. Adam's state is cleared at the start and at the end of every fade, as in their
    code. Where the growth stands is saved, so a resumed run neither clears it once more nor misses a change.

    Args:
        fade, hold: images.
        resolution: of the last scale, 4 or a larger power of two.
    """

    def __init__(self, fade: int, hold: int, resolution: int) -> None:
        super().__init__()
        deepest = int(math.log2(max(resolution, 1) / COARSEST))
        if fade < 1 or hold < 0:
            raise ValueError(f"fade {fade}, hold {hold}; fade >= 1 and hold >= 0 must hold")
        if deepest < 0 or resolution != COARSEST * 2**deepest:
            raise ValueError(f"resolution must be a power of two, at least {COARSEST}, not {resolution}")
        self.fade, self.hold, self.deepest = fade, hold, deepest
        self.last_change = hold + (deepest - 1) * (fade + hold) if deepest else 0
        self.at = (0, False)  # depth, and whether it is being faded in

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
        at = (stage.depth, stage.alpha < 1)
        if at != self.at:
            for optimizer in optimizers:
                optimizer.state.clear()
        self.at = at

    def get_extra_state(self) -> dict[str, Any]:
        return {"at": list(self.at)}

    def set_extra_state(self, state: dict[str, Any]) -> None:
        self.at = (state["at"][0], state["at"][1])


class StageResolution:
    """The resolution of the reals by images shown, for `data.level`: a growing model reads no finer scale than it uses."""

    def __init__(self, growth: Growing) -> None:
        self.growth = growth

    def __call__(self, images_shown: int) -> int:
        return COARSEST * 2 ** self.growth.stage(images_shown).depth


class StageBatchSize:
    """The batch size by images shown, for `data.batch_size`.

    Args:
        growth: tells the scale.
        sizes: resolution -> images of a batch; a resolution that is missing takes the next smaller one's.
        most: no batch is larger.
    """

    def __init__(self, growth: Growing, sizes: dict[int, int], most: int) -> None:
        if not sizes or min(sizes) > COARSEST or min(sizes.values()) < 1 or most < 1:
            raise ValueError(
                f"sizes must give at least {COARSEST} px a size, all of them and most at least 1, not {sizes}, {most}"
            )
        self.resolution, self.sizes, self.most = StageResolution(growth), sizes, most

    def __call__(self, images_shown: int) -> int:
        resolution = self.resolution(images_shown)
        return min(self.most, self.sizes[max(r for r in self.sizes if r <= resolution)])
