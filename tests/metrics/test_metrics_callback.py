"""The evaluation in a real Trainer: when it measures, what it leaves alone, what it remembers."""

import copy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import pytorch_lightning as pl
import torch
from hydra.utils import instantiate
from omegaconf import OmegaConf
from pytorch_lightning.loggers.logger import DummyLogger
from torch import Tensor, nn

from seesaw.data.images import ImageSet
from seesaw.data.sources import digits
from seesaw.metrics.callback import Evaluate, NoMetrics
from seesaw.metrics.drift import COUNT
from seesaw.metrics.estimate import TRIED
from seesaw.metrics.extractors import ClassifierExtractor
from seesaw.metrics.inception import INCEPTION_FILE, InceptionExtractor
from seesaw.types import UserError

CONF = Path(__file__).parents[2] / "conf" / "metrics"


class Reals(pl.LightningDataModule):
    def __init__(self, batch_size: int = 32) -> None:
        super().__init__()
        self.reals: ImageSet = digits(16)
        self.batch_size = batch_size

    def train_dataloader(self) -> Any:
        return torch.utils.data.DataLoader(list(self.reals.images), batch_size=self.batch_size)


class Toy(pl.LightningModule):
    """A stand-in for the GAN: its samples are reals under noise that falls with the images shown."""

    def __init__(self, reals: ImageSet) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.reals, self.net = reals, nn.Dropout(0.5)
        self.weight = nn.Parameter(torch.zeros(1))
        self.images_shown = 0
        self.asked: list[tuple[int, int, bool]] = []
        self.told: list[float] = []
        self.others = 0
        self.known: dict[str, float] = {}

    def training_step(self, batch: Tensor, batch_idx: int) -> None:
        self.images_shown += len(batch)
        self.optimizers().step()  # type: ignore[union-attr]

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=0.1)

    def sample(
        self, n: int, seed: int, ema: bool = True, batch_size: int = 256, turn: Any = (0, 1)
    ) -> Iterator[Tensor]:
        if n not in (COUNT, TRIED):  # the drift's own images, and those that the estimate tries
            self.asked.append((self.images_shown, n, ema))
        draw = torch.Generator().manual_seed(seed)
        level = 100_000 / (self.images_shown + 1) * (1 if ema else 2)
        for part in self.reals.images[:n].split(batch_size):
            yield (part + level * torch.randn(part.shape, generator=draw)).round().clamp(0, 255).to(torch.uint8)

    def on_distance(self, value: float) -> None:
        self.told.append(value)

    def on_other_distance(self) -> None:
        self.others += 1

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        checkpoint["shown"] = self.images_shown

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        self.images_shown = checkpoint["shown"]


class Kept(DummyLogger):
    def __init__(self) -> None:
        super().__init__()
        self.rows: list[tuple[int, dict[str, float]]] = []

    def log_metrics(self, metrics: dict[str, float], step: int | None = None) -> None:  # type: ignore[override]
        assert step is not None
        self.rows.append((step, metrics))


def evaluation(cache: Path, **options: Any) -> Evaluate:
    return Evaluate(ClassifierExtractor("digits"), **{"evaluate_kimg": 0.2, "n": 64, "cache_dir": str(cache)} | options)


