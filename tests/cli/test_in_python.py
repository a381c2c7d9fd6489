"""`seesaw.train`: the run of the command, from Python, and the same sentences."""

import sys
from pathlib import Path

import pytest
import torch
from tiny_run import TINY

import seesaw
from seesaw.cli.main import main
from seesaw.training.run_folder import read_status


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder as the current one."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("seesaw.training.run.curves", lambda folder: None)
    return tmp_path


def test_a_run_from_python_is_that_of_the_command(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = list(sys.argv)
    run = seesaw.train([*TINY, "precision=exact", "run_dir=mine"])
    assert sys.argv == arguments
    assert main(["train", *TINY, "precision=exact", "run_dir=theirs"]) == 0
    assert run.images_shown == 64
    assert run.path.resolve() == here / "mine/checkpoints/last.ckpt"
    assert torch.equal(run.sample(8, seed=2), seesaw.load("theirs", "last").sample(8, seed=2))
    assert read_status(here / "mine")["overrides"] == [*TINY, "precision=exact", "run_dir=mine"]
    assert list(run.metrics["images"])[-1] == 64
    assert "eval/frechet_digits" in run.metrics
    again = seesaw.train([*TINY, "precision=exact", "run_dir=mine", "resume=auto"])
    assert "nothing is left to do" in capsys.readouterr().out
    assert torch.equal(again.sample(2), run.sample(2))


def test_a_run_without_a_folder_gets_one(here: Path) -> None:
    run = seesaw.train(TINY)
    assert run.path.parent.parent.parent == Path("runs")
    assert [path.parent for path in here.glob("runs/*/config.yaml")] == [run.path.parent.parent.resolve()]
    assert seesaw.train([*TINY, "dry_run=true"]) is None


MISTAKES = [
    (["model=dcgann"], "model=dcgann: there is no such option in the group model; did you mean 'dcgan'?"),
    (["batch=3"], "batch: there is no option or group 'batch'; the images of a step are batch_size"),
    ([*TINY, "kimg=-1"], "kimg: -1 is out of range"),
    ([*TINY, "model.G.widths=[0]"], "model.G: widths.0 is 0; it must be at least 1"),
    (["-m", "seed=1,2"], "-m: seesaw.train makes one run"),
    (["seed=1,2"], "seed=1,2 names several values"),
    ([*TINY, "run_dir=nowhere", "resume=lost.ckpt"], "resume=lost.ckpt: there is no such file or run folder"),
    ("kimg=1", "seesaw.train takes a list of overrides: ['kimg=1']"),
]


@pytest.mark.parametrize(("overrides", "words"), MISTAKES, ids=[words for _, words in MISTAKES])
def test_a_mistake_is_the_sentence_of_the_command(
    overrides: list[str], words: str, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(seesaw.UserError) as refusal:
        seesaw.train(overrides)
    assert str(refusal.value).startswith(words)
    assert not list(here.iterdir())
    if "seesaw.train" not in str(refusal.value):
        assert main(["train", *overrides]) == 1
        assert capsys.readouterr().err.strip().removeprefix("seesaw: ") == str(refusal.value)
