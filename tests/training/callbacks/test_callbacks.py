"""What Lightning asks of callbacks in a step."""

from pathlib import Path
from typing import Any

import pytest
import pytorch_lightning as pl
from pytorch_lightning.profilers import SimpleProfiler
from tiny_run import TINY
from torch.utils.data import DataLoader
from toys import EndAfter, Stream, task

from seesaw.cli.train import main
from seesaw.training import run as train
from seesaw.training.callbacks.base import BatchCallback

WITHIN = ("on_train_batch_start", "on_before_backward", "on_after_backward", "on_before_optimizer_step")


class Between(BatchCallback):
    """Acts between batches alone."""

    batches = 0

    def on_train_batch_end(self, *args: Any) -> None:
        self.batches += 1


class Within(BatchCallback):
    """Wants to be asked in a step all the same."""

    steps = 0

    def on_before_optimizer_step(self, *args: Any) -> None:
        self.steps += 1


def test_a_batch_callback_is_asked_in_a_step_only_if_it_wants_to_be() -> None:
    between, within, profiler = Between(), Within(), SimpleProfiler()
    trainer = pl.Trainer(
        accelerator="cpu", max_epochs=-1, logger=False, enable_checkpointing=False, enable_progress_bar=False,
        enable_model_summary=False, profiler=profiler, callbacks=[between, within, pl.Callback(), EndAfter(24)],
    )  # fmt: skip
    trainer.fit(task("plain"), DataLoader(Stream(0, 3), batch_size=None))
    asked = {name for name in profiler.recorded_durations if name.startswith("[Callback]")}
    assert {"[Callback]Callback.on_before_backward", "[Callback]Within.on_before_optimizer_step"} <= asked
    assert "[Callback]Between.on_train_batch_end" in asked
    for hook in WITHIN:
        assert f"[LightningModule]GAN.{hook}" not in profiler.recorded_durations
        assert f"[Callback]Between.{hook}" not in asked
    assert (between.batches, within.steps) == (3, 6)


def test_all_callbacks_of_a_run_act_between_batches(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """But for Lightning's own."""
    made: list[pl.Trainer] = []
    make = train.make_trainer
    monkeypatch.setattr(train, "make_trainer", lambda *args, **options: made.append(make(*args, **options)) or made[0])
    monkeypatch.chdir(tmp_path)
    assert main([*TINY]) == 0
    own = [callback for callback in made[0].callbacks if type(callback).__module__.startswith("seesaw")]
    assert len(own) >= 7
    assert all(isinstance(callback, BatchCallback) for callback in own)
