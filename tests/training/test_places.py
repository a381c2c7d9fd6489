"""Relative paths of a run's command when it is repeated, continued or measured in another folder."""

import json
import os
from pathlib import Path

import pytest
import yaml
from PIL import Image
from tiny_run import TINY, tiny_run

from seesaw.cli.main import main as seesaw
from seesaw.cli.train import main
from seesaw.training.places import from_its_folder, with_its_places
from seesaw.training.rerun import again, folder_of, with_own_configuration
from seesaw.training.run_folder import read_status

SMALL = [*(override for override in TINY if not override.startswith(("metrics.", "kimg"))), "metrics=none", "kimg=0.016"]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder in which a run `old`, images and an empty folder `other` lie; the current one."""
    (tmp_path / "other").mkdir()
    (tmp_path / "images").mkdir()
    for k in range(20):
        Image.new("L", (8, 8), 12 * k).save(tmp_path / "images" / f"{k}.png")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_relative_path_leads_where_the_command_was_given(home: Path) -> None:
    (home / "other" / "here.txt").touch()
    assert from_its_folder("images", str(home / "other")) == "images"  # nothing is there
    assert from_its_folder("here.txt", str(home / "other")) == str(home / "other" / "here.txt")
    for text, cwd in (("images", str(home)), (str(home), str(home / "other")), ("~/images", "/"), ("${x}", str(home)),
                      ("images", None), ("images", 3), (None, "/"), (3, "/"), ("a\0", "/tmp"), ("x" * 5000, "/tmp")):  # fmt: skip
        assert from_its_folder(text, cwd) == text


def test_a_run_that_began_from_another_is_made_again_elsewhere(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tiny_run(home / "old", "seed=4")
    assert main([*SMALL, "init_from=old", "run_dir=new"]) == 0
    monkeypatch.chdir(home / "other")
    assert seesaw(["rerun", "../new", "run_dir=again"]) == 0
    made = yaml.safe_load(Path("again/config.yaml").read_text())
    assert made["init_from"] == str(home / "old")
    assert seesaw(["train", "resume=../new", "kimg=0.032"]) == 0  # does not read it again
    assert read_status(home / "new")["images_shown"] == 32
    monkeypatch.chdir(home / "other" / "again")
    assert seesaw(["rerun", ".", "run_dir=third"]) == 0  # also of what was made again
    assert seesaw(["rerun", str(home / "new"), "run_dir=fourth"]) == 0  # and of what has gone on elsewhere


def test_the_folder_of_a_command_is_the_current_one_unless_its_paths_lead_nowhere_here(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(home / "other")
    here, former = str(home / "other"), str(home)
    assert folder_of(["kimg=1", "data.root=images"], former) == former
    assert folder_of(["data.root='images'"], None) == here
    assert folder_of([f"data.root={former}/images", "init_from=gone"], former) == here
    Path("images").mkdir()
    assert folder_of(["data.root=images"], former) == here  # it was typed here


@pytest.mark.slow
def test_a_run_on_own_images_goes_on_and_is_looked_at_elsewhere(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = [one for one in SMALL if not one.startswith("data")]
    assert main([*own, "data=folder", "data.root=images", "data.resolution=8", "data.channels=1", "run_dir=new"]) == 0
    monkeypatch.chdir(home / "other")
    assert seesaw(["nearest", "../new", "--by", "pixels", "--count", "2"]) == 0
    assert seesaw(["train", "resume=../new", "kimg=0.032"]) == 0
    assert seesaw(["fork", "../new", "at=last", "kimg=0.048", "run_dir=fork"]) == 0
    assert seesaw(["rerun", "../new", "run_dir=again"]) == 0
    assert yaml.safe_load(Path("again/config.yaml").read_text())["data"]["root"] == str(home / "images")


def test_only_paths_change_and_only_those_that_are_there(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (home / "run").mkdir()
    (home / "mlp").touch()
    own = ["model=mlp", "data.root='images'", "init_from=gone", "cache_dir=images", "data.content=images"]
    (home / "run" / "status.json").write_text(json.dumps({"overrides": own, "cwd": str(home)}))
    monkeypatch.chdir(home / "other")
    place = f"{home}/images"
    assert again(Path("../run"), []) == [
        "model=mlp", f"data.root={place}", "init_from=gone", f"cache_dir={place}", f"data.content={place}",
    ]  # fmt: skip
    assert again(Path("../run"), ["data.root=x"])[-1] == "data.root=x"
    assert with_own_configuration(["resume=../run"])[:2] == ["model=mlp", f"data.root={place}"]
    os.rename(home / "images", home / "moved")
    assert again(Path("../run"), []) == own


def test_a_checkpoint_elsewhere_has_nothing_to_find(home: Path) -> None:
    config = {"data": {"root": "images"}, "metrics": None, "model": {"backbone": 3}}
    assert with_its_places(dict(config), home / "a.ckpt") == config
