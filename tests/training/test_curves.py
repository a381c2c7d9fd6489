"""curves.png: which panels a run gets, and how they are drawn."""

import json
import random

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

from seesaw.metrics.extractors.base import ClassifierExtractor
from seesaw.metrics.frechet import Frechet
from seesaw.metrics.modes import Modes
from seesaw.training.callbacks.evaluate import Evaluate
from seesaw.training.curves import HELD_OUT, SPEED, TRAINING, curves, draw, lines_of, panels
from seesaw.training.loggers.csv_log import CSVLog
from seesaw.training.loggers.tracker import RunInfo

STATUS = {
    "metric": "kernel_digits",
    "higher_is_better": {"kernel_digits": False, "modes_digits": True, "drift": False},
    "panels": {"kernel_digits": {"title": "kernel distance", "scale": "log"}, "drift": {"title": "drift", "scale": "log"},
               "modes_digits": {"title": "modes found", "scale": "zero"}},
}  # fmt: skip
TITLES = [panel.title for panel in (*TRAINING, *HELD_OUT, *SPEED)]


def write(tmp_path, names, rows=30):
    log, source = CSVLog(RunInfo(tmp_path, "x")), random.Random(0)
    for i in range(1, rows):
        log.log_metrics({name: source.random() + 0.1 for name in names}, i * 1000)


def of_run(columns, status=STATUS):
    """The panels but those that every run may have."""
    return [panel for panel in panels(columns, status) if panel.title not in TITLES]


def test_curves_show_what_was_measured(tmp_path):
    names = ["train/loss/D", "train/loss/G", "train/D/accuracy", "train/images_per_sec", "train/updates/G"]
    write(tmp_path, [*names, "eval/frechet_digits", "eval/frechet_digits_raw"])
    assert curves(tmp_path) == tmp_path / "curves.png"
    with Image.open(tmp_path / "curves.png") as picture:
        assert picture.size == (1200, 800)
        colours = {tuple(c) for c in np.asarray(picture.convert("RGB")).reshape(-1, 3)}
    assert {(0x00, 0x72, 0xB2), (0xD5, 0x5E, 0x00)} <= colours
    assert (0x00, 0x9E, 0x73) not in colours  # no logits of reals: no such line


def test_each_metric_has_a_panel_the_primary_first_with_its_direction():
    found = of_run(["kimg", "eval/modes_digits", "eval/kernel_digits", "eval/modes_digits_raw", "eval/drift"])
    assert [panel.title for panel in found] == ["kernel distance ↓", "modes found ↑", "drift ↓"]
    assert [panel.scale for panel in found] == ["log", "zero", "log"]
    assert {name: label for name, (label, _) in found[1].lines.items()} == {
        "eval/modes_digits": "modes_digits", "eval/modes_digits_raw": "raw",
    }  # fmt: skip
    assert "raw" in found[1].dashed


def test_augmentation_and_held_out_images_have_panels_and_no_second_ones():
    scores = [f"eval/{score}_{part}" for score in ("accuracy", "logits") for part in ("train", "held_out")]
    found = panels(["kimg", "train/augment/p", "train/augment/r_t", *scores, "eval/drift"], STATUS)
    shown = [panel for panel in found if set(panel.lines) & {"train/augment/p", "train/augment/r_t", *scores}]
    assert [panel.title for panel in shown] == ["augmentation", "D's accuracy, eval", "D's logits, eval"]
    assert [label for panel in shown for label, _ in panel.lines.values()] == [
        "p", "r_t", "train", "held out", "train", "held out",
    ]  # fmt: skip


def test_the_status_of_an_evaluation_is_what_the_panels_read(tmp_path):
    measures = {"a_digits": Frechet(), "b_digits": Modes()}
    evaluation = Evaluate("b_digits", ClassifierExtractor("digits"), measures, 1.0, raw=True)

    class Reals(list):
        identity = "0" * 16

        description = "some"

    status = json.loads(json.dumps(evaluation.status(Reals([1, 2]))))
    found = of_run([f"eval/{name}" for name in status["higher_is_better"]], status)
    assert [(panel.title, panel.scale, len(panel.lines)) for panel in found] == [
        ("modes found ↑", "zero", 2), ("Fréchet distance ↓", "log", 2), ("drift of fixed latents ↓", "log", 1),
    ]  # fmt: skip


def test_a_metric_that_nobody_described_has_a_panel_too(tmp_path):
    found = of_run(["eval/mine", "eval/other_raw"], {})
    assert [(panel.title, panel.lines) for panel in found] == [
        ("mine", {"eval/mine": ("", "#000000")}), ("other_raw", {"eval/other_raw": ("", "#000000")}),
    ]  # fmt: skip
    write(tmp_path, ["eval/mine"])
    (tmp_path / "status.json").write_text("torn")
    assert curves(tmp_path) is not None


def test_what_reals_have_is_drawn_beside_the_samples_and_not_in_a_panel_of_its_own() -> None:
    found = of_run(["eval/authentic_reals_digits", "eval/authentic_digits", "eval/alone_reals"], {})
    assert [(panel.title, list(panel.lines)) for panel in found] == [
        ("authentic_digits", ["eval/authentic_digits", "eval/authentic_reals_digits"]), ("alone_reals", ["eval/alone_reals"]),
    ]  # fmt: skip
    assert [label for label, _ in found[0].lines.values()] == ["authentic_digits", "reals"]


