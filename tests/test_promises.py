"""The user's own commands, small. These tests are never weakened: the commands are those that the project promised.

`model=dcgan|progan|msggan data=celeba`; `-m model=dcgan,msggan balance=ttur,skip_d seed=1,2,3`; separate learning rates; FID and
loss curves in Weights & Biases; neural style transfer.
"""

import contextlib
import csv
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from offline_wandb import read_run
from PIL import Image
from trees import images

from seesaw.cli import main as cli
from seesaw.cli import train as entry
from seesaw.metrics.evaluator import Evaluator
from seesaw.metrics.extractors import efficientnet

NETS = {
    "dcgan": ("model.G.width=4", "model.D.width=4"),
    "progan": tuple(f"model.{net}.{size}" for net in "GD" for size in ("max_width=8", "base=64")),
    "msggan": tuple(f"model.{net}.{size}" for net in "GD" for size in ("max_width=8", "base=64")),
}
"""Overrides that make each model small."""
BRIEF = ("data.resolution=16", "batch_size=6", "kimg=0.012", "log_kimg=0.006", "trainer=cpu")


def call(main: Any, *arguments: str) -> str:
    """What a command printed; it must succeed."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = main(list(arguments))
    assert code == 0, err.getvalue()
    return out.getvalue()


def rows(run: Path) -> list[dict[str, str]]:
    with open(run / "metrics.csv") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with a CelebA of ten faces in its published layout, away from every network and key."""
    folder = tmp_path_factory.mktemp("promises")
    faces = folder / "celeba" / "img_align_celeba"
    faces.mkdir(parents=True)
    for name, data in images().items():
        (faces / name).write_bytes(data)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("SEESAW_CACHE", str(folder / "cache"))
        patch.setenv("WANDB_MODE", "offline")
        patch.setattr("seesaw.metrics.auto.answers", lambda *args: False)  # no network on any machine
        patch.setenv("TORCH_HOME", str(folder / "hub"))
        to_input = efficientnet.to_input  # images at the shipped 128 px take 5 s of each run
        patch.setattr(efficientnet, "to_input", lambda images, size: to_input(images, efficientnet.SMALLEST))
        count = Evaluator.count_for  # and 1,000 samples as long again
        patch.setattr(Evaluator, "count_for", lambda self, reals: min(count(self, reals), 40))
        yield folder


@pytest.mark.parametrize("model", sorted(NETS))
def test_each_family_trains_on_celeba_and_is_measured(here: Path, model: str) -> None:
    """No metric is named, and still one is measured: kid_efflite0 where Inception's weights cannot be had."""
    printed = call(
        entry.main, f"model={model}", "data=celeba", "data.root=celeba", "logger=csv", f"run_dir={model}",
        "evaluate_kimg=0.012", *NETS[model], *BRIEF,
    )  # fmt: skip
    assert "kid_efflite0" in printed
    assert (here / model / "samples").is_dir()
    assert (here / model / "checkpoints" / "last.ckpt").is_file()
    last = rows(here / model)[-1]
    assert float(last["kimg"]) == 0.012
    assert all(np.isfinite(float(last[name])) for name in ("train/loss/D", "train/loss/G", "eval/kid_efflite0"))


def test_a_sweep_trains_every_model_with_every_balance_and_seed(here: Path) -> None:
    printed = call(
        entry.main, "-m", "model=dcgan,msggan", "balance=ttur,skip_d", "seed=1,2,3", "logger=csv", "hydra.sweep.dir=sweep",
        "metrics=none", "model.G.max_width=8", "model.D.max_width=8", *BRIEF,
    )  # fmt: skip
    assert printed.count("finished 0.012 kimg") == 12
    found = set()
    for number in range(12):
        config = yaml.safe_load((here / "sweep" / str(number) / "config.yaml").read_text())
        found.add((config["model"]["G"]["_target_"].split(".")[2], next(iter(config["balance"])), config["seed"]))
    assert found == {(m, b, s) for m in ("dcgan", "msggan") for b in ("ttur", "skip_d") for s in (1, 2, 3)}
    table = call(cli.main, "compare", "sweep", "--metric", "train/loss/D")
    assert all(word in table for word in ("dcgan", "msggan", "ttur", "skip_d"))


def test_g_and_d_train_with_separate_learning_rates(here: Path) -> None:
    call(
        entry.main, "model=dcgan", "optimizer.G.lr=1e-4", "optimizer.D.lr=4e-4", "metrics=none", "logger=csv", "run_dir=rates",
        *NETS["dcgan"], *BRIEF,
    )  # fmt: skip
    last = rows(here / "rates")[-1]
    assert (float(last["train/lr/G"]), float(last["train/lr/D"])) == (1e-4, 4e-4)
    call(
        entry.main, "model=dcgan", "balance=ttur", "balance.ttur.G=0.5", "balance.ttur.D=3", "metrics=none", "logger=csv",
        "run_dir=ttur", *NETS["dcgan"], *BRIEF,
    )  # fmt: skip
    last = rows(here / "ttur")[-1]
    assert (float(last["train/lr/G"]), float(last["train/lr/D"])) == pytest.approx((1e-4, 6e-4))


def test_weights_and_biases_receives_fid_and_losses(here: Path, random_inception: Path) -> None:
    call(
        entry.main, "model=dcgan", "data=celeba", "data.root=celeba", "metrics=fid", "metrics.n=2", "run_dir=wandb_run",
        f"metrics.extractor.weights={random_inception}", "evaluate_kimg=0.012", *NETS["dcgan"], *BRIEF,
    )  # fmt: skip
    run = read_run(here / "wandb_run")
    assert run.axes["*"] == "kimg"
    losses = [(row["kimg"], row["train/loss/D"], row["train/loss/G"]) for row in run.history if "train/loss/D" in row]
    csv_rows = rows(here / "wandb_run")
    assert [kimg for kimg, _, _ in losses] == [0.006, 0.012]
    for (_, d, g), row in zip(losses, csv_rows, strict=True):
        assert (d, g) == pytest.approx((float(row["train/loss/D"]), float(row["train/loss/G"])), rel=1e-5)
    (fid,) = [row["eval/fid"] for row in run.history if "eval/fid" in row]
    assert fid == pytest.approx(float(csv_rows[-1]["eval/fid"]), rel=1e-5)
    assert np.isfinite(fid)
    assert fid > 0
    assert run.pictures["samples/ema"]
    assert run.exit_code == 0


def test_stylize_draws_content_in_the_given_style(here: Path) -> None:
    rng = np.random.default_rng(0)
    for name in ("content", "style"):
        Image.fromarray(rng.integers(0, 256, (48, 64, 3), dtype=np.uint8)).save(here / f"{name}.png")
    printed = call(
        cli.main, "stylize", "content.png", "style.png", "--out", "out.png", "--size", "64", "--iterations", "12"
    )
    assert "out.png: 64x48" in printed
    drawn = np.asarray(Image.open(here / "out.png"), dtype=float)
    content = np.asarray(Image.open(here / "content.png"), dtype=float)
    assert 1 < np.abs(drawn - content).mean() < 100
    assert torch.load(next(here.glob("runs/*/checkpoints/last.ckpt")), weights_only=True)["format"] == 2
