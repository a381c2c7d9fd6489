"""The command of a run again: `resume=RUN` and `seesaw rerun RUN`."""

import json
import shlex
import sys
from pathlib import Path

import pytest
import yaml
from tiny_run import TINY

from seesaw.cli.main import main as seesaw
from seesaw.cli.train import main
from seesaw.config.command_line import override
from seesaw.training.rerun import again, with_own_configuration
from seesaw.training.run_folder import read_status

SMALL = [*(override for override in TINY if not override.startswith("metrics.")), "metrics=none"]


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", sys.argv[:])


def begun(folder: str, *overrides: str) -> Path:
    """A folder whose status holds these overrides."""
    Path(folder).mkdir()
    (Path(folder) / "status.json").write_text(json.dumps({"overrides": overrides}))
    return Path(folder)


@pytest.mark.usefixtures("no_curves")
def test_a_run_goes_on_by_its_folder_alone(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*SMALL, "seed=3", "run_dir='my run'"]) == 0
    assert main(["resume='my run'"]) == 0
    assert "nothing is left to do" in capsys.readouterr().out
    assert main(["kimg=0.096", "resume='my run'"]) == 0
    status = read_status(Path("my run"))
    assert (status["images_shown"], status["state"]) == (96, "finished")
    assert yaml.safe_load(Path("my run/config.yaml").read_text())["seed"] == 3
    assert main(["resume='my run'", "kimg=0.128"]) == 0  # also of a run that was itself continued so
    assert read_status(Path("my run"))["images_shown"] == 128
    assert main(["resume='my run'", "seed=4"]) == 1
    assert "my run was begun with another configuration: seed: 3, now 4" in capsys.readouterr().err


@pytest.mark.usefixtures("no_curves")
def test_a_run_is_made_again_with_what_is_given_anew(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*SMALL, "seed=3", "run_dir=first"]) == 0
    assert seesaw(["rerun", "first", "seed=5", "kimg=0.032", "run_dir=second"]) == 0
    first, second = (yaml.safe_load(Path(f"{run}/config.yaml").read_text()) for run in ("first", "second"))
    differing = {key for key in first if first[key] != second[key]}
    assert (
        {"seed", "kimg", "run_dir"} <= differing <= {"seed", "kimg", "run_dir", "model", "data"}
    )  # they hold the seed
    assert second["model"]["G"] == first["model"]["G"]
    capsys.readouterr()
    assert seesaw(["rerun", "first", "sed=5"]) == 1
    assert capsys.readouterr().err.startswith("seesaw: sed")


def test_what_cannot_be_made_again_is_one_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    Path("old").mkdir()
    begun("run", "model=mlp")
    for arguments, sentence in (
        (["rerun", "nowhere"], "nowhere: there is no such run folder"),
        (["rerun", "old"], "old does not hold the overrides of its command"),
        (["rerun", "seed=2"], "seed=2: give the run folder first"),
        (["train", "resume=old"], "old does not hold the overrides of its command"),
        (["train", "resume=run", "-m", "seed=1,2"], "resume=run goes on with one run: leave out -m"),
        (["train", "resume=run", "run_dir=other"], "resume=run goes on in that folder: leave out run_dir"),
        (["train", "resume=nowhere"], "resume=nowhere: there is no such file or run folder"),
    ):
        assert seesaw(arguments) == 1
        err = capsys.readouterr().err
        assert err.startswith(f"seesaw: {sentence}")
        assert err.count("\n") == 1
    assert seesaw(["rerun"]) == 2
    assert seesaw(["rerun", "--help"]) == 0
    assert "usage: seesaw rerun RUN" in capsys.readouterr().out


def test_given_values_replace_those_of_equal_keys() -> None:
    run = begun(
        "run", "model=mlp", "+trainer.max_time=1", "balance=[ttur,skip_d]", "resume=auto", "run_dir=run", "seed=1"
    )
    assert again(run, ["seed=2", "balance=none", "--config-dir=mine"]) == [
        "model=mlp", "+trainer.max_time=1", "seed=2", "balance=none", "--config-dir=mine",
    ]  # fmt: skip
    assert again(run, ["~trainer.max_time"])[:2] == ["model=mlp", "balance=[ttur,skip_d]"]


@pytest.mark.parametrize(
    "own",
    [
        "packages=[attack]", "+packages=[attack]", "--config-dir=attack", "-cd=attack", "hydra/launcher=joblib",
        "+hydra.callbacks.x._target_=attack.touch", "++hydra.job_logging._target_=attack.touch", "balance@hydra.callbacks=ttur",
    ],
)  # fmt: skip
def test_a_folder_cannot_choose_what_runs(own: str, capsys: pytest.CaptureFixture[str]) -> None:
    begun("run", "model=mlp", own)
    for command in (["rerun", "run"], ["train", "resume=run"]):
        assert seesaw(command) == 1
        err = capsys.readouterr().err
        assert err.startswith("seesaw: run")
        assert own in err
        assert err.count("\n") == 1
    if own == "packages=[attack]":
        assert again(Path("run"), ["packages=[attack]"]) == ["model=mlp", "packages=[attack]"]


def test_what_names_no_folder_stays_as_it_is() -> None:
    for arguments in (
        ["resume=auto"],
        ["resume=null"],
        ["resume=a.ckpt", "seed=1"],
        ["resume"],
        ["resume=[1"],
        ["seed=1"],
    ):
        assert with_own_configuration(arguments) == arguments


@pytest.mark.parametrize("name", ["a b", "it's", "a\\'b", "end\\", "größe", "a=b,c", "${x}", "[v2]", "null", "a'b\\"])
def test_a_folder_of_a_strange_name_is_gone_on_with(name: str) -> None:
    run = begun(name, "model=mlp")
    asked = shlex.split(override("resume", run))[0]
    *_, run_dir, resume = with_own_configuration([asked])
    assert run_dir == asked.replace("resume=", "run_dir=")
    assert resume == "resume=auto"