def test_each_scheduled_number_has_a_panel():
    assert [p.title for p in of_run(["train/schedule/penalty.r1.gamma", "train/schedule/ema_half_life"])] == [
        "penalty.r1.gamma", "ema_half_life",
    ]  # fmt: skip


@pytest.fixture(scope="module")
def drawn():
    """Title -> every panel, those of metrics with the longest name of a set, averaged and raw, in a third of a sheet."""
    name = "high_quality_gaussians_grid"
    chosen, found = [*TRAINING, *HELD_OUT, *SPEED, *of_run([f"eval/{name}", f"eval/{name}_raw"], {}), *of_run(["eval/drift"])], {}
    for first in range(0, len(chosen), 9):
        figure = Figure(figsize=(12, 8), dpi=100, layout="constrained")
        axes = [figure.add_subplot(3, 3, k) for k in range(1, 10)]
        for place, panel in zip(axes, chosen[first : first + 9], strict=False):
            draw(place, panel, lines_of(panel, [dict.fromkeys(panel.lines, 1.0) | {"kimg": 1.0}]), 1.0, "kimg")
            found[panel.title] = place
        FigureCanvasAgg(figure).draw()
    return found


@pytest.mark.parametrize("title", [*TITLES, "high_quality_gaussians_grid", "drift ↓"])
def test_no_legend_lies_on_a_title(title, drawn):
    words, legend = drawn[title]._left_title.get_window_extent(), drawn[title].get_legend()
    assert legend is None or not words.overlaps(legend.get_window_extent())


def test_curves_bear_empty_torn_negative_and_missing(tmp_path):
    assert curves(tmp_path) is None
    log = CSVLog(RunInfo(tmp_path, "x"))
    log.log_metrics({"eval/kernel_digits": -0.01, "train/loss/D": float("nan"), "eval/frechet_digits": 0.0}, 0)
    with open(log.path, "a") as file:
        file.write("1,10")
    assert curves(tmp_path) is not None


@pytest.mark.parametrize(("lowest", "declared", "scale"), [
    (0.01, "log", "log"), (0.9, "log", "log"), (0.0, "log", "linear"), (-0.01, "log", "linear"),
    (0.01, "auto", "log"), (0.5, "auto", "linear"), (-0.01, "auto", "linear"), (0.01, "zero", "linear"),
])  # fmt: skip
def test_the_scale_is_the_declared_one_unless_a_point_would_vanish(lowest, declared, scale):
    (panel,) = of_run(["eval/mine"], {"panels": {"mine": {"title": "mine", "scale": declared}}})
    axes = Figure().add_subplot()
    draw(axes, panel, lines_of(panel, [{"kimg": 0.0, "eval/mine": 1.0}, {"kimg": 1.0, "eval/mine": lowest}]), 1.0)
    assert axes.get_yscale() == scale
    assert (axes.get_ylim()[0] == 0) == (declared == "zero")


def test_curves_leave_pyplot_alone(tmp_path):
    import matplotlib.pyplot as plt

    write(tmp_path, ["train/loss/D"])
    curves(tmp_path)
    assert plt.get_fignums() == []


def labels(axes):
    """The numbers at the vertical axis, in its range."""
    FigureCanvasAgg(axes.figure).draw()
    bottom, top = axes.get_ylim()
    ticks = [(tick, text.get_text()) for tick, text in zip(axes.get_yticks(), axes.get_yticklabels(), strict=True)]
    minor = [text.get_text() for text in axes.get_yticklabels(minor=True)]
    return [text for tick, text in ticks if bottom <= tick <= top and text] + [text for text in minor if text]


@pytest.mark.parametrize(("low", "high"), [(12.0, 17.0), (0.9, 1.2), (3.1, 4.9), (1.0, 30.0), (0.003, 0.02), (1e-3, 90.0),
                                           (400.0, 401.0), (2e-8, 7e-8), (1e-5, 1e6), (1e-30, 1e12)])  # fmt: skip
def test_a_logarithmic_axis_has_three_numbers_or_more(low, high):
    (panel,) = of_run(["eval/mine"], {"panels": {"mine": {"title": "mine", "scale": "log"}}})
    axes = Figure(figsize=(4, 2.6)).add_subplot()
    draw(axes, panel, lines_of(panel, [{"kimg": 0.0, "eval/mine": low}, {"kimg": 1.0, "eval/mine": high}]), 1.0)
    assert axes.get_yscale() == "log"
    found = labels(axes)
    assert 3 <= len(found) <= 10
    assert len(set(found)) == len(found)


@pytest.mark.parametrize(("scale", "kimg"), [("log", 50.0), ("linear", 50.0), ("zero", 50.0), ("auto", 0.0)])
def test_a_curve_of_one_point_is_a_large_point_with_its_value(scale, kimg):
    """A run that was measured once, at an end: the point stands on the edge of the panel and is whole."""
    (panel,) = of_run(["eval/mine"], {"panels": {"mine": {"title": "mine", "scale": scale}}})
    axes = Figure(figsize=(4, 2.6)).add_subplot()
    draw(axes, panel, lines_of(panel, [{"kimg": 1.0}, {"kimg": kimg, "eval/mine": 12.5}]), 50.0)
    (line,) = axes.lines
    assert line.get_marker() == "o"
    assert line.get_markersize() >= 6
    assert not line.get_clip_on()
    assert [text.get_text() for text in axes.texts] == ["12.5"]
    FigureCanvasAgg(axes.figure).draw()
    frame, text = axes.get_window_extent(), axes.texts[0].get_window_extent()
    assert frame.x0 <= text.x0 < text.x1 <= frame.x1
