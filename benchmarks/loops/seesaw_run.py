"""A real run of seesaw whose steps another process asks for: command line, trainer, statistics, offline W&B, all of it."""

import contextlib
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from pytorch_lightning import Callback, Trainer
from torch import Tensor, nn

from seesaw.cli.train import main
from seesaw.functional import penalties
from seesaw.gan.dynamics import Dynamics
from seesaw.gan.module import GAN
from seesaw.gan.phases import Phase
from seesaw.gan.step import Game
from seesaw.training import run as train


def start(overrides: list[str], callback: Callback, folder: Path) -> None:
    """Run `seesaw train` with these overrides in `folder`, the callback after all of its own. Returns when the run has ended."""
    make = train.make_trainer

    def with_callback(*args: Any, **options: Any) -> Trainer:
        trainer = make(*args, **options)
        trainer.callbacks.append(callback)
        return trainer

    never = [f"{name}_kimg=2000" for name in ("evaluate", "checkpoint", "sample")]
    train.make_trainer = with_callback
    os.environ.update(WANDB_MODE="offline", WANDB_SILENT="true", SEESAW_CACHE=str(folder / "cache"))
    os.chdir(folder)
    code = main([*overrides, "trainer=cpu", "metrics=none", "kimg=2000", *never])
    if code:
        raise SystemExit(f"the run ended with exit code {code}")


class Gate(Callback):
    """Holds training before each batch until `wait` returns how many more to run; calls `done` when they are over."""

    def __init__(self, wait: Callable[[], int], done: Callable[[], None]) -> None:
        self.wait, self.done, self.left, self.began = wait, done, 0, False

    def on_train_batch_start(self, trainer: Trainer, pl_module: Any, batch: Any, batch_idx: int) -> None:
        if self.left == 0:
            if self.began:
                self.done()
            self.left, self.began = self.wait(), True
            if self.left == 0:
                trainer.should_stop = True
                self.left = 1  # Lightning plays this one batch more
        self.left -= 1


class Measure(Dynamics):
    """In the place of the run's dynamics: hands each phase's gradients on, and steps nobody."""

    def __init__(self, keep: Callable[[str, list[Tensor | None]], None]) -> None:
        super().__init__()
        self.keep = keep

    def forward(self, game: Game, due: Sequence[Phase]) -> None:
        for phase in due:
            gradients = game.gradients(phase)
            if gradients is not None:
                self.keep(phase.player, gradients)


class FirstGradients(Callback):
    """The gradients of both players at the initial weights, and what they were taken on. No optimiser makes a step.

    Args:
        batches: how many batches come before (a growing model needs some to reach its last scale).
    """

    def __init__(self, batches: int = 0) -> None:
        self.batches = batches
        self.latents: dict[str, Tensor] = {}
        self.gradients: dict[str, list[Tensor | None]] = {}
        self.weights: dict[str, list[Tensor]] = {}
        self.mix: Tensor | None = None

    def on_train_start(self, trainer: Trainer, pl_module: Any) -> None:
        module: GAN = pl_module
        self.weights = {p: [w.detach().clone() for w in getattr(module, p).parameters()] for p in "GD"}
        module.G.register_forward_pre_hook(self._see_latents)
        module.dynamics = Measure(self._keep)

    def _see_latents(self, G: nn.Module, args: tuple[Tensor, ...]) -> None:
        self.latents["now"] = args[0].detach().clone()

    def _keep(self, player: str, gradients: list[Tensor | None]) -> None:
        self.latents[player] = self.latents["now"]
        self.gradients[player] = [None if g is None else g.detach().clone() for g in gradients]

    def on_train_batch_start(self, trainer: Trainer, pl_module: Any, batch: Any, batch_idx: int) -> None:
        self.real = batch.real.clone()

    def on_train_batch_end(self, trainer: Trainer, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        if batch_idx >= self.batches:
            trainer.should_stop = True

    @contextlib.contextmanager
    def watching_mix(self) -> Iterator[None]:
        """Also keep the places between reals and fakes at which a gradient penalty is taken."""
        interpolated = penalties.interpolated

        def kept(real: list[Tensor], fake: list[Tensor], mix: Tensor) -> list[Tensor]:
            self.mix = mix.clone()
            return interpolated(real, fake, mix)

        penalties.interpolated = kept
        try:
            yield
        finally:
            penalties.interpolated = interpolated


def first_gradients(overrides: list[str], folder: Path, batches: int = 0) -> FirstGradients:
    """What a real run with these overrides computes in its first steps."""
    found = FirstGradients(batches)
    former = train.make_trainer, os.getcwd()
    try:
        with found.watching_mix(), torch.random.fork_rng():
            start([*overrides, "logger=none"], found, folder)
    finally:
        train.make_trainer = former[0]
        os.chdir(former[1])
    return found
