"""Growing: before each batch the current stage is set on the modules; the training step itself is unaware of it."""

from collections.abc import Sequence
from typing import Any

from torch import nn
from torch.optim import Optimizer

from seesaw.functional.resolution import Resolution, scales_of
from seesaw.functional.staged import Staged as Staged
from seesaw.types import Stage

COARSEST = 4
"""Height and width of a square image at depth 0; others begin at their base grid."""


class FullGrown(nn.Module):
    """No growing: nothing changes."""

    last_change = 0
    """The images shown at which the last scale enters."""
    changes: Sequence[int] = ()
    """The images shown at which a scale enters: between two of them shapes and sizes of batches stay as they are."""

    def level(self, images_shown: int) -> int | None:
        """Height of the reals that are needed, their width in proportion; None: those of the set."""
        return None

    def batch_size(self, images_shown: int, batch_size: int) -> int:
        """Images of a batch, at most `batch_size`."""
        return batch_size

    def advance(self, images_shown: int, modules: list[nn.Module], optimizers: list[Optimizer]) -> None:
        """Set the stage for the coming batch."""


class Growing(FullGrown):
    """Stages by images shown: `stabilise` images at depth 0, then per depth `fade` images of blending and `stabilise` more.

    Karras et al. 2018 (ProGAN), appendix A. Adam's state is cleared at the start and at the end of every fade, as in their
    code. Where the growth stands is saved, so a resumed run neither clears it once more nor misses a change.

    Args:
        fade: images over which a new scale is blended in, at least 1.
        stabilise: images between two fades, at least 0.
        resolution: of the last scale, from 4 on, see `seesaw.functional.resolution`.
        first: resolution of the first stage, which of other shapes than squares is the longer side: one of those that the run
            grows through. Where weights from a smaller resolution (`init_from`) go on growing; the paper begins at the coarsest,
            4. None: the coarsest.
        batch_sizes: resolution, which is the longer side of other shapes than squares -> images of a batch; a resolution that is
            missing has the next smaller one's. None: always the run's batch_size, which is the upper limit in any case.
    """

    def __init__(
        self,
        fade: int,
        stabilise: int,
        resolution: Resolution,
        batch_sizes: dict[int, int] | None = None,
        first: int | None = None,
    ) -> None:
        super().__init__()
        if fade < 1 or stabilise < 0:
            raise ValueError(f"fade is {fade} and stabilise {stabilise}; fade >= 1 and stabilise >= 0 must hold")
        self.scales = scales_of(resolution, COARSEST, doublings=0)
        deepest = self.scales.doublings
        sides = [max(self.scales.at(depth)) for depth in range(deepest + 1)]
        if first is not None and first not in sides:
            raise ValueError(f"first must be null or one of {', '.join(map(str, sides))}, not {first}")
        begin = 0 if first is None else sides.index(first)
        if batch_sizes is not None and (
            not batch_sizes or min(batch_sizes) > COARSEST or min(batch_sizes.values()) < 1
        ):
            raise ValueError(
                f"batch_sizes must give {COARSEST} px a size, and all sizes must be at least 1, not {batch_sizes}"
            )
        self.fade, self.stabilise, self.deepest, self.batch_sizes = fade, stabilise, deepest, batch_sizes
        self.begin = begin
        self.changes = [stabilise + grown * (fade + stabilise) for grown in range(deepest - begin)]
        self.last_change = self.changes[-1] if self.changes else 0
        self.at = (begin, False)  # depth, and whether it is being faded in

    def stage(self, images_shown: int) -> Stage:
        if images_shown < self.stabilise:
            return Stage(self.begin, 1.0)
        grown, into = divmod(images_shown - self.stabilise, self.fade + self.stabilise)
        if self.begin + grown >= self.deepest:
            return Stage(self.deepest, 1.0)
        return Stage(self.begin + grown + 1, min(into / self.fade, 1.0))

    def level(self, images_shown: int) -> int:
        return self.scales.at(self.stage(images_shown).depth).height

    def batch_size(self, images_shown: int, batch_size: int) -> int:
        if self.batch_sizes is None:
            return batch_size
        level = max(COARSEST, *self.scales.at(self.stage(images_shown).depth))
        return min(batch_size, self.batch_sizes[max(r for r in self.batch_sizes if r <= level)])

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
