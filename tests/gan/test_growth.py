"""The schedule of a growing model, and what follows from it: batch sizes, resolutions, the rehearsal."""

from typing import Any

import pytest
import pytorch_lightning as pl
import torch
from torch.utils.data import DataLoader
from toys import REALS, Stream, fit, task

from seesaw.errors import UserError
from seesaw.gan.growth import Growing, StageBatchSize, StageResolution
from seesaw.gan.rehearsal import rehearse


@pytest.mark.parametrize(
    ("images", "depth", "alpha"),
    [
        (0, 0, 1.0), (599, 0, 1.0), (600, 1, 0.0), (900, 1, 0.5), (1200, 1, 1.0), (1799, 1, 1.0), (1800, 2, 0.0),
        (2399, 2, 599 / 600), (2400, 2, 1.0), (10**7, 2, 1.0),
    ],
)  # fmt: skip
def test_stages_of_the_published_schedule(images: int, depth: int, alpha: float) -> None:
    """600 stable, then per scale 600 fading and 600 stable; in images here, in kimg there."""
    growing = Growing(fade=600, hold=600, resolution=16)
    stage = growing.stage(images)
    assert stage.depth == depth
    assert stage.alpha == pytest.approx(alpha, abs=1e-12)
    assert growing.last_change == 1800


def test_batch_and_resolution_follow_the_stage() -> None:
    growing = Growing(fade=10, hold=10, resolution=32)
    sizes = StageBatchSize(growing, {4: 128, 32: 64}, most=100)
    assert [StageResolution(growing)(n) for n in (0, 9, 10, 30, 50, 999)] == [4, 4, 8, 16, 32, 32]
    assert [sizes(n) for n in (0, 10, 30, 50, 999)] == [100, 100, 100, 64, 64]


@pytest.mark.parametrize("sizes", [{}, {8: 16}, {4: 0}])
def test_sizes_that_leave_a_scale_without_batch_are_refused(sizes: dict[int, int]) -> None:
    with pytest.raises(ValueError, match="sizes must give at least 4 px a size"):
        StageBatchSize(Growing(1, 1, 8), sizes, 8)


@pytest.mark.parametrize("wrong", [{"resolution": 12}, {"resolution": 2}, {"fade": 0}, {"hold": -1}])
def test_a_growth_that_cannot_be_is_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(ValueError, match=r"resolution must be a power of two|fade >= 1"):
        Growing(**({"fade": 1, "hold": 1, "resolution": 8} | wrong))


class Rehearsing(pl.Callback):
    def on_train_start(self, trainer: pl.Trainer, pl_module: Any) -> None:
        rehearse(pl_module, 8, (1, 8, 8))


def train(rehearsed: bool, cut: bool, tmp_path: Any) -> torch.Tensor:
    """The weights after 20 batches, with a rehearsal at each start."""
    torch.use_deterministic_algorithms(True)

    def part(start: int, batches: int, ckpt: str | None) -> Any:
        gan = task("growing")
        trainer = pl.Trainer(
            accelerator="cpu", max_epochs=-1, max_steps=2 * (start // 8 + batches), logger=False, enable_checkpointing=False,
            enable_progress_bar=False, enable_model_summary=False, callbacks=[Rehearsing()] if rehearsed else [],
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


@pytest.mark.parametrize("cut", [False, True])
def test_a_rehearsal_changes_nothing(cut: bool, tmp_path: Any) -> None:
    """Neither at the start of a run nor at a resumption in mid-fade: weights, averages and Adam go on as without it."""
    plain = train(False, False, tmp_path)
    assert torch.equal(train(True, cut, tmp_path), plain)


def test_a_rehearsal_plays_the_last_scale_and_tells_of_memory(monkeypatch: pytest.MonkeyPatch) -> None:
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
        enable_model_summary=False, callbacks=[Rehearsing()],
    )  # fmt: skip
    with pytest.raises(
        UserError, match=r"the last scale \(8 px, 8 images a step\) does not fit into the memory of cpu"
    ):
        trainer.fit(gan, DataLoader(Stream(0, 2), batch_size=None))
    assert seen == [8]


def test_a_rehearsal_takes_the_memory_that_training_will(monkeypatch: pytest.MonkeyPatch) -> None:
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
        enable_model_summary=False, callbacks=[Rehearsing()], precision="bf16-mixed",
    )  # fmt: skip
    trainer.fit(gan, DataLoader(Stream(0, 1), batch_size=None))
    assert {size for size, _ in seen} == {4, 8}  # the last scale is the rehearsal's
    assert {dtype for _, dtype in seen} == {torch.bfloat16}


def test_adam_is_cleared_at_both_ends_of_a_fade() -> None:
    """Karras et al. 2018's code: at images 40 (the fade begins) and 104 (it ends)."""
    gan = task("growing")
    steps: dict[int, int] = {}
    end_batch = gan.end_batch

    def watched(images: int) -> None:
        (optimizer, _) = (o.optimizer for o in gan.optimizers())
        counts = {int(s["step"]) for s in optimizer.state.values()}
        steps[gan.images_shown] = max(counts)
        end_batch(images)

    gan.end_batch = watched  # type: ignore[method-assign]
    fit(gan, 16)
    assert [steps[n] for n in (0, 32, 40, 48, 96, 104, 112)] == [1, 5, 1, 2, 8, 1, 2]
