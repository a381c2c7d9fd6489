"""Whole runs, small: what they leave behind, how they end, and how they go on."""

import json
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from offline_wandb import read_run
from PIL import Image

from seesaw.cli.main import main as seesaw
from seesaw.cli.train import main
from seesaw.training.loggers.csv_log import read_metrics
from seesaw.training.run_folder import read_status

REPOSITORY = Path(__file__).parents[2]
SMALL = ("data.resolution=16", "model.G.width=4", "model.D.width=4", "batch_size=16", "trainer=cpu", "log_kimg=0.16")
CADENCE = ("kimg=0.8", "evaluate_kimg=0.4", "sample_kimg=0.4", "checkpoint_kimg=0.32", "metrics.n=64")


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder of its own as the current one, and no way to W&B's server."""
    folder = tmp_path_factory.mktemp("runs")
    before = Path.cwd()
    patch = pytest.MonkeyPatch()
    patch.setenv("WANDB_MODE", "offline")
    patch.delenv("SEESAW_CACHE", raising=False)
    patch.setattr(sys, "argv", sys.argv[:])
    os.chdir(folder)
    yield folder
    os.chdir(before)
    patch.undo()


@pytest.fixture(scope="module")
def finished(here: Path) -> Path:
    """One finished run with W&B, a gate and a learning-rate scale."""
    assert main([*SMALL, *CADENCE, "balance=[ttur,skip_d]", "run_dir=whole", "metrics.raw=true"]) == 0
    return here / "whole"


@pytest.fixture(autouse=True)
def _quick(finished: Path, no_curves: None) -> None:
    """The runs of the tests draw no curves; the finished one does."""


def weights(run: Path, name: str = "last") -> dict[str, torch.Tensor]:
    state = torch.load(run / "checkpoints" / f"{name}.ckpt", weights_only=True)["state_dict"]
    return {k: v for k, v in state.items() if isinstance(v, torch.Tensor)}


TRAIN = {
    "loss/D", "loss/G", "D/accuracy", "D/logits_real", "D/logits_fake", "grad_norm/D", "grad_norm/G", "lr/D", "lr/G",
    "updates/D", "updates/G", "images_per_sec", "D/adversarial", "D/r1", "G/adversarial",
}  # fmt: skip
EVAL = {"frechet_digits", "kernel_digits", "valid_modes_digits", "valid_digits", "frechet_digits_raw"}
BALANCE = {"advantage", "skipped/D", "skipped/G"}
FIGURES = (
    {f"train/{name}" for name in TRAIN} | {f"eval/{name}" for name in EVAL} | {f"balance/{name}" for name in BALANCE}
)


def test_the_offline_wandb_run_holds_every_figure_on_a_rising_kimg(finished: Path) -> None:
    run = read_run(finished / "wandb")
    assert {key for row in run.history for key in row} >= FIGURES | {"kimg"}
    axis = [row["kimg"] for row in run.history]
    assert axis == sorted(axis)
    assert axis[-1] == 0.8
    assert run.exit_code == 0
    assert run.config["seed"] == 0
    assert run.config["model"]["G"]["width"] == 4
    assert run.config["penalty"]["r1"]["gamma"] == 0.5
    assert "recipe" not in run.config["model"]
    assert run.config["provenance"]["versions"]["torch"] == torch.__version__.split("+")[0]
    assert run.config["overrides"] == read_status(finished)["overrides"] != []
    assert {"best/frechet_digits", "best/kimg", "last/frechet_digits"} <= set(run.summary)


def test_logged_grids_are_the_files_pixels(finished: Path) -> None:
    pictures = read_run(finished / "wandb").pictures
    assert set(pictures) == {"samples/ema", "samples/raw"}
    assert [kimg for kimg, _ in pictures["samples/ema"]] == [0.0, 0.4, 0.8]
    logged = pictures["samples/ema"][-1][1]
    with Image.open(sorted((finished / "samples").glob("*.png"))[-1]) as file:
        np.testing.assert_array_equal(np.asarray(file), logged)
    assert logged.std() > 5


