"""Faults that are planted in runs of studies/monitor_corpus.py: Lightning callbacks, given by `packages=[monitor_faults]`.

Each knows nothing of the figures that the monitor reads, and draws from generators of its own.
"""

from collections.abc import Iterator, Sequence
from typing import Any, Literal

import pytorch_lightning as pl
import torch
from torch import Tensor, nn

from seesaw.training.callbacks.base import BatchCallback
from seesaw.util import key


class Fault(BatchCallback):
    """Begins once `start` of the run's images are shown.

    Args:
        start: share of the run, in [0, 1).
        kimg: length of the run.
    """

    def __init__(self, start: float, kimg: float) -> None:
        self.images = start * kimg * 1000

    def begun(self, module: Any) -> bool:
        return bool(module.images_shown >= self.images)


class Repeats(Fault):
    """G's samples become few reals, again and again: `k` of them, or those of some modes, with noise.

    Args:
        k: how many different reals; 0: all.
        modes: labels that are left; null: all.
        noise: standard deviation, as a share of that of the reals: no two samples are equal.
    """

    def __init__(
        self, start: float, kimg: float, k: int = 0, modes: Sequence[int] | None = None, noise: float = 0.01
    ) -> None:
        super().__init__(start, kimg)
        self.k, self.modes, self.noise = k, modes, noise

    def on_train_start(self, trainer: pl.Trainer, pl_module: Any) -> None:
        reals = trainer.datamodule.reals  # type: ignore[attr-defined]
        rows = torch.arange(len(reals))
        if self.modes is not None:
            rows = rows[torch.isin(reals.labels(rows), torch.tensor(self.modes))]
        rows = rows[torch.randperm(len(rows), generator=torch.Generator().manual_seed(1))][: self.k or None]
        self.kept = reals.level(reals.shape[-2]).gather(rows).cpu()
        usual = pl_module.sample_pyramids

        def sample_pyramids(n: int, seed: int, *args: Any, **options: Any) -> Iterator[list[Tensor]]:
            first = 0
            for pyramid in usual(n, seed, *args, **options):
                if self.begun(pl_module):
                    pyramid = [*pyramid[:-1], self.repeated(len(pyramid[-1]), (seed, pl_module.images_shown, first))]
                first += len(pyramid[-1])
                yield pyramid

        pl_module.sample_pyramids = sample_pyramids

    def repeated(self, n: int, draw: tuple[int, int, int]) -> Tensor:
        """n of the kept reals, each with noise of its own."""
        generator = torch.Generator().manual_seed(key("repeats", *draw))
        chosen = self.kept[torch.randint(len(self.kept), (n,), generator=generator)]
        level = self.noise * self.kept.float().std()
        noisy = chosen.float() + level * torch.randn(chosen.shape, generator=generator)
        return noisy.round().clamp(0, 255).to(torch.uint8) if chosen.dtype == torch.uint8 else noisy


class Pinned(Fault):
    """Weights of a player stay as they were when the fault began, or one layer's are zero, whatever the optimiser does.

    Args:
        player: whose.
        dead: of the layer in the middle the weights are zero; else all weights stay.
    """

    def __init__(self, start: float, kimg: float, player: Literal["G", "D"] = "D", dead: bool = False) -> None:
        super().__init__(start, kimg)
        self.player, self.dead = player, dead
        self.kept: list[Tensor] = []

    def on_train_start(self, trainer: pl.Trainer, pl_module: Any) -> None:
        if self.begun(pl_module):
            self.hold(pl_module)

    def on_train_batch_end(self, trainer: pl.Trainer, pl_module: Any, *args: Any) -> None:
        if self.begun(pl_module):
            self.hold(pl_module)

    @torch.no_grad()
    def hold(self, module: Any) -> None:
        net: nn.Module = getattr(module, self.player)
        if self.dead:
            layers = [layer for layer in net.modules() if isinstance(getattr(layer, "weight", None), Tensor)]
            layers = [layer for layer in layers if layer.weight.ndim > 1]  # type: ignore[operator, union-attr]
            for weights in layers[len(layers) // 2].parameters(recurse=False):
                weights.zero_()
            return
        weights = list(net.parameters())
        self.kept = self.kept or [w.clone() for w in weights]
        for w, before in zip(weights, self.kept, strict=True):
            w.copy_(before)


class Faster(Fault):
    """Learning rates are multiplied.

    Args:
        g, d: factors on those of G and of D.
    """

    def __init__(self, start: float, kimg: float, g: float = 1.0, d: float = 1.0) -> None:
        super().__init__(start, kimg)
        self.factors, self.done = {"G": g, "D": d}, False

    def on_train_start(self, trainer: pl.Trainer, pl_module: Any) -> None:
        self.on_train_batch_end(trainer, pl_module)

    def on_train_batch_end(self, trainer: pl.Trainer, pl_module: Any, *args: Any) -> None:
        if self.begun(pl_module) and not self.done:
            self.done = True
            for player, factor in self.factors.items():
                pl_module.rates.base[player] *= factor
