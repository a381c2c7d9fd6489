"""Style transfer as a run like any other: what it leaves behind, how it ends and goes on, and the short command."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from offline_wandb import read_run
from PIL import Image
from sklearn.datasets import load_sample_image
from torchvision.models.vgg import cfgs, make_layers

from seesaw.cli.main import main as seesaw
from seesaw.cli.train import main
from seesaw.style.module import StyleTransfer
from seesaw.training.loggers.csv_log import read_metrics
from seesaw.training.run_folder import read_status

REPOSITORY = Path(__file__).parents[2]
SLOW = pytest.mark.slow
PARTS = {"train/loss/content", "train/loss/style", "train/loss/variation"}
STYLE = ["model=style_transfer", "data.content=china.png", "data.style=flower.png", "data.size=64", "trainer=cpu"]
SMALL = [
    *STYLE, "kimg=0.012", "log_kimg=0.004", "checkpoint_kimg=0.004", "sample_kimg=0.004", "precision=exact",
    "model.scales=2", "model/style=gram",
]  # fmt: skip


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder of its own as the current one, with two photographs, and no way to W&B's server."""
    folder = tmp_path_factory.mktemp("style")
    before, patch = Path.cwd(), pytest.MonkeyPatch()
    patch.setenv("WANDB_MODE", "offline")
    patch.setattr(sys, "argv", sys.argv[:])
    for name in ("china", "flower"):
        Image.fromarray(load_sample_image(f"{name}.jpg")).resize((96, 64)).save(folder / f"{name}.png")
    os.chdir(folder)
    yield folder
    os.chdir(before)
    patch.undo()


@pytest.fixture(scope="module")
def finished(here: Path) -> Path:
    assert main([*SMALL, "run_dir=whole"]) == 0
    return here / "whole"


@pytest.fixture(autouse=True)
def _quick(finished: Path, no_curves: None) -> None:
    """The runs of the tests draw no curves; the finished one does."""


def pixels(path: Path) -> Any:
    with Image.open(path) as image:
        return np.asarray(image).copy()


def test_the_run_folder_holds_image_intermediate_images_and_curves(finished: Path) -> None:
    assert pixels(finished / "stylized.png").shape == (43, 64, 3)
    names = sorted(p.name for p in (finished / "samples").glob("*.png"))
    assert names == ["000000_000.png", "000000_004.png", "000000_008.png", "000000_012.png"]
    np.testing.assert_array_equal(pixels(finished / "samples" / names[-1]), pixels(finished / "stylized.png"))
    rows = read_metrics(finished / "metrics.csv")
    assert [row["train/iteration"] for row in rows] == [4, 8, 12]
    assert all(row.keys() >= PARTS for row in rows)
    assert (finished / "curves.png").stat().st_size > 10_000
    assert (read_status(finished)["state"], read_status(finished)["images_shown"]) == ("finished", 12)


def test_wandb_has_the_three_losses_and_the_images(finished: Path) -> None:
    run = read_run(finished / "wandb")
    assert [row["train/iteration"] for row in run.history if "train/loss/style" in row] == [4, 8, 12]
    assert {key for row in run.history for key in row} >= PARTS
    logged = run.pictures["samples/ema"]
    assert [kimg for kimg, _ in logged] == [0, 0.004, 0.008, 0.012]
    np.testing.assert_array_equal(logged[-1][1], pixels(finished / "stylized.png"))


