"""The scatter plot of points."""

import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from seesaw.cli.main import main as seesaw
from seesaw.cli.train import main
from seesaw.functional.mixtures import draw, grid
from seesaw.training.scatter import FAKE, REAL, plot, scatter


def near(picture: torch.Tensor, colour: str, tolerance: int = 60) -> int:
    """Pixels about a colour."""
    rgb = torch.tensor([int(colour[k : k + 2], 16) for k in (1, 3, 5)])[:, None, None]
    return int(((picture.int() - rgb).abs().amax(0) < tolerance).sum())


def test_generated_points_are_seen_over_the_real_ones() -> None:
    reals = draw(grid(), 0.05, 2500, 0)[0][:, :, None, None]
    fakes = torch.rand(2500, 2, 1, 1) * 8 - 4
    picture = scatter(fakes, reals)
    assert picture.dtype == torch.uint8
    assert picture.shape == (3, 600, 600)
    assert near(picture, FAKE) > 4 * near(scatter(fakes[:1], reals), FAKE)
    assert near(scatter(fakes[:1], reals), REAL) > 300


def test_outliers_do_not_squeeze_the_frame() -> None:
    reals = draw(grid(), 0.05, 2500, 0)[0][:, :, None, None]
    with_outliers = scatter(torch.cat([reals[:50], torch.full((3, 2, 1, 1), 1e6)]), reals)
    without = scatter(reals[:53], reals)
    changed = (with_outliers.int() - without.int()).abs().amax(0) > 30
    assert changed[60:].float().mean() < 0.01  # below the title, which has the number
    assert changed[:60].any()


def test_the_title_counts_what_lies_outside_and_what_is_no_number() -> None:
    reals = draw(grid(), 0.05, 2500, 0)[0][:, :, None, None]
    strays = torch.tensor([[1e6, 0.0], [0.0, -6.0], [torch.nan, 0.0], [-torch.inf, 0.0], [4.5, 4.5]])
    (axes,) = plot(torch.cat([reals[:50], strays[:, :, None, None]]), reals).axes
    assert axes.get_title("right") == "4 outside the frame"
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["real", "generated (55)"]


def test_a_run_on_points_leaves_scatter_plots_figures_and_a_model_to_sample_from(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", sys.argv[:])
    small = ["model.G.widths=[8,8]", "model.D.widths=[8]", "trainer=cpu", "logger=none"]
    points = ["model=mlp", "data=gaussians_ring", "data.n=3000", "kimg=0.64", "evaluate_kimg=0.64", "run_dir=run"]
    assert main([*points, *small]) == 0
    assert "reverse_kl_gaussians_ring" in capsys.readouterr().out
    pictures = [np.asarray(Image.open(p)) for p in sorted((tmp_path / "run" / "samples").iterdir())]
    assert [p.shape for p in pictures] == [(600, 600, 3)] * 2  # at 0 kimg and at 0.64
    assert seesaw(["sample", "run", "--count", "300", "--out", "drawn.png"]) == 0
    drawn = torch.from_numpy(np.asarray(Image.open("drawn.png")).copy()).permute(2, 0, 1)
    assert drawn.shape == (3, 600, 600)
    assert near(drawn, REAL) > 300
    assert seesaw(["evaluate", "run"]) == 0
    assert "2500 ema samples against 3000 reals of gaussians_ring 3000x2x1x1" in capsys.readouterr().out
