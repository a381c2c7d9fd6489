"""Style transfer on real features at 64 px: what it lowers, where it starts, when it stops, what it keeps."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import pytorch_lightning as pl
import torch
from sklearn.datasets import load_sample_image
from torch import Tensor
from toys import Recorder

from seesaw.data.sources.style_pair import StylePair
from seesaw.errors import UserError
from seesaw.experiment import Experiment
from seesaw.functional.style import gram, luminance
from seesaw.nets.efficientnet_lite import EfficientNetLite0
from seesaw.style.features import Features
from seesaw.style.losses import Content, Gram, LayerLoss, Variation, Wasserstein
from seesaw.style.module import StyleTransfer

LAYERS = {"image": 1.0, "block0_depthwise": 1.0, "block1": 1.0}


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    from PIL import Image

    folder = tmp_path_factory.mktemp("photos")
    for name in ("china", "flower"):
        Image.fromarray(load_sample_image(f"{name}.jpg")).save(folder / f"{name}.png")
    return str(folder / "china.png"), str(folder / "flower.png")


@pytest.fixture(scope="module")
def features() -> Features:
    return Features(EfficientNetLite0(), {"block2": 1.0}, LAYERS)


def adam(lr: float = 0.04) -> Callable[..., Any]:
    return partial(torch.optim.Adam, lr=lr)


def made(features: Features, style: LayerLoss | None = None, iterations: int = 12, **more: Any) -> StyleTransfer:
    options = {"kimg": iterations / 1000, "log_kimg": 0.004, "optimizer": {"canvas": adam()}} | more
    content = options.pop("content", Content(1.0))
    variation = options.pop("variation", Variation(1.0))
    return StyleTransfer(features, content, style or Gram(5.0), variation, **options)


def fit(model: StyleTransfer, pair: Any, folder: Path, iterations: int = 12, **more: Any) -> list[dict[str, float]]:
    """Train for `iterations`; what reached the logger."""
    recorder = Recorder()
    trainer = pl.Trainer(
        max_epochs=1, limit_train_batches=iterations, accelerator="cpu", logger=recorder, enable_checkpointing=False,
        enable_progress_bar=False, enable_model_summary=False, default_root_dir=folder, **more,
    )  # fmt: skip
    trainer.fit(model, datamodule=pair)
    assert [shown for shown, _ in recorder.rows] == [row["train/iteration"] for _, row in recorder.rows]
    return [row for _, row in recorder.rows]


@pytest.mark.parametrize("style", [Gram, Wasserstein])
@pytest.mark.parametrize("optimizer", ["adam", "lbfgs"])
def test_the_loss_falls_and_its_parts_are_reported(
    style: Any, optimizer: str, features: Features, photos: tuple[str, str], tmp_path: Path
) -> None:
    make = adam() if optimizer == "adam" else partial(torch.optim.LBFGS, max_iter=1)
    model = made(features, style(5.0), optimizer={"canvas": make})
    rows = fit(model, StylePair(*photos, size=64), tmp_path)
    assert rows[-1]["train/loss"] < 0.9 * rows[0]["train/loss"]
    assert rows[-1]["train/loss"] == pytest.approx(
        sum(rows[-1][f"train/loss/{k}"] for k in ("content", "style", "variation")), rel=1e-5
    )
    assert [row["train/iteration"] for row in rows] == [4, 8, 12]
    assert (tmp_path / "stylized.png").is_file()
    assert next(model.sample_pyramids(64, 0))[0].shape == (1, 3, 43, 64)


def test_the_style_loss_is_the_sum_over_layers_relative_to_their_targets(
    features: Features, photos: tuple[str, str]
) -> None:
    content, style = StylePair(*photos, size=64).photos(64)
    term = Gram(5.0)
    with torch.no_grad():
        theirs, ours = features(style), features(content)
        term.aim(theirs, features.style)
        parts = [(gram(ours[k]) - gram(theirs[k])).square().mean() / gram(theirs[k]).square().mean() for k in LAYERS]
        assert float(term(ours)) == pytest.approx(float(5.0 * sum(parts) / 3), rel=1e-5)
        assert float(term(theirs)) == 0
        absolute = Gram(5.0, "absolute")
        absolute.aim(theirs, features.style)
        plain = sum((gram(ours[k]) - gram(theirs[k])).square().mean() for k in LAYERS)
        assert float(absolute(ours)) == pytest.approx(float(5.0 * plain / 3), rel=1e-5)


def test_the_gradient_is_that_of_finite_differences(
    features: Features, photos: tuple[str, str], tmp_path: Path
) -> None:
    """Of content, style and variation together, along a random direction, in float64."""
    double = Features(EfficientNetLite0().double(), {"block2": 1.0}, LAYERS)
    model = made(double, Wasserstein(5.0))
    content, style = (x.double() for x in StylePair(*photos, size=64).photos(64))
    with torch.no_grad():
        model.terms[0].aim(double(content), double.content)
        model.terms[1].aim(double(style), double.style)
    generator = torch.Generator().manual_seed(0)
    image = (content * 0.5).requires_grad_()
    direction = torch.randn(image.shape, generator=generator, dtype=torch.float64)
    (gradient,) = torch.autograd.grad(model.loss(image)[0], image)
    with torch.no_grad():
        ends = [float(model.loss(image + s * 1e-8 * direction)[0]) for s in (1, -1)]  # roots of 1e-4 bend sharply
    assert (ends[0] - ends[1]) / 2e-8 == pytest.approx(float((gradient * direction).sum()), rel=1e-3)


@pytest.mark.parametrize("start", ["content", "style", "noise"])
def test_it_starts_where_start_names(start: Any, features: Features, photos: tuple[str, str], tmp_path: Path) -> None:
    pair = StylePair(*photos, size=64)
    model = made(features, start=start, optimizer={"canvas": adam(0.0)})
    fit(model, pair, tmp_path, 1)
    content, style = pair.photos(64)
    if start == "noise":
        assert float(model.canvas.detach().std()) == pytest.approx(0.2, rel=0.05)
        assert torch.equal(model.canvas, made_again(features, pair, tmp_path))
    else:
        wanted = (
            content
            if start == "content"
            else torch.nn.functional.interpolate(style, content.shape[-2:], mode="bicubic")
        )
        torch.testing.assert_close(model.canvas.data, wanted.clamp(-1, 1))


def made_again(features: Features, pair: Any, folder: Path) -> Tensor:
    model = made(features, start="noise", optimizer={"canvas": adam(0.0)})
    fit(model, pair, folder, 1)
    return model.canvas


def test_scales_grow_and_adam_goes_on(features: Features, photos: tuple[str, str], tmp_path: Path) -> None:
    model = made(features, scales=3, tolerance=0.0)
    rows = fit(model, StylePair(*photos, size=64), tmp_path)
    assert model.spans == [6, 3, 3]
    assert [row["train/size"] for row in rows] == [32, 45, 64]
    state = model.trainer.optimizers[0].state[model.canvas]
    assert float(state["step"]) == 12
    assert state["exp_avg"].shape == model.canvas.shape == (1, 3, 43, 64)


def test_the_average_is_the_bias_corrected_mean_of_the_iterates(
    features: Features, photos: tuple[str, str], tmp_path: Path
) -> None:
    iterates: list[Tensor] = []

    class Watch(pl.Callback):
        def on_train_batch_end(self, trainer: Any, pl_module: Any, *args: Any) -> None:
            iterates.append(pl_module.canvas.detach().clone())

    model = made(features, average=0.5)
    trainer = pl.Trainer(max_epochs=1, limit_train_batches=3, accelerator="cpu", logger=False, callbacks=[Watch()],
                         enable_checkpointing=False, enable_progress_bar=False, enable_model_summary=False,
                         default_root_dir=tmp_path)  # fmt: skip
    trainer.fit(model, datamodule=StylePair(*photos, size=64))
    a, b, c = iterates
    torch.testing.assert_close(model.mean().detach(), (a + 2 * b + 4 * c) / 7)


def test_it_stops_when_nothing_changes_any_more(features: Features, photos: tuple[str, str], tmp_path: Path) -> None:
    model = made(features, optimizer={"canvas": adam(0.0)}, patience=3, tolerance=1e-3, iterations=90)
    fit(model, StylePair(*photos, size=64), tmp_path, 90)
    assert (model.images_shown, model.converged) == (6, True)
    never = made(features, optimizer={"canvas": adam(0.0)}, patience=3, tolerance=0.0)
    fit(never, StylePair(*photos, size=64), tmp_path, 12)
    assert never.images_shown == 12


def test_the_contents_colours_are_kept_on_request(features: Features, photos: tuple[str, str], tmp_path: Path) -> None:
    pair = StylePair(*photos, size=64)
    model = made(features, colours="content", average=0.0)
    fit(model, pair, tmp_path)
    result, content = model.result(), pair.photos(64)[0]
    chroma, wanted = result - luminance(result), content - luminance(content)
    inside = ((result.abs() < 0.99).all(1, keepdim=True)).expand_as(result)
    torch.testing.assert_close(chroma[inside], wanted[inside], atol=1e-4, rtol=1e-4)
    assert float((luminance(result) - luminance(content)).abs().mean()) > 0.02


@pytest.mark.slow
def test_its_own_style_from_noise_falls_by_a_hundred(
    features: Features, photos: tuple[str, str], tmp_path: Path
) -> None:
    content, _ = photos
    model = made(
        features,
        content=Content(0.0),
        variation=Variation(0.0),
        start="noise",
        tolerance=0.0,
        optimizer={"canvas": partial(torch.optim.LBFGS, max_iter=1)},
    )
    rows = fit(model, StylePair(content, content, size=64), tmp_path, 300)
    assert rows[-1]["train/loss/style"] < rows[0]["train/loss/style"] / 100


def test_the_optimizer_stands_under_canvas(features: Features) -> None:
    for optimizer, found in (({}, "nothing"), ({"G": adam(), "D": adam()}, "G, D")):
        with pytest.raises(ValueError, match=rf"optimizer has {found}; a style transfer takes one under canvas: give"):
            made(features, optimizer=optimizer)


def test_it_is_an_experiment_whose_clock_is_iterations(
    features: Features, photos: tuple[str, str], tmp_path: Path
) -> None:
    """What callbacks rely on: the newest values, samples whatever is asked for, no classes, no growth."""
    model = made(features)
    assert isinstance(model, Experiment)
    assert (model.unit, model.classes, model.last_change, model.images_shown) == ("iterations", 0, 0, 0)
    assert {"batch_size", "evaluate_kimg", "metrics"} <= model.unused_options
    with pytest.raises(UserError, match=r"a style transfer has one image: stylized\.png"):
        next(model.sample(4, seed=0))
    rows = fit(model, StylePair(*photos, size=64), tmp_path)
    assert model.images_shown == 12
    assert model.latest_metrics == rows[-1]
    images = [next(model.sample(n, seed, y=None, ema=True, shard=(0, 1))) for n, seed in ((1, 0), (64, 9))]
    assert torch.equal(*images)
    assert (images[0].shape, images[0].dtype) == ((1, 3, 43, 64), torch.uint8)
    assert not torch.equal(images[0], next(model.sample(1, 0, ema=False)))


def test_iterations_per_second_leave_out_the_time_in_which_the_process_was_stopped(
    features: Features, photos: tuple[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A second passes after each iteration, and after the fifth the process is stopped for 1000."""
    now = 100.0

    class Clock(pl.Callback):
        def on_train_batch_end(self, trainer: pl.Trainer, pl_module: Any, *args: Any) -> None:
            nonlocal now
            now += 1
            if pl_module.images_shown == 5:
                now += 1000
                pl_module.leave_out_time(1000)

    monkeypatch.setattr("seesaw.style.module.time", SimpleNamespace(perf_counter=lambda: now))
    rows = fit(made(features), StylePair(*photos, size=64), tmp_path, callbacks=[Clock()])
    assert [row["train/iterations_per_sec"] for row in rows] == pytest.approx([4 / 3, 1, 1])


def test_what_cannot_be_is_refused(features: Features, photos: tuple[str, str], tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"kimg=0\.001 leaves no iteration for the first of 4 scales"):
        made(features, iterations=1, scales=4)
    with pytest.raises(ValueError, match=r"average must be at least 0 and below 1, not 1\.0"):
        made(features, average=1.0)
    with pytest.raises(ValueError, match="style must hold weights of layers"):
        Features(EfficientNetLite0(), {"block2": 1.0}, {"block1": 0.0})
    with pytest.raises(ValueError, match="no layer 'relu1_1'"):
        Features(EfficientNetLite0(), {"block2": 1.0}, {"relu1_1": 1.0})
    with pytest.raises(ValueError, match="goes with unit=absolute"):
        Content(1.0, summed=True)
    with pytest.raises(ValueError, match="weight must be at least 0, not -1"):
        Gram(-1.0)
    with pytest.raises(UserError, match="the loss is not finite at iteration 4"):
        fit(made(features, Gram(1e39), optimizer={"canvas": adam()}), StylePair(*photos, size=64), tmp_path)
