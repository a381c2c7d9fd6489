"""The evaluation in a real Trainer: when it measures, what it leaves alone, what it remembers."""

import copy
from pathlib import Path
from typing import Any

import pytest
import pytorch_lightning as pl
import torch
from hydra.utils import instantiate
from omegaconf import OmegaConf
from shipped import CONF, measures
from toy_runs import Reals, Toy, evaluation, fit

from seesaw.config.compose import option_node
from seesaw.data.images import ImageSet
from seesaw.data.sources.digits import digits
from seesaw.metrics.drift import COUNT
from seesaw.metrics.estimate import TRIED
from seesaw.metrics.extractors.base import ClassifierExtractor
from seesaw.metrics.extractors.inception import INCEPTION_FILE, InceptionExtractor
from seesaw.metrics.features import Features
from seesaw.metrics.frechet import Frechet
from seesaw.metrics.reference import Reference
from seesaw.training.callbacks.evaluate import NoMetrics
from seesaw.types import UserError


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
    assert toy.observed == [row["eval/frechet_digits"] for _, row in kept.rows]
    assert {f"eval/{name}": value for name, value in callback.last.items()} == kept.rows[-1][1]
    assert toy.latest_metrics == kept.rows[-1][1]
    drift = ["drift"] if len(expected) > 1 else []  # there is none before the second evaluation
    assert list(callback.last) == ["frechet_digits", "kernel_digits", "valid_modes_digits", "valid_digits", *drift]


def test_what_measuring_will_cost_is_printed_before_it_starts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("seesaw.training.callbacks.evaluate.WORTH_PRINTING", 1e9)  # of a machine of any speed
    fit(evaluation(tmp_path), batches=20)
    assert "metrics: about" not in capsys.readouterr().out
    monkeypatch.setattr("seesaw.training.callbacks.evaluate.WORTH_PRINTING", 0.0)
    fit(evaluation(tmp_path, raw=True), batches=20)
    (line,) = [line for line in capsys.readouterr().out.splitlines() if line.startswith("metrics: about")]
    assert "for an evaluation of 64 samples" in line
    assert "for the run's 8" in line  # four times, the average and the raw


def test_the_best_and_when_it_was(tmp_path: Path) -> None:
    callback = evaluation(tmp_path)
    toy, _, trainer = fit(callback)
    assert toy.observed == sorted(toy.observed, reverse=True)
    assert callback.best == (toy.observed[-1], 0.64)
    assert callback.last_improved
    toy.images_shown = 100  # much noise
    callback.evaluate(trainer, toy)
    assert not callback.last_improved
    assert callback.best == (toy.observed[-2], 0.64)


def test_the_raw_generator_beside(tmp_path: Path) -> None:
    callback = evaluation(tmp_path, raw=True)
    toy, _, _ = fit(callback, batches=3)
    assert toy.asked == [(96, 64, True), (96, 64, False)]
    assert callback.last["frechet_digits_raw"] > callback.last["frechet_digits"]
    assert toy.observed == [callback.last["frechet_digits"]]


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
    assert again.observed == unbroken.observed[1:]
    assert second.best == whole.best