@pytest.mark.parametrize(
    ("optimizer", "at", "code"),
    [
        ("canvas_adam", 10, 1),
        ("canvas_lbfgs", 6, 143),
        pytest.param("canvas_adam", 11, 143, marks=SLOW),
        pytest.param("canvas_lbfgs", 10, 1, marks=SLOW),
    ],
)
def test_a_run_that_died_resumes_to_the_same_image(
    optimizer: str, at: int, code: int, here: Path, finished: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A failure in iteration 10, which loses what came after the checkpoint, and SIGTERM in either scale."""
    run = [*SMALL, f"optimizer={optimizer}", "logger=none", "model.start=noise"]
    whole = here / f"unbroken-{optimizer}"
    if not whole.exists():
        assert main([*run, f"run_dir={whole}"]) == 0
    folder, end = here / f"{optimizer}-{at}-{code}", StyleTransfer.end_iteration

    def dies(self: StyleTransfer) -> None:
        end(self)
        if self.images_shown == at and code == 1:
            raise RuntimeError("as if killed")
        if self.images_shown == at:
            os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(StyleTransfer, "end_iteration", dies)
    assert main([*run, f"run_dir={folder}"]) == code
    assert torch.load(folder / "checkpoints/last.ckpt", weights_only=True)["progress"]["images_shown"] == (
        8 if code == 1 else at
    )
    monkeypatch.undo()
    monkeypatch.setenv("WANDB_MODE", "offline")
    assert main([*run, f"run_dir={folder}", "resume=auto"]) == 0
    one, other = (torch.load(f / "checkpoints/last.ckpt", weights_only=True)["state_dict"] for f in (whole, folder))
    assert all(torch.equal(value, other[name]) for name, value in one.items())
    np.testing.assert_array_equal(pixels(whole / "stylized.png"), pixels(folder / "stylized.png"))
    timeless = [[{k: v for k, v in row.items() if k != "train/iterations_per_sec"} for row in read_metrics(f / "metrics.csv")]
                for f in (whole, folder)]  # fmt: skip
    assert timeless[0] == timeless[1]


def test_a_longer_run_goes_on_at_the_finest_scale(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = [*SMALL, "logger=none", "run_dir=longer"]
    assert main(run) == 0
    bar = r"12/12 iterations .*/s  content [\d.]+  style [\d.]+  variation [\d.]+  00:00 left"
    assert re.search(bar, capsys.readouterr().out)
    assert main([*run, "kimg=0.016", "resume=auto"]) == 0
    rows = read_metrics(here / "longer" / "metrics.csv")
    assert [row["train/size"] for row in rows] == [45, 45, 64, 64]
    assert main([*run, "resume=auto"]) == 0


def test_a_run_that_stopped_by_itself_is_finished_and_stays_so(here: Path) -> None:
    run = [*SMALL, "logger=none", "run_dir=still", "model.scales=1", "optimizer.canvas.lr=0", "model.patience=3"]
    for more in ([], ["resume=auto"]):
        assert main([*run, *more]) == 0
        status = read_status(here / "still")
        assert (status["state"], status["images_shown"]) == ("finished", 6)


@pytest.mark.parametrize("override", ["loss=hinge", "metrics=efflite0", "batch_size=4"])
def test_groups_without_a_meaning_are_refused(override: str, here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*SMALL, override, "run_dir=refused"]) == 1
    error = capsys.readouterr().err
    key = override.partition("=")[0]
    assert error.startswith(f"seesaw: {key}: model=style_transfer has no use for augment, balance, batch_size")
    assert f"leave {override} out" in error
    assert error.count("\n") == 1
    assert not (here / "refused").exists()


def test_mistakes_are_one_sentence(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for arguments, words in (
        ([*STYLE[:1], "data.style=flower.png"], "data.content must be given: add data.content=…"),
        ([*SMALL, "data.content=nowhere.jpg"], "data.content=nowhere.jpg: there is no such file"),
        ([*SMALL, "model.start=black"], "model.start: 'black' is not allowed; give one of noise, content, style"),
        ([*SMALL, "model/backbone=resnet"], "model/backbone=resnet: there is no such option"),
        (["model=style_transfer", "data=digits", "trainer=cpu", "logger=none"], "give data=style_pair"),
    ):
        assert main([*arguments, "run_dir=wrong"]) == 1
        assert words in capsys.readouterr().err


def test_stylize_writes_the_picture(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shown = [
        "stylize",
        "china.png",
        "flower.png",
        "--size",
        "64",
        "--iterations",
        "6",
        "--set",
        "trainer=cpu",
        "model.scales=2",
    ]
    assert seesaw([*shown, "model/style=gram", "--out", "made/c.jpg"]) == 0
    assert "made/c.jpg: 64x43; the run is in runs/style_transfer-style_pair" in capsys.readouterr().out
    with Image.open(here / "made/c.jpg") as image:
        assert (image.format, image.size) == ("JPEG", (64, 43))
    for wrong, words in (
        (["--out", "c.gif"], "--out c.gif: the name must end in one of .png"),
        (["--size", "7"], "size must be from 64 to 4096, not 7"),
        (["--iterations", "0"], "--iterations is 0; it must be at least 1"),
    ):
        assert seesaw([*shown[:3], *wrong]) == 1
        assert words in capsys.readouterr().err
    assert seesaw([*shown, "loss=hinge"]) == 1
    assert "leave loss=hinge out" in capsys.readouterr().err


def test_strange_file_names_are_no_overrides(here: Path) -> None:
    name = "a b,c='{d}'=e.png"
    Image.open(here / "china.png").save(here / name)
    assert seesaw(["stylize", name, "flower.png", "--size", "64", "--iterations", "2", "--out", "strange.png",
                   "--set", "trainer=cpu", "model.scales=1"]) == 0  # fmt: skip


@pytest.mark.parametrize("name", ["a${oc.env:HOME}.png", "${kimg}${nothing}.png", r"\${x}.png"])
def test_what_looks_like_an_interpolation_is_a_file_name(here: Path, name: str) -> None:
    Image.open(here / "china.png").save(here / name)
    assert seesaw(["stylize", name, name, "--size", "64", "--iterations", "2", "--out", f"of-{name}", "--set",
                   "trainer=cpu", "model.scales=1"]) == 0  # fmt: skip
    assert pixels(here / f"of-{name}").shape == (43, 64, 3)


def test_a_training_takes_such_a_name_escaped_and_goes_on(here: Path) -> None:
    Image.open(here / "china.png").save(here / "a${b}.png")
    run = [*SMALL, r"data.content=a\${b}.png", "logger=csv", r"run_dir=in\${c}", "model.scales=1"]
    assert main(run) == 0
    assert main([*run, "resume=auto", "kimg=0.016"]) == 0
    folder = here / "in${c}"
    assert (read_status(folder)["state"], read_status(folder)["images_shown"]) == ("finished", 16)


@pytest.mark.parametrize(
    ("asked", "sentence"),
    [
        (
            ["devices=2"],
            "trainer.devices=2: this model works on one image, which 2 devices cannot divide among them; give trainer.devices=1,",
        ),
        (["num_nodes=3"], "trainer.num_nodes=3: this model works on one image, which 3 devices cannot divide"),
    ],
)
def test_one_image_is_not_divided(
    here: Path, asked: list[str], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*SMALL, *(f"trainer.{option}" for option in asked), "run_dir=divided"]) == 1
    assert sentence in capsys.readouterr().err
    assert not (here / "divided").exists()


def test_vgg19_by_a_weights_file(here: Path) -> None:
    """The preset of Gatys et al. on torchvision's network with random weights."""
    torch.manual_seed(0)
    state = make_layers(cfgs["E"], batch_norm=False).state_dict()
    torch.save({f"features.{name}": value for name, value in state.items()}, here / "vgg.pth")
    assert seesaw(["stylize", "china.png", "flower.png", "--size", "64", "--iterations", "3", "--out", "vgg.png", "--set",
                   "experiment=gatys2016", "trainer=cpu", "model.backbone.network.weights=vgg.pth"]) == 0  # fmt: skip
    assert pixels(here / "vgg.png").std() > 5


@pytest.mark.slow
def test_sigkill_and_resume_is_bit_equal(here: Path, finished: Path) -> None:
    run = [sys.executable, str(REPOSITORY / "train.py"), *SMALL, "kimg=0.2", "logger=none", "model.tolerance=0"]
    assert subprocess.run([*run, "run_dir=unkilled"], cwd=here, timeout=600).returncode == 0
    last = here / "killed/checkpoints/last.ckpt"
    running = subprocess.Popen([*run, "run_dir=killed"], cwd=here)
    end = time.monotonic() + 300
    while not last.exists() or torch.load(last, weights_only=True)["progress"]["images_shown"] < 40:
        assert running.poll() is None
        assert time.monotonic() < end
        time.sleep(0.05)
    running.kill()
    assert running.wait() == -signal.SIGKILL
    assert subprocess.run([*run, "run_dir=killed", "resume=auto"], cwd=here, timeout=600).returncode == 0
    np.testing.assert_array_equal(pixels(here / "unkilled/stylized.png"), pixels(here / "killed/stylized.png"))
