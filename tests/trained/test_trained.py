"""What `Trained` gives beside equal samples: other forms, latents, gradients, truncation, figures, and its sentences."""

import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from small_models import small_run
from tiny_run import tiny_run

import seesaw
from seesaw.cli.main import main


def test_samples_in_other_forms_are_the_same_pixels(plain: seesaw.Trained) -> None:
    tensor, array, pictures = (plain.sample(5, seed=2, as_=form) for form in ("tensor", "numpy", "pil"))
    assert (tensor.dtype, tuple(tensor.shape)) == (torch.uint8, (5, 1, 16, 16))
    assert array.shape == (5, 16, 16, 1)
    assert np.array_equal(array, tensor.permute(0, 2, 3, 1).numpy())
    assert all(np.array_equal(np.asarray(picture), array[k, ..., 0]) for k, picture in enumerate(pictures))
    images = plain.images(plain.latents(5, seed=2))
    assert torch.equal(((images + 1) * 127.5).round().clamp(0, 255).to(torch.uint8), tensor)


def test_a_grid_is_the_picture_of_the_command(labelled: seesaw.Trained, tmp_path: Path) -> None:
    assert main(["sample", str(labelled.path), "--psi", "0.5", "--out", str(tmp_path / "x.png")]) == 0
    with Image.open(tmp_path / "x.png") as image:
        assert np.array_equal(np.asarray(image), np.asarray(labelled.grid(psi=0.5)))
    shown = labelled._repr_html_()
    assert "stylegan2" not in shown
    assert "16x16x1, 10 classes" in shown
    assert 'src="data:image/png;base64,' in shown


def test_points_are_drawn_over_the_real_ones_and_are_no_pictures(tmp_path: Path) -> None:
    run = seesaw.load(path := small_run(tmp_path / "run", "mlp_points"))
    assert run.sample(7).shape == (7, 2, 1, 1)
    assert run.sample(7, as_="numpy").shape == (7, 2)
    assert (run.resolution, run.points) == ((1, 1), True)
    assert main(["sample", str(path), "--out", str(tmp_path / "x.png")]) == 0
    with Image.open(tmp_path / "x.png") as image:
        assert np.array_equal(np.asarray(image), np.asarray(run.grid()))
    with pytest.raises(seesaw.UserError, match="give tensor or numpy: these are points of the plane"):
        run.sample(1, as_="pil")


def test_a_class_is_chosen_by_number_by_name_or_for_each_sample(labelled: seesaw.Trained) -> None:
    assert labelled.class_names == list("0123456789")
    assert labelled.labels(3, label=4).tolist() == labelled.labels(3, label="4").tolist() == [4, 4, 4]
    for several in ([1, "2", 3], np.array([1, 2, 3]), torch.tensor([1, 2, 3])):
        assert labelled.labels(3, label=several).tolist() == [1, 2, 3]
    of_each = torch.cat([labelled.images(labelled.latents(3)[k : k + 1], torch.tensor([k + 1])) for k in range(3)])
    found = labelled.images(labelled.latents(3), labelled.labels(3, label=[1, 2, 3]))
    assert torch.allclose(found, of_each, atol=1e-5)
    assert not torch.allclose(found, labelled.images(labelled.latents(3), labelled.labels(3, label=0)), atol=1e-3)


def test_intermediate_latents_give_the_images_of_their_latents(labelled: seesaw.Trained) -> None:
    z, y = labelled.latents(3), labelled.labels(3, label=1)
    w = labelled.w(z, y)
    assert w.shape == (3, labelled.generator.layers, 8)
    assert torch.allclose(labelled.images(w=w), labelled.images(z, y), atol=1e-6)
    assert torch.allclose(labelled.images(w=w[:, 0]), labelled.images(z, y), atol=1e-6)
    near = labelled.w(z, y, psi=0.3)
    mean = labelled.generator.w_avg
    assert torch.allclose(near, mean + 0.3 * (w - mean), atol=1e-6)
    assert torch.allclose(labelled.images(w=w, psi=0.3), labelled.images(z, y, psi=0.3), atol=1e-6)
    assert torch.allclose(labelled.images(z, y, psi=0.0).std(0), torch.zeros(()), atol=1e-6)
    assert labelled.generator.psi == 1.0