def test_missing_weights_are_reported_before_training(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    monkeypatch.setattr(
        torch.hub, "download_url_to_file", lambda *args, **kwargs: (_ for _ in ()).throw(OSError("off"))
    )
    monkeypatch.setattr(Toy, "training_step", lambda *args: pytest.fail("training started"))
    with pytest.raises(UserError, match=INCEPTION_FILE):
        fit(evaluation(tmp_path, "fid", extractor=InceptionExtractor(), measures=measures("fid")))


def test_no_metrics(tmp_path: Path) -> None:
    callback = NoMetrics()
    toy, kept, _ = fit(callback, batches=2)
    assert (toy.asked, kept.rows, callback.last, callback.best, callback.last_improved) == ([], [], {}, None, False)


def test_a_primary_of_which_more_is_better(tmp_path: Path) -> None:
    """Samples come nearer to the reals: `best` is the largest, and schedules and searches, which minimise, see it negated."""

    class Near(Frechet):
        higher_is_better = True

        def __call__(self, reals: Reference, fakes: Features) -> float:
            return 1 / super().__call__(reals, fakes)

    callback = evaluation(tmp_path, "near", measures=measures("digits") | {"near": Near()})
    toy, kept, trainer = fit(callback)
    values = [row["eval/near"] for _, row in kept.rows]
    assert values == sorted(set(values))
    assert toy.observed == [-value for value in values]
    assert callback.best == (values[-1], 0.64)
    assert callback.badness(0.75) == -0.75
    toy.images_shown = 100  # much noise
    callback.evaluate(trainer, toy)
    assert not callback.last_improved
    assert callback.best == (values[-1], 0.64)


def test_anything_is_better_than_a_value_that_is_no_number(tmp_path: Path) -> None:
    callback = evaluation(tmp_path)
    for value, better in ((float("nan"), True), (float("nan"), True), (3.0, True), (float("nan"), False), (4.0, False)):
        assert callback.improves(value) == better
        if better:
            callback.best = (value, 0.0)


def test_the_status_names_primary_directions_and_panels(tmp_path: Path) -> None:
    callback = evaluation(tmp_path, raw=True)
    reals = digits(16)
    callback.check(reals)
    found = callback.status(reals)
    assert found["metric"] == "frechet_digits"
    assert found["protocol"] == callback.evaluator.protocol(reals).label()
    up, down = ("valid_modes_digits", "valid_digits"), ("frechet_digits", "kernel_digits")
    both = {name: name in up for name in (*down, *up)}
    assert found["higher_is_better"] == both | {f"{name}_raw": up for name, up in both.items()} | {"drift": False}
    assert found["panels"]["frechet_digits"] == {"title": "Fréchet distance", "scale": "log"}
    fit(callback, batches=14)
    assert set(callback.last) == set(found["higher_is_better"])
    assert NoMetrics().status(reals) == {"metric": "", "protocol": "", "higher_is_better": {}, "panels": {}}


def test_labels_have_the_frequencies_of_the_reals(tmp_path: Path) -> None:
    callback = evaluation(tmp_path, n=1000, raw=True)
    toy, _, _ = fit(callback, batches=1, classes=10)
    tried, drift, ema, raw = toy.labels
    assert [len(y) for y in (tried, ema, raw, drift)] == [TRIED, 1000, 1000, COUNT]  # type: ignore[arg-type]
    assert torch.equal(ema, raw)  # type: ignore[arg-type]
    assert toy.reals.y is not None
    shares = [torch.bincount(y, minlength=10) / len(y) for y in (ema, toy.reals.y)]  # type: ignore[arg-type]
    torch.testing.assert_close(*shares, rtol=0, atol=0.04)
    again, _, _ = fit(evaluation(tmp_path, n=1000), batches=1, classes=10)
    assert torch.equal(again.labels[2], ema)  # type: ignore[arg-type]
    assert fit(evaluation(tmp_path), batches=1)[0].labels == [None] * 3  # a model that takes none
    unlabelled = ImageSet(toy.reals.images, "plain")
    assert callback.labels(toy, unlabelled, 8) is None


def test_a_dry_run_downloads_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reals = digits(16)
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    monkeypatch.setattr(torch.hub, "download_url_to_file", lambda *args, **kwargs: pytest.fail("a download"))
    evaluation(tmp_path, "fid", extractor=InceptionExtractor(), measures=measures("fid")).check(reals, download=False)
    named = evaluation(tmp_path, "fid", extractor=InceptionExtractor("nowhere.pth"), measures=measures("fid"))
    with pytest.raises(UserError, match="there is no file nowhere"):
        named.check(reals, download=False)


def test_processes_that_measure_different_things_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pl.strategies.SingleDeviceStrategy, "broadcast", lambda self, value, src=0: "fid")
    with pytest.raises(
        UserError, match=r"^rank 0 measures frechet_digits and rank 0 measures fid; name one by metrics=…$"
    ):
        fit(evaluation(tmp_path), batches=1)
    with pytest.raises(UserError, match=r"^rank 0 has metrics=none and rank 0 measures fid"):
        fit(NoMetrics(), batches=1)


