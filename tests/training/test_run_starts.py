"""What is decided when a run starts: which metrics, and whether it may go on from what is there."""

import json
import os
import sys
from pathlib import Path

import pytest
import torch
import yaml
from tiny_run import TINY, tiny_run

from seesaw.cli.train import main
from seesaw.errors import Notice
from seesaw.metrics.auto import Choice
from seesaw.training.launcher import LAUNCH_INFO
from seesaw.training.preflight import choose_auto_metrics, compose_checked
from seesaw.training.run_folder import read_status

SMALL = [override for override in TINY if not override.startswith("metrics.")]


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder as the current one, with the default cache below it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SEESAW_CACHE", raising=False)
    monkeypatch.setattr(sys, "argv", sys.argv[:])
    return tmp_path


def chooses(monkeypatch: pytest.MonkeyPatch, option: str) -> list[str]:
    """Let metrics=auto find this option; the list grows by one with each choice."""
    asked: list[str] = []

    def choose(channels: int) -> Choice:
        asked.append(option)
        return Choice(option, f"metrics=auto: {option}, for a test")  # type: ignore[arg-type]

    monkeypatch.setattr("seesaw.metrics.auto.choose", choose)
    return asked


@pytest.mark.usefixtures("no_curves")
def test_auto_is_replaced_by_what_it_finds_and_printed_once(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = chooses(monkeypatch, "digits")
    assert main([*SMALL, "metrics=auto", "run_dir=run"]) == 0
    out, err = capsys.readouterr()
    assert (out.count("metrics=auto: digits, for a test\n"), asked, err) == (1, ["digits"], "")
    saved = yaml.safe_load((here / "run/config.yaml").read_text())
    assert saved["metrics"] == compose_checked([*SMALL, "metrics=digits"])["metrics"]
    status = read_status(here / "run")
    assert status["choices"]["metrics"] == "digits"
    assert status["last/frechet_digits"] > 0
    chooses(monkeypatch, "none")  # the machine has changed: the run goes on, and measures what it can
    assert main([*SMALL, "metrics=auto", "run_dir=run", "resume=auto", "kimg=0.08"]) == 0
    assert read_status(here / "run")["choices"]["metrics"] == "none"
    assert yaml.safe_load((here / "run/config.yaml").read_text())["metrics"] == {
        "_target_": "seesaw.training.callbacks.evaluate.NoMetrics"
    }


def test_auto_is_chosen_after_everything_else_was_found_right(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It may ask the network for seconds."""
    asked = chooses(monkeypatch, "digits")
    assert main([*SMALL, "metrics=auto", "optimizer.G.lr=hot", "dry_run=true"]) == 1
    assert capsys.readouterr() == ("", "seesaw: optimizer.G.lr: 'hot' is not allowed; give a number\n")
    assert main([*SMALL, "metrics=digits", "dry_run=true"]) == 0
    compose_checked([*SMALL, "metrics=auto"])  # a command that does not measure
    assert asked == []


def test_a_started_process_takes_the_choice_of_the_first(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = chooses(monkeypatch, "fid")
    launched = {
        "folder": "runs/x",
        "checkpoint": None,
        "metrics": "efflite0",
        "parent": os.getppid(),
        "error_file": "w",
    }
    monkeypatch.setenv(LAUNCH_INFO, json.dumps(launched))
    assert (choose_auto_metrics(1), asked) == ("efflite0", [])
    monkeypatch.delenv(LAUNCH_INFO)
    assert (choose_auto_metrics(1), asked) == ("fid", ["fid"])


def test_a_run_of_an_earlier_version_is_refused_in_a_sentence_that_names_the_commit(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its folder, which keeps a configuration with recommendations, and its checkpoint, which has no format."""
    checkpoint = tiny_run(here / "old")
    config = here / "old/config.yaml"
    saved = yaml.safe_load(config.read_text())
    saved["model"]["recipe"] = {"kimg": 300}
    config.write_text(yaml.safe_dump(saved))
    content = torch.load(checkpoint, weights_only=True)
    del content["format"]
    torch.save(content, checkpoint)
    for arguments in (["run_dir=old", "resume=auto"], [f"resume={checkpoint}", "run_dir=new"]):
        assert main([*TINY, "kimg=0.128", *arguments]) == 1
        out, err = capsys.readouterr()
        assert out == ""
        assert err.startswith("seesaw: ")
        assert err.count("\n") == 1
        assert "fe0cea8" in err
    assert not (here / "new").exists()


def test_a_run_under_another_configuration_is_refused_with_its_keys_and_groups(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tiny_run(here / "run", "penalty=r1")
    again = [*TINY, "run_dir=run", "resume=auto", "kimg=0.128"]
    assert main([*again, "penalty=r1", "penalty.r1.gamma=2", "seed=1"]) == 1
    assert "was begun with another configuration: penalty.r1.gamma: 0.5, now 2; seed: 0, now 1; only kimg," in (
        capsys.readouterr().err
    )
    assert main([*again, "penalty=r1", "dry_run=true"]) == 0


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["data=digits", "metrics=stacked_digits"], "stacked_digits does not take the images of digits 1797x1x8x8: it takes th"),
        (["data=digits", "metrics=gaussians_ring", "metrics.extractor.size=8", "metrics.extractor.scale=1",
          "metrics.extractor.std=1"], "gaussians_ring does not take the images of digits 1797x1x8x8: it takes points"),
        (["model=mlp_points", "data=gaussians_ring", "metrics=digits"], "digits takes images of 1 or 3 channels, and data."),
    ],
)  # fmt: skip
@pytest.mark.parametrize("dry", ["true", "false"])
def test_metrics_of_other_images_are_refused_before_there_is_a_folder(
    options: list[str], sentence: str, dry: str, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of points a classifier of digits would give numbers that mean nothing."""
    given = {text.partition("=")[0] for text in options}
    own = [
        text
        for text in SMALL
        if text.partition("=")[0] not in given and not ("mlp_points" in options[0] and "." in text)
    ]
    assert main([*own, *options, "logger=none", "run_dir=run", f"dry_run={dry}"]) == 1
    err = capsys.readouterr().err
    assert f"seesaw: metrics: {sentence}" in err
    assert "metrics=none" in err
    assert not (here / "run").exists()


def test_the_notice_of_few_images_is_not_taken_for_lightning_s(here: Path) -> None:
    """Lightning writes warnings of its own files by their path, and the decorator of `describe_data` is such a file."""
    with pytest.warns(Notice, match="only 20 images") as caught:
        assert main([*TINY, "data.limit=20", "run_dir=few"]) == 0
    (notice,) = [found for found in caught if "only 20 images" in str(found.message)]
    assert "lightning" not in notice.filename