def fit(
    callback: pl.Callback, batches: int = 20, batch_size: int = 32, ckpt: Path | None = None
) -> tuple[Toy, Kept, pl.Trainer]:
    data, kept = Reals(batch_size), Kept()
    toy = Toy(data.reals)
    trainer = pl.Trainer(
        accelerator="cpu",
        max_steps=batches,
        callbacks=[callback],
        logger=kept,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    callback.end = batches * batch_size  # what kimg says in a run
    trainer.fit(toy, datamodule=data, ckpt_path=ckpt)
    return toy, kept, trainer


@pytest.mark.parametrize(
    ("batch_size", "batches", "expected"),
    [
        (32, 20, [224, 416, 608, 640]),  # the first batch past each 200, and the end
        (100, 6, [200, 400, 600]),  # the end has just been measured
        (450, 2, [450, 900]),  # several multiples in one batch are one measurement
        (10, 3, [30]),  # shorter than the interval
    ],
)
def test_when_it_measures(tmp_path: Path, batch_size: int, batches: int, expected: list[int]) -> None:
    callback = evaluation(tmp_path)
    toy, kept, _ = fit(callback, batches, batch_size)
    promised = callback.evaluations_after(0)
    assert promised == len(expected) or batch_size > callback.every  # a batch may pass several multiples at once
    assert toy.asked == [(at, 64, True) for at in expected]
    assert [step for step, _ in kept.rows] == expected
    assert toy.told == [row["frechet_digits"] for _, row in kept.rows]
    assert callback.last == kept.rows[-1][1]
    drift = {"drift"} if len(expected) > 1 else set()  # there is none before the second evaluation
    assert set(callback.last) == {"frechet_digits", "kernel_digits", "modes_digits", "confident_digits"} | drift


def test_what_measuring_will_cost_is_told_before_it_starts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    fit(evaluation(tmp_path), batches=20)
    assert "metrics: about" not in capsys.readouterr().out  # less than ten seconds are not worth a line
    monkeypatch.setattr("seesaw.metrics.callback.WORTH_SAYING", 0.0)
    fit(evaluation(tmp_path, raw=True), batches=20)
    told = [line for line in capsys.readouterr().out.splitlines() if line.startswith("metrics: about")]
    assert len(told) == 1
    assert "for an evaluation of 64 samples" in told[0]
    assert "for the run's 8" in told[0]  # four times, the average and the raw


def test_the_best_and_when_it_was(tmp_path: Path) -> None:
    callback = evaluation(tmp_path)
    toy, _, trainer = fit(callback)
    assert toy.told == sorted(toy.told, reverse=True)
    assert callback.best == (toy.told[-1], 0.64)
    assert callback.last_improved
    toy.images_shown = 100  # much noise
    callback.evaluate(trainer, toy)
    assert not callback.last_improved
    assert callback.best == (toy.told[-2], 0.64)


def test_the_raw_generator_beside(tmp_path: Path) -> None:
    callback = evaluation(tmp_path, raw=True)
    toy, _, _ = fit(callback, batches=3)
    assert toy.asked == [(96, 64, True), (96, 64, False)]
    assert callback.last["frechet_digits_raw"] > callback.last["frechet_digits"]
    assert toy.told == [callback.last["frechet_digits"]]


def test_it_leaves_training_alone(tmp_path: Path) -> None:
    callback = evaluation(tmp_path)
    toy, _, trainer = fit(callback, batches=1)
    toy.train()
    modes = [m.training for m in toy.modules()]
    states = torch.get_rng_state()
    weights = copy.deepcopy(toy.state_dict())
    callback.on_fit_start(trainer, toy)
    callback.evaluate(trainer, toy)
    assert torch.equal(states, torch.get_rng_state())
    assert [m.training for m in toy.modules()] == modes
    assert toy.state_dict().keys() == weights.keys()  # the extractor is no part of the module
    assert not callback.evaluator.extractor.network.training  # type: ignore[attr-defined]


def test_a_resume_keeps_the_best_and_the_rhythm(tmp_path: Path) -> None:
    whole = evaluation(tmp_path)
    unbroken, _, _ = fit(whole, batches=20)

    class Stops(pl.Callback):
        def on_train_batch_end(self, trainer: pl.Trainer, *args: Any) -> None:
            if trainer.global_step == 10:
                trainer.save_checkpoint(tmp_path / "last.ckpt")

    first = evaluation(tmp_path)
    data = Reals()
    trainer = pl.Trainer(
        accelerator="cpu",
        max_steps=10,
        callbacks=[first, Stops()],
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    trainer.fit(Toy(data.reals), datamodule=data)
    saved = torch.load(tmp_path / "last.ckpt", weights_only=True)["callbacks"]["Evaluate"]
    assert saved["evaluated_at"] == 224
    second = evaluation(tmp_path)
    second.load_state_dict(saved)
    assert second.state_dict() == saved
    again, _, _ = fit(second, batches=20, ckpt=tmp_path / "last.ckpt")
    assert [at for at, _, _ in again.asked] == [416, 608, 640]
    assert again.told == unbroken.told[1:]
    assert second.best == whole.best


def test_missing_weights_are_told_before_training(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    monkeypatch.setattr(
        torch.hub, "download_url_to_file", lambda *args, **kwargs: (_ for _ in ()).throw(OSError("off"))
    )
    monkeypatch.setattr(Toy, "training_step", lambda *args: pytest.fail("training started"))
    with pytest.raises(UserError, match=INCEPTION_FILE):
        fit(Evaluate(InceptionExtractor(), 1, cache_dir=str(tmp_path)))


def test_no_metrics(tmp_path: Path) -> None:
    callback = NoMetrics()
    toy, kept, _ = fit(callback, batches=2)
    assert (toy.asked, kept.rows, callback.last, callback.best, callback.last_improved) == ([], [], {}, None, False)


def test_interval_out_of_range(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="evaluate_kimg must be above 0, not 0"):
        evaluation(tmp_path, evaluate_kimg=0)


@pytest.mark.parametrize("name", sorted(path.stem for path in CONF.glob("*.yaml")))
def test_every_option_of_the_group_builds(name: str) -> None:
    top = {"metrics": OmegaConf.load(CONF / f"{name}.yaml"), "cache_dir": "there", "evaluate_kimg": 3, "kimg": 9}
    top["data"] = {"side": 5, "spacing": 2.0, "modes": 8, "radius": 1.0, "std": 0.1}  # of the sets of points
    callback = instantiate(OmegaConf.create(top).metrics, _convert_="all")
    if name == "none":
        assert isinstance(callback, NoMetrics)
        return
    assert callback.cache_dir == "there"
    assert callback.every == 3000
    named = {"fid": "fid", "efflite0": "kid_efflite0"} | {
        k: f"reverse_kl_{k}" for k in ("gaussians_ring", "gaussians_grid")
    }
    primary = named.get(name, f"frechet_{name}")
    assert callback.evaluator.primary == primary


@pytest.mark.parametrize("other", ["extractor", "n", "neither"])
def test_figures_of_other_metrics_are_forgotten_at_a_resume(
    tmp_path: Path, other: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """The best of one metric, or of one number of samples, says nothing about another's."""
    first = evaluation(tmp_path)
    fit(first, batches=14)
    saved = first.state_dict()
    assert saved["best"] is not None
    options = {"extractor": {}, "n": {"n": 32}, "neither": {}}[other]
    second = evaluation(tmp_path, **options)
    if other == "extractor":
        second.evaluator.extractor = ClassifierExtractor("fashion_mnist")
    second.load_state_dict(saved | {"best": [-1e9, 0.1]})  # no distance can beat it
    toy, _, _ = fit(second, batches=14)
    told = "best starts anew" in capsys.readouterr().out
    assert second.best is not None
    assert (told, toy.others, second.best[0] > 0) == ((False, 0, False) if other == "neither" else (True, 1, True))
    assert second.protocol == second.evaluator.protocol(toy.reals).label()
