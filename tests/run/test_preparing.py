"""`seesaw prepare`, by its real command line."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from seesaw.cli import main


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
    assert {p.name for p in folder.glob("*.u8")} == {"images-4.u8", "images-8.u8", "images-16.u8"}
    with open(folder / "images-16.u8", "r+b") as file:
        file.write(b"\x00\x01\x02")
    assert main(command) == 1
    assert "the pixels are not those that were prepared" in capsys.readouterr().err


def test_training_finds_the_same_set(root: Path) -> None:
    overrides = ["data=folder", f"data.root={root}", "data.resolution=16"]
    assert main(["prepare", *overrides]) == 0
    (folder,) = (p for p in (root.parent / "cache" / "prepared").iterdir() if p.is_dir())
    made = json.loads((folder / "index.json").read_text())["made"]
    options = ["kimg=0.016", "batch_size=8", "logger=none", "model.G.width=4", "model.D.width=4"]
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
        (["data=folder", "data.root=absent", "data.resolution=wide"], "data.resolution: 'wide' is not allowed; give an integer"),
        (["data=folder", "data.root=absent", "data.crop=round"], "data.crop: 'round' is not allowed; give one of"),
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
