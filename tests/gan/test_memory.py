"""The memory check of a growing model: it runs the last scale and leaves no trace."""

from functools import cache
from typing import Any

import pytest
import pytorch_lightning as pl
import torch
from torch.utils.data import DataLoader
from toys import REALS, Stream, assert_equal_states, fit, rows, task

from seesaw.errors import UserError
from seesaw.gan.balance import SkipD
from seesaw.gan.memory import check_memory


class Checking(pl.Callback):
    """Checks the memory of the last scale before the first batch."""

    def on_train_start(self, trainer: pl.Trainer, pl_module: Any) -> None:
        check_memory(pl_module, 8, (1, 8, 8))


def train(checked: bool, cut: bool, tmp_path: Any) -> torch.Tensor:
    """The weights after 20 batches, with a check at each start."""
    torch.use_deterministic_algorithms(True)

    def part(start: int, batches: int, ckpt: str | None) -> Any:
        gan = task("growing")
        trainer = pl.Trainer(
            accelerator="cpu", max_epochs=-1, max_steps=2 * (start // 8 + batches), logger=False, enable_checkpointing=False,
            enable_progress_bar=False, enable_model_summary=False, callbacks=[Checking()] if checked else [],
        )  # fmt: skip
        trainer.fit(gan, DataLoader(Stream(start, batches, 8, REALS), batch_size=None), ckpt_path=ckpt)
        return gan, trainer

    if cut:
        _, trainer = part(0, 6, None)
        trainer.save_checkpoint(tmp_path / "cut.ckpt")
        gan, _ = part(48, 14, str(tmp_path / "cut.ckpt"))
    else:
        gan, _ = part(0, 20, None)
    return torch.cat([value.flatten().double() for value in gan.state_dict().values() if torch.is_tensor(value)])


@cache
def unchecked() -> torch.Tensor:
    """The weights after 20 batches without a check."""
    return train(False, False, None)


@pytest.mark.parametrize("cut", [False, True])
def test_a_check_changes_nothing(cut: bool, tmp_path: Any) -> None:
    """Neither at the start of a run nor at a resumption in mid-fade: weights, averages and Adam go on as without it."""
    assert torch.equal(train(True, cut, tmp_path), unchecked())


def test_the_last_scale_is_run_and_too_little_memory_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []
    gan = task("growing")
    forward = gan.G.forward

    def small(z: torch.Tensor, y: Any = None) -> Any:
        fake = forward(z, y)
        seen.append(fake.images[-1].shape[-1])
        if fake.images[-1].shape[-1] == 8:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return fake

    monkeypatch.setattr(gan.G, "forward", small)
    trainer = pl.Trainer(
        accelerator="cpu", max_steps=2, logger=False, enable_checkpointing=False, enable_progress_bar=False,
        enable_model_summary=False, callbacks=[Checking()],
    )  # fmt: skip
    with pytest.raises(
        UserError, match=r"the last scale \(8 px, 8 images a step\) does not fit into the memory of cpu"
    ):
        trainer.fit(gan, DataLoader(Stream(0, 2), batch_size=None))
    assert seen == [8]


def test_a_check_takes_the_memory_that_training_will(monkeypatch: pytest.MonkeyPatch) -> None:
    """Under autocast the activations are bfloat16 in both."""
    gan, seen = task("growing"), []
    forward = gan.D.forward

    def watched(images: Any, y: Any = None) -> Any:
        logits = forward(images, y)
        seen.append((images[-1].shape[-1], logits.dtype))
        return logits

    monkeypatch.setattr(gan.D, "forward", watched)
    trainer = pl.Trainer(
        accelerator="cpu", max_steps=2, logger=False, enable_checkpointing=False, enable_progress_bar=False,
        enable_model_summary=False, callbacks=[Checking()], precision="bf16-mixed",
    )  # fmt: skip
    trainer.fit(gan, DataLoader(Stream(0, 1), batch_size=None))
    assert {size for size, _ in seen} == {4, 8}  # the last scale is the check's
    assert {dtype for _, dtype in seen} == {torch.bfloat16}


@pytest.mark.parametrize("name", ["gated", "style", "augmented", "simultaneous", "labelled"])
def test_a_check_leaves_every_kind_of_state_alone(name: str) -> None:
    """Gates, means of lengths, augmentations, statistics, Adam: bit-equal to a run without it, and nothing of it is logged."""
    checked, unchecked = task(name), task(name)
    fit(checked, 9, callbacks=[Checking()])
    fit(unchecked, 9)
    assert_equal_states(unchecked, checked)
    assert checked.meter.updates == unchecked.meter.updates
    logged = [[(shown, {k: v for k, v in values.items() if "per_sec" not in k}) for shown, values in rows(gan)]
              for gan in (checked, unchecked)]  # fmt: skip
    assert logged[0] == logged[1]
    assert [shown for shown, _ in logged[0]] == [32, 64]
    states = [[o.state_dict() for o in gan.trainer.optimizers] for gan in (checked, unchecked)]
    for one, other in zip(*states, strict=True):
        assert one["param_groups"] == other["param_groups"]
        for key, values in one["state"].items():
            assert all(torch.equal(value, other["state"][key][what]) for what, value in values.items())


def test_every_phase_is_run_whatever_the_gates_decide(monkeypatch: pytest.MonkeyPatch) -> None:
    gate = SkipD(skip_above=0.0, resume_below=0.0, half_life=1e-6)
    gate.skipping = True
    gan, steps = task("style", balance={"skip_d": gate}), []

    class Counting(Checking):
        def on_train_start(self, trainer: pl.Trainer, pl_module: Any) -> None:
            for player, optimizer in zip("GD", trainer.optimizers, strict=True):
                optimizer.register_step_pre_hook(lambda *_, player=player: steps.append(player))
            super().on_train_start(trainer, pl_module)
            steps.append("end")

    fit(gan, 1, callbacks=[Counting()])
    assert steps[: steps.index("end")] == ["G", "G", "D", "D"]