def test_the_same_figures_are_in_the_csv(finished: Path) -> None:
    rows = read_metrics(finished / "metrics.csv")
    assert {key for row in rows for key in row} >= FIGURES
    logged = {row["kimg"]: row for row in read_run(finished / "wandb").history if "train/loss/D" in row}
    for row in rows:
        if "train/loss/D" in row:
            assert logged[row["kimg"]]["train/loss/D"] == pytest.approx(row["train/loss/D"])


def test_the_folder_lets_the_run_be_judged(finished: Path) -> None:
    status = read_status(finished)
    assert (status["state"], status["kimg"], status["exit_code"]) == ("finished", 0.8, 0)
    assert "1797 reals" in status["protocol"]
    assert status["best/frechet_digits"] <= status["last/frechet_digits"]
    for name in ("config.yaml", "curves.png", "checkpoints/best.ckpt", "checkpoints/last.ckpt"):
        assert (finished / name).stat().st_size > 1000
    assert (finished.parent / "cache" / "reference").is_dir()


def test_a_finished_run_is_left_alone_and_an_occupied_folder_refused(
    finished: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = weights(finished)
    same = [*SMALL, *CADENCE, "balance=[ttur,skip_d]", f"run_dir={finished}", "metrics.raw=true"]
    assert main([*same, "resume=auto"]) == 0
    assert "nothing is left to do" in capsys.readouterr().out
    assert main(same) == 1
    assert "already holds a run; go on with it by resume=auto" in capsys.readouterr().err
    assert main([*same, "resume=auto", "seed=5"]) == 1
    assert "seed: 0, now 5" in capsys.readouterr().err
    alone = finished.parent / "alone.ckpt"  # a checkpoint carries its configuration wherever it is taken
    shutil.copy(finished / "checkpoints/last.ckpt", alone)
    assert main([*same, f"resume={alone}", "run_dir=other", "seed=5"]) == 1
    assert "seed: 0, now 5" in capsys.readouterr().err
    assert all(torch.equal(v, before[k]) for k, v in weights(finished).items())


def test_sample_and_evaluate_need_the_folder_alone(finished: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert seesaw(["sample", str(finished), "--count", "9", "--seed", "1", "--out", "a.png"]) == 0
    assert seesaw(["sample", str(finished), "--count", "9", "--seed", "1", "--out", "b.png"]) == 0
    assert seesaw(["sample", str(finished), "--count", "9", "--seed", "2", "--out", "c.png"]) == 0
    a, b, c = (np.asarray(Image.open(f"{n}.png")) for n in "abc")
    np.testing.assert_array_equal(a, b)
    assert not np.array_equal(a, c)
    capsys.readouterr()
    assert seesaw(["evaluate", str(finished)]) == 0
    printed = capsys.readouterr().out
    row = json.loads((finished / "evaluations.jsonl").read_text().splitlines()[-1])
    assert row["frechet_digits"] == pytest.approx(read_status(finished)["last/frechet_digits"], rel=1e-4)
    assert row["protocol"]["generator"] == "ema"
    assert "protocol: digits" in printed
    assert seesaw(["sample", "nowhere"]) == 1
    assert "there is no such run folder or checkpoint" in capsys.readouterr().err


def test_resume_auto_that_finds_nothing_prints_it(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    dry = [*SMALL, "dry_run=true", "resume=auto"]
    assert main([*dry, "run_dir=tpyo"]) == 0
    assert "resume=auto: tpyo holds no checkpoint to go on from, so it starts anew\n" in capsys.readouterr().out
    assert main([*dry, "kimg=77"]) == 0
    assert "resume=auto: runs/ holds no run of this configuration to go on from" in capsys.readouterr().out
    assert main([*dry[:-1]]) == 0
    assert "resume=auto" not in capsys.readouterr().out


def test_a_longer_run_goes_on_under_the_same_wandb_id(here: Path) -> None:
    # A cosine to the end of the run would be another one under another kimg.
    run = [*SMALL, "run_dir=longer", "precision=exact", "schedule=constant", "kimg=0.16", "metrics.n=64"]
    assert main(run) == 0
    first = (here / "longer/wandb/id").read_text()
    assert main([*run, "kimg=0.32", "resume=auto"]) == 0
    assert (here / "longer/wandb/id").read_text() == first
    assert len(list((here / "longer/wandb").glob("offline-run-*"))) == 2
    rows = read_metrics(here / "longer/metrics.csv")
    assert [row["kimg"] for row in rows] == sorted(row["kimg"] for row in rows)
    assert main([*run, "run_dir=unbroken", "kimg=0.32", "logger=none"]) == 0
    for name, value in weights(here / "unbroken").items():
        assert torch.equal(value, weights(here / "longer")[name]), name


def test_a_run_that_failed_past_its_checkpoint_is_not_finished(here: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """The disk is full at the last save: the status has how far it got, the checkpoint where to go on."""
    from seesaw.errors import UserError
    from seesaw.training.checkpoints import AtomicIO

    run = [*SMALL, "checkpoint_kimg=0.32", "kimg=0.48", "metrics=none", "run_dir=full", "logger=none"]
    save = AtomicIO.save_checkpoint

    def full(self: AtomicIO, checkpoint: dict[str, Any], path: Any, storage_options: Any = None) -> None:
        if checkpoint["progress"]["images_shown"] == 480:
            raise UserError("the disk is full")
        save(self, checkpoint, path)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(AtomicIO, "save_checkpoint", full)
        assert main(run) == 1
    assert "seesaw: the disk is full" in capfd.readouterr().err
    assert read_status(here / "full")["kimg"] == 0.48
    assert main([*run, "resume=auto"]) == 0
    assert (read_status(here / "full")["state"], read_status(here / "full")["kimg"]) == ("finished", 0.48)


def test_a_sweep_s_jobs_are_runs_of_their_own_and_a_failure_does_not_stop_it(
    here: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    code = main(["-m", *SMALL, *CADENCE, "kimg=0.32", "hydra.sweep.dir=sweep", "seed=1,2", "optimizer.G.lr=2e-4,1e14"])
    err = capfd.readouterr().err
    assert code == 1
    assert "2 of 4 jobs failed" in err
    assert err.count("training diverged before") == 2
    assert "Traceback" not in err
    assert [read_status(here / "sweep" / str(k))["state"] for k in range(4)] == [
        "finished",
        "failed",
        "finished",
        "failed",
    ]
    runs = [read_run(here / "sweep" / str(k) / "wandb") for k in range(4)]
    assert [run.exit_code for run in runs] == [0, 1, 0, 1]
    assert len({run.facts["id"] for run in runs}) == 4
    assert [run.config["seed"] for run in runs] == [1, 1, 2, 2]


@pytest.mark.slow
def test_fid_end_to_end_with_a_weights_file(here: Path, random_inception: Path) -> None:
    """Inception with random weights from a file: the run measures `fid` and `kid`, and `evaluate` repeats the number."""
    (here / "photos").mkdir()
    rng = np.random.default_rng(0)
    for k in range(16):
        Image.fromarray(rng.integers(0, 256, (20, 20, 3), dtype=np.uint8)).save(here / "photos" / f"{k}.png")
    options = [
        "data=folder",
        "data.root=photos",
        "metrics=fid",
        f"metrics.extractor.weights={random_inception}",
        "metrics.n=8",
    ]
    run = [
        *SMALL,
        *options,
        "metrics.measures.kid.subsets=null",
        "kimg=0.032",
        "evaluate_kimg=1",
        "run_dir=fid",
        "logger=none",
    ]
    assert main(run) == 0
    status = read_status(here / "fid")
    assert status["last/fid"] > 0
    assert "inception" in status["protocol"]
    assert seesaw(["evaluate", "fid"]) == 0
    row = json.loads((here / "fid/evaluations.jsonl").read_text())
    assert row["fid"] == pytest.approx(status["last/fid"], rel=1e-3)
