"""`seesaw prepare`, by its real command line."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import hostile
import numpy as np
import pytest
import trees
from PIL import Image

from seesaw.cli.main import main


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Eight pictures of noise; the cache lies in tmp_path."""
    monkeypatch.setenv("SEESAW_CACHE", str(tmp_path / "cache"))
    (tmp_path / "set").mkdir()
    for k in range(8):
        pixels = np.random.default_rng(k).integers(0, 256, (20, 20, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / "set" / f"{k}.png")
    return tmp_path / "set"


def test_it_prepares_verifies_and_finds_damage(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["prepare", "--jobs", "2", "data=folder", f"data.root={root}", "data.resolution=16"]
    assert main(command) == 0
    first = capsys.readouterr().out
    assert first.startswith("folder set 8x3x16x16: ")
    assert "images/s" in first
    (folder,) = (p for p in (root.parent / "cache" / "prepared").iterdir() if p.is_dir())
    assert main([*command, "--levels"]) == 0
    second = capsys.readouterr().out
    assert "was there already, and its content hash is right" in second
    assert "levels        4, 8, 16 px" in second
    assert {p.name for p in folder.glob("*.npy")} == {"images-4.npy", "images-8.npy", "images-16.npy"}
    np.load(folder / "images-16.npy", mmap_mode="r+")[0, 0, 0] += 1
    assert main(command) == 1
    assert "the pixels are not those that were prepared" in capsys.readouterr().err


def test_training_finds_the_same_set(root: Path, no_curves: None) -> None:
    overrides = ["data=folder", f"data.root={root}", "data.resolution=16"]
    assert main(["prepare", *overrides]) == 0
    (folder,) = (p for p in (root.parent / "cache" / "prepared").iterdir() if p.is_dir())
    made = json.loads((folder / "index.json").read_text())["made"]
    options = ["kimg=0.016", "batch_size=8", "logger=none", "metrics=none", "model.G.width=4", "model.D.width=4"]
    assert main(["train", "model=dcgan", *overrides, *options, f"run_dir={root.parent / 'run'}"]) == 0
    assert [p for p in (root.parent / "cache" / "prepared").iterdir() if p.is_dir()] == [folder]
    assert json.loads((folder / "index.json").read_text())["made"] == made


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["data=folder"], "data.root must be given: add data.root=… to the command"),
        (["data=foldr"], "data=foldr: there is no such option in the group data; did you mean 'folder'?"),
        (["data=folder", "data.rot=x"], "data.rot: there is no 'rot' in data; did you mean 'root'?"),
        (["data=folder", "data.root=absent"], "data.root='absent' does not exist"),
        (["data=folder", "data.root=.", "data.resolution=wide"], "data: resolution is wide; it must be a number of pixels, or"),
        (["data=folder", "data.root=.", "data.crop=round"], "data.crop: 'round' is not allowed; give one of"),
        (["--jobs", "0", "data=digits"], "--jobs is 0; it must be at least 1"),
    ],
)  # fmt: skip
def test_mistakes_are_sentences(arguments: list[str], sentence: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["prepare", *arguments]) == 1
    error = capsys.readouterr().err
    assert sentence in error
    assert error.count("\n") == 1


def test_sets_in_memory_need_none(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["prepare", "data=digits", "data.resolution=16"]) == 0
    assert "digits 1797x1x16x16: this set is read into memory" in capsys.readouterr().out


@pytest.mark.parametrize("kind", ["folder", "zip"])
def test_the_users_own_command_trains_on_celeba(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, no_curves: None
) -> None:
    """`python train.py model=dcgan data=celeba data.root=…` on torchvision's exact layout, and on the zip alone."""
    monkeypatch.setenv("SEESAW_CACHE", str(tmp_path / "cache"))
    root = trees.celeba(tmp_path / "root")
    if kind == "zip":
        (images,) = root.rglob("img_align_celeba")
        shutil.make_archive(str(tmp_path / "zip" / "img_align_celeba"), "zip", images.parent, images.name)
        shutil.rmtree(root)
        root = tmp_path / "zip"
    overrides = [
        "model=dcgan",
        "data=celeba",
        f"data.root={root}",
        "data.resolution=16",
        "model.G.width=4",
        "model.D.width=4",
    ]
    metrics = ["metrics=efflite0", "metrics.n=16", "metrics.batch_size=16"] if kind == "folder" else ["metrics=none"]
    small = ["kimg=0.016", "batch_size=8", "logger=none", *metrics, f"run_dir={tmp_path / 'run'}"]
    with pytest.warns(UserWarning, match="holds 10 images, CelebA has 202,599"):
        assert main(["train", *overrides, *small]) == 0
    assert json.loads((tmp_path / "run" / "status.json").read_text())["state"] == "finished"


@pytest.mark.parametrize("make", [hostile.make_folder, hostile.make_zip])
def test_a_hostile_tree_is_prepared_without_its_bad_files(
    make: Callable[[Path], dict[str, str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every bad file is listed with a reason; nothing is written but in the cache."""
    monkeypatch.setenv("SEESAW_CACHE", str(tmp_path / "cache"))
    root = tmp_path / "below" / ("set.zip" if make is hostile.make_zip else "set")
    root.parent.mkdir()
    bad = set(make(root)) | {f"deep/er/{name}" for name in hostile.BAD}
    before = sorted(str(p) for p in tmp_path.rglob("*"))
    with pytest.warns(UserWarning, match="cannot be used"):
        assert main(["prepare", "data=folder", f"data.root={root}", "data.resolution=16", "data.max_bad=0.9"]) == 0
    (folder,) = (p for p in (tmp_path / "cache" / "prepared").iterdir() if p.is_dir())
    index = json.loads((folder / "index.json").read_text())
    assert set(index["bad"]) == bad
    assert all(index["bad"].values())
    assert np.load(folder / "images-16.npy").shape == (len(hostile.GOOD), 3, 16, 16)
    after = sorted(str(p) for p in tmp_path.rglob("*") if not p.is_relative_to(tmp_path / "cache"))
    assert after == before