def test_gradients_reach_the_latents_and_no_weight(labelled: seesaw.Trained) -> None:
    z, y = labelled.latents(2).requires_grad_(), labelled.labels(2)
    direction = torch.randn(2, labelled.z_dim, generator=torch.Generator().manual_seed(0))
    (slope,) = torch.autograd.grad(labelled.forward(z, y).mean(), z)
    step = 1e-2 * direction
    with torch.no_grad():
        ahead, behind = (labelled.forward(z + sign * step, y).double().mean() for sign in (1, -1))
    assert math.isclose((slope * direction).sum(), (ahead - behind) / 2e-2, rel_tol=0.05)
    assert all(p.grad is None for p in labelled.generator.parameters())
    assert not labelled.images(z, y).requires_grad


def test_figures_are_those_of_metrics_csv_and_of_the_command(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tiny_run(tmp_path / "run")
    rows = "kimg,images,train/loss/D,eval/fid\n0.032,32,1.5,\n0.064,64,1.4,20\n0.096,96,1."
    (tmp_path / "run/metrics.csv").write_text(rows, encoding="utf-8")
    run = seesaw.load(path)
    assert isinstance(run.metrics, pd.DataFrame)
    assert run.metrics["train/loss/D"].tolist() == [1.5, 1.4]
    assert run.metrics["eval/fid"].isna().tolist() == [True, False]
    found = run.evaluate(n=40, overrides=[f"cache_dir={tmp_path}"])
    assert main(["evaluate", str(path), "--n", "40", f"cache_dir={tmp_path}"]) == 0
    out = capsys.readouterr().out
    for name, value in found.items():
        assert f"{name:<28}{value:.6g}" in out
    assert len((tmp_path / "run/evaluations.jsonl").read_text(encoding="utf-8").splitlines()) == 2
    path.rename(tmp_path / "alone.ckpt")
    with pytest.raises(seesaw.UserError, match=r"lies in no run folder with a metrics\.csv"):
        _ = seesaw.load(tmp_path / "alone.ckpt").metrics


def test_mistakes_are_sentences(plain: seesaw.Trained, labelled: seesaw.Trained) -> None:
    z, zl = plain.latents(2), labelled.latents(2)
    for call, words in (
        (lambda: plain.sample(2, label=3), "label=3: this model takes no labels; leave it out"),
        (lambda: labelled.sample(2, label=10), "label=10: there is no such class; give a number from 0 to 9"),
        (lambda: labelled.sample(2, label="nin"), "label=nin: there is no such class"),
        (lambda: labelled.sample(2, label=[1]), "labels must be 2 integers from 0 to 9"),
        (lambda: plain.sample(2, psi=0.7), "psi is 0.7: this model has no intermediate latents w to truncate"),
        (lambda: labelled.sample(2, psi=3.0), "psi is 3.0; it must be from -2 to 2"),
        (lambda: plain.sample(2, as_="jpeg"), "as_='jpeg' is not allowed; give tensor, numpy or pil"),
        (lambda: plain.sample(0), "n is 0; it must be a whole number, at least 1"),
        (lambda: plain.sample(1.5), "n is 1.5; it must be a whole number, at least 1"),
        (lambda: plain.w(z), "w: this model has no intermediate latents w"),
        (lambda: plain.images(), "give latents as z, or intermediate latents as w, and not both"),
        (lambda: plain.images(z, w=z), "give latents as z, or intermediate latents as w, and not both"),
        (lambda: plain.images(z, torch.tensor([1, 1])), "this model takes no labels"),
        (lambda: labelled.images(zl), "this model takes labels: give y, 2 integers from 0 to 9"),
        (lambda: labelled.images(zl, torch.tensor([1, 10])), "labels must be 2 integers from 0 to 9"),
        (lambda: plain.images(torch.zeros(2, 3)), "z is of shape [2, 3]; it must be (n, 8)"),
        (lambda: labelled.images(w=torch.zeros(2, 3)), "w is of shape [2, 3]; it must be"),
    ):  # fmt: skip
        with pytest.raises(seesaw.UserError) as refusal:
            call()
        assert words in str(refusal.value)
