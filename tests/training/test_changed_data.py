"""Data that change or move between the start of a run and its continuation."""

import os
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from saved_states import same

from seesaw.cli.main import main as seesaw
from seesaw.cli.train import main
from seesaw.data.prepare.prepared import PreparedSet
from seesaw.data.sources.folder import Folder
from seesaw.training.loggers.csv_log import read_metrics
from seesaw.training.run_folder import read_status

SMALL = ("model=mlp", "model.G.widths=[8]", "model.D.widths=[8]", "data=folder", "data.resolution=8", "data.channels=1",
         "batch_size=8", "metrics=none", "logger=none", "trainer=cpu", "run_dir=run")  # fmt: skip


def write_images(folder: Path, seed: int, names: range = range(20)) -> Path:
    folder.mkdir(exist_ok=True)
    for number in names:
        pixels = np.random.default_rng([seed, number]).integers(0, 256, (8, 8), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{number:02d}.png")
    return folder


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with 20 images in `faces`."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", sys.argv[:])
    monkeypatch.setenv("SEESAW_CACHE", str(tmp_path / "cache"))
    write_images(tmp_path / "faces", seed=0)
    return tmp_path


@pytest.mark.usefixtures("no_curves")
@pytest.mark.parametrize("precision", ["auto", "exact"])
@pytest.mark.parametrize("change", ["removed", "replaced"])
def test_changed_images_are_noticed_on_resume(
    precision: str, change: str, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = [*SMALL, "data.root=faces", f"precision={precision}"]
    assert main([*run, "kimg=0.016"]) == 0
    assert "have changed" not in capsys.readouterr().err
    if change == "removed":
        for file in sorted((here / "faces").iterdir())[:8]:
            file.unlink()
    else:
        write_images(here / "faces", seed=1)
    if precision == "exact":
        assert main([*run, "kimg=0.032", "resume=auto"]) == 1
        error = capsys.readouterr().err
        assert error.startswith("seesaw: the data have changed since the checkpoint: 20 images, content ")
        assert error.endswith("restore them, or begin a new run\n")
        assert read_status(here / "run")["images_shown"] == 16
    else:
        with pytest.warns(UserWarning, match="the data have changed since the checkpoint: 20 images, content"):
            assert main([*run, "kimg=0.032", "resume=auto"]) == 0


@pytest.mark.usefixtures("no_curves")
def test_a_run_whose_images_vanish_is_saved_and_goes_on_to_the_same_end(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run = [*SMALL[:-1], "data.root=faces", "precision=exact", "kimg=0.064", "checkpoint_kimg=1"]
    assert main([*run, "run_dir=whole"]) == 0
    gather, calls = PreparedSet.gather, list[int]()

    def cut(self: PreparedSet, *indices: torch.Tensor) -> torch.Tensor:
        calls.append(1)
        if len(calls) == 4:
            (file,) = (here / "cache").rglob("images-8.npy")
            os.truncate(file, 100)
        return gather(self, *indices)

    with monkeypatch.context() as patch:
        patch.setattr(PreparedSet, "gather", cut)
        assert main([*run, "run_dir=run"]) == 1
    assert "is gone or damaged while the run reads it: go on with resume=auto" in capsys.readouterr().err
    status = read_status(here / "run")
    assert status["state"] == "failed"
    saved = torch.load(here / "run/checkpoints/last.ckpt", weights_only=True)
    assert 0 < saved["progress"]["images_shown"] == status["images_shown"] < 64
    assert main([*run, "run_dir=run", "resume=auto"]) == 0
    whole, other = (torch.load(here / f"{name}/checkpoints/last.ckpt", weights_only=True) for name in ("whole", "run"))
    assert same(whole["state_dict"], other["state_dict"])
    assert read_metrics(here / "whole/metrics.csv")[-1]["images"] == read_metrics(here / "run/metrics.csv")[-1]["images"]


@pytest.mark.usefixtures("no_curves")
@pytest.mark.filterwarnings("error:the data have changed")
def test_moved_data_are_the_same_data(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*SMALL, "data.root=faces", "precision=exact", "kimg=0.016"]) == 0
    (here / "faces").rename(here / "elsewhere")
    assert main([*SMALL, "data.root=elsewhere", "precision=exact", "kimg=0.032", "resume=auto"]) == 0
    assert read_status(here / "run")["images_shown"] == 32
    capsys.readouterr()
    (here / "elsewhere").rename(here / "third")  # a grid needs no data, and a distance takes their new place
    assert seesaw(["sample", "run"]) == 0
    assert seesaw(["evaluate", "run", "data.root=third"]) == 1
    assert "metrics=none" in capsys.readouterr().err


@pytest.mark.usefixtures("no_curves")
def test_auto_without_a_folder_does_not_go_on_with_the_run_of_another_root(here: Path) -> None:
    write_images(here / "other", seed=1)
    one = [option for option in SMALL if option != "run_dir=run"]
    for root in ("faces", "other", "other"):
        assert main([*one, f"data.root={root}", "kimg=0.016", "resume=auto"]) == 0
    assert len(list(Path("runs").iterdir())) == 2


def test_the_fingerprint_is_of_pixels_and_of_labels_that_are_used(tmp_path: Path) -> None:
    for name, names in (("a", range(5)), ("b", range(5, 10))):
        write_images(tmp_path / "two", 0, range(0))
        write_images(tmp_path / "two" / name, 0, names)

    def fingerprint(labels: bool) -> str:
        options = {"resolution": 8, "channels": 1, "batch_size": 4, "cache_dir": str(tmp_path / "cache")}
        return Folder(str(tmp_path / "two"), **options, labels=labels, classes=2 * labels).fingerprint  # type: ignore[arg-type]

    plain, labelled = fingerprint(False), fingerprint(True)
    assert labelled.startswith(plain)
    for file in (tmp_path / "two").glob("?/04.png"):
        file.rename(tmp_path / "two" / "b" / file.name)
    assert fingerprint(False) == plain
    assert fingerprint(True) != labelled


def test_a_model_s_micro_batch_belongs_to_the_machine(here: Path) -> None:
    run = [*SMALL, "data.root=faces"]
    assert main([*run, "kimg=0.016"]) == 0
    assert main([*run, "kimg=0.032", "resume=auto", "model.micro_batch=4", "data.memory=ram"]) == 0
    assert main([*run, "kimg=0.048", "resume=auto"]) == 0
    assert torch.load(here / "run/checkpoints/last.ckpt", weights_only=True)["progress"]["images_shown"] == 48