@pytest.mark.parametrize(("options", "message"), [
    ({"primary": "fid"}, "primary must be one of frechet_digits, .*valid_digits, not 'fid'"),
    ({"primary": "modes_digits"}, "not 'modes_digits'; valid images alone count today, as valid_modes_digits$"),
    ({"primary": "confident_digits"}, "not 'confident_digits'; valid images alone count today, as valid_digits$"),
    ({"primary": "frechet_digit"}, "not 'frechet_digit'; did you mean 'frechet_digits'"),
    ({"measures": measures("digits") | {"drift": measures("fid")["fid"]}}, "measures.drift: every evaluation logs"),
    ({"raw": True, "measures": measures("digits") | {"frechet_digits_raw": measures("fid")["fid"]}}, "_raw: every"),
])  # fmt: skip
def test_names_that_cannot_be(tmp_path: Path, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        evaluation(tmp_path, **options)


def test_interval_out_of_range(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="evaluate_kimg must be above 0, not 0"):
        evaluation(tmp_path, evaluate_kimg=0)


@pytest.mark.parametrize("name", sorted(path.stem for path in CONF.glob("[!_]*.yaml") if not path.stem.endswith("_by_class")))
def test_every_option_of_the_group_builds(name: str) -> None:
    data = {"side": 5, "spacing": 2.0, "modes": 8, "radius": 1.0, "std": 0.1}  # of the sets of points
    node = OmegaConf.create({"metrics": option_node("metrics", name), "data": data}).metrics
    more = (
        {} if name in ("none", "auto") else {"evaluate_kimg": 3.0, "kimg": 9.0, "cache_dir": "there"}
    )  # build passes these
    callback = instantiate(node, _convert_="all", **more)
    if not more:
        assert isinstance(callback, NoMetrics)
        return
    assert not set(more) & set(node)
    assert "batch_size" in node  # else build would pass the training's
    assert (callback.cache_dir, callback.every) == ("there", 3000)
    primaries = {"fid": "fid", "efflite0": "kid_efflite0", "self_supervised": "kernel_self_supervised"}
    primaries |= {k: f"reverse_kl_{k}" for k in ("gaussians_ring", "gaussians_grid")}
    assert callback.primary == primaries.get(name, f"frechet_{name}")
    assert not callback.higher_is_better[callback.primary]


@pytest.mark.parametrize("other", ["extractor", "n", "primary", "neither"])
def test_values_of_other_metrics_are_forgotten_at_a_resume(
    tmp_path: Path, other: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """The best of one metric, or by one number of samples, does not compare with another's."""
    first = evaluation(tmp_path)
    fit(first, batches=14)
    saved = first.state_dict()
    assert saved["best"] is not None
    options = {"extractor": {}, "n": {"n": 32}, "primary": {"primary": "kernel_digits"}, "neither": {}}[other]
    second = evaluation(tmp_path, **options)
    if other == "extractor":
        second.evaluator.extractor = ClassifierExtractor("fashion_mnist")
    second.load_state_dict(saved | {"best": [-1e9, 0.1]})  # no distance can beat it
    toy, _, _ = fit(second, batches=14)
    printed = "best starts anew" in capsys.readouterr().out
    assert second.best is not None
    assert (printed, toy.forgotten, second.best[0] > 0) == (
        (False, 0, False) if other == "neither" else (True, 1, True)
    )
    assert second.protocol == second.evaluator.protocol(toy.reals).label()
    assert second.state_dict()["best_metric"] == second.primary
