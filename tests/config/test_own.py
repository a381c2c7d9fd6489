"""Own configuration in every command: `--config-dir` composes, is listed, hinted at and completed, and runs remember it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from seesaw.cli.main import main
from seesaw.config.command_line import own_folder, without_folder
from seesaw.config.compose import compose
from seesaw.config.own import all_groups, options_with, own_configuration, own_folders, own_options
from seesaw.errors import UserError
from seesaw.training.own_folder import recorded_config_dir, sets_no_hydra

REPOSITORY = Path(__file__).parents[2]
TINY = ("model=mlp", "model.G.widths=[8]", "model.D.widths=[8]", "data.resolution=8", "batch_size=8", "kimg=0.016",
        "metrics=none", "logger=csv", "trainer=cpu")  # fmt: skip


@pytest.fixture
def conf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder `conf` in the current one, with a loss of classes of ours and an augmentation."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SEESAW_CACHE", str(tmp_path / "cache"))
    (tmp_path / "conf" / "loss").mkdir(parents=True)
    (tmp_path / "conf" / "augment").mkdir()
    (tmp_path / "conf" / "loss" / "softly.yaml").write_text(
        "d: {_target_: seesaw.gan.losses.HingeD}\ng: {_target_: seesaw.gan.losses.HingeG}\n"
    )
    (tmp_path / "conf" / "augment" / "mild.yaml").write_text("defaults: [diffaugment]\n")
    return tmp_path / "conf"


def test_within_it_compositions_know_the_folder(conf: Path) -> None:
    with own_configuration(Path("conf")):
        assert own_folders() == [conf]
        cfg, choices = compose(["loss=softly"])
        assert choices["loss"] == "softly" or cfg.loss.d._target_ == "seesaw.gan.losses.HingeD"
        assert {"softly", "hinge"} <= set(all_groups()["loss"])
        assert own_options() == {("loss", "softly"), ("augment", "mild")}
        assert "softly" in options_with("d", "loss")
    assert own_folders() == []
    assert "softly" not in all_groups()["loss"]


@pytest.mark.parametrize(
    ("folder", "words"),
    [
        ("absent", "--config-dir absent: there is no such folder"),
        (".", "they lie as GROUP/NAME.yaml, such as loss/mine.yaml; did you mean conf?"),
        ("empty", "--config-dir empty: it holds no options"),
    ],
)
@pytest.mark.parametrize("command", [["train"], ["prepare", "data=digits"], ["preview", "augment=ada"]])
def test_a_folder_without_options_is_refused(
    command: list[str], folder: str, words: str, conf: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (conf.parent / "empty").mkdir()
    assert main([*command, "--config-dir", folder]) == 1
    err = capsys.readouterr().err
    assert words in err
    assert err.count("\n") == 1


COMMANDS = {
    "train": ["train", "--config-dir", "conf", "loss=softl"],
    "prepare": ["prepare", "loss=softl", "--config-dir", "conf"],
    "preview": ["preview", "--config-dir=conf", "loss=softl", "augment=mild"],
    "search": ["search", "learning_rates", "--config-dir", "conf", "loss=softl"],
    "advise": ["advise", "--config-dir", "conf", "loss=softl", "data.root=."],
    "stylize": ["stylize", "a.jpg", "b.jpg", "--config-dir", "conf", "--set", "loss=softl"],
}


@pytest.mark.parametrize("command", COMMANDS)
def test_own_options_are_hinted_at(command: str, conf: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(COMMANDS[command]) == 1
    assert "loss=softl: there is no such option in the group loss; did you mean 'softly'?" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["sample", "evaluate", "certify"])
def test_commands_on_a_checkpoint_name_why_they_take_none(
    command: str, conf: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        main([command, "run", "--config-dir", "conf"])
    assert f"seesaw {command} takes no --config-dir" in capsys.readouterr().err


def test_own_options_are_on_the_page_of_help(conf: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "--help", "--config-dir", "conf"]) == 0
    text = capsys.readouterr().out
    assert "+softly" in text
    assert "+mild" in text
    assert max(map(len, text.splitlines())) <= 80
    assert main(["train", "--help"]) == 0
    assert "+" not in capsys.readouterr().out.partition("Options of every run")[0]


@pytest.mark.parametrize("line", ["seesaw --config-dir conf loss=so", "seesaw model=mlp --config-dir=conf loss=so"])
def test_own_options_are_completed(line: str, conf: Path) -> None:
    program = "import sys; from seesaw.cli.main import main; sys.exit(main())"
    done = subprocess.run(
        [sys.executable, "-c", program, "train", "-sc", "query=bash"], capture_output=True, text=True, timeout=60,
        env=os.environ | {"COMP_LINE": line, "PYTHONPATH": str(REPOSITORY / "src")},
    )  # fmt: skip
    assert done.stdout.split() == ["loss=softly"], done.stderr


def test_the_flag_and_its_value_are_found_and_left_out() -> None:
    for words in (["a=1", "--config-dir", "conf", "b=2"], ["a=1", "--config-dir=conf", "b=2"], ["-cd", "conf", "a=1", "b=2"]):
        assert own_folder(words) == Path("conf")
        assert without_folder(words) == ["a=1", "b=2"]
    assert own_folder(["a=1", "--config-dir"]) is None


def test_a_run_remembers_the_folder(conf: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "--config-dir", "conf", *TINY, "loss=softly", "run_dir=runs/a"]) == 0
    entry = json.loads(Path("runs/a/status.json").read_text())["config_dir"]
    assert entry == {"path": str(conf), "from_run": "../../conf"}
    assert main(["rerun", "runs/a", "seed=2", "run_dir=runs/b"]) == 0
    assert main(["train", "resume=runs/a", "kimg=0.024"]) == 0
    conf.rename(conf.parent / "moved")
    capsys.readouterr()
    assert main(["train", "resume=runs/a", "kimg=0.032"]) == 1
    err = capsys.readouterr().err
    assert f"runs/a was begun with --config-dir {conf}, which is not there any more: give --config-dir FOLDER" in err
    assert main(["fork", "runs/a", "at=last", "--config-dir", "moved", "kimg=0.032", "run_dir=runs/c"]) == 0


def test_a_project_may_be_moved(conf: Path) -> None:
    run = conf.parent / "elsewhere" / "runs" / "a"
    run.mkdir(parents=True)
    entry = {"path": "/nowhere/conf", "from_run": "../../conf"}
    conf.rename(conf.parent / "elsewhere" / "conf")
    assert recorded_config_dir(run, {"config_dir": entry}, []) == [f"--config-dir={conf.parent / 'elsewhere' / 'conf'}"]
    assert recorded_config_dir(run, {"config_dir": entry}, ["--config-dir", "other"]) == []
    assert recorded_config_dir(run, {}, []) == []


HOSTILE = {
    "experiment/x.yaml": "# @package _global_\nhydra: {callbacks: {x: {_target_: os.system}}}\n",
    "loss/x.yaml": "# @package hydra.callbacks\nx: {_target_: os.system}\n",
    "loss/y.yaml": '"\\x68ydra": {callbacks: {x: {_target_: os.system}}}\n',
    "loss/z.yaml": "a: hy\nb: dra\ndefaults: ['/x@${a}${b}: y']\n",
    "hydra/launcher.yaml": "a: 1\n",
    "loss/broken.yaml": "a: [",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_recorded_folder_that_could_run_code_has_to_be_given_again(name: str, conf: Path) -> None:
    """status.json may come from a stranger, and Hydra calls what its own options name."""
    assert all(sets_no_hydra(file) for file in conf.rglob("*.yaml"))
    file = conf / name
    file.parent.mkdir(exist_ok=True)
    file.write_text(HOSTILE[name])
    assert not sets_no_hydra(file)
    with pytest.raises(UserError, match="by which code can run: give --config-dir again"):
        recorded_config_dir(conf.parent, {"config_dir": {"path": str(conf)}}, [])


def test_a_recorded_root_of_the_disk_is_not_walked_through(conf: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("seesaw.training.own_folder.MOST_FOLDERS", 2)
    with pytest.raises(UserError, match="more folders than a configuration does"):
        recorded_config_dir(conf.parent, {"config_dir": {"path": str(conf)}}, [])


BROKEN = {
    "a bracket": (b"d: {_target_: [", "conf/loss/broken.yaml, line 2: this is no YAML: did not find expected node content"),
    "a tab": (b"d: 1\n\tg: 2", "conf/loss/broken.yaml, line 2: this is no YAML: "),
    "no text": (b"\xff\xfe\x00", "conf/loss/broken.yaml: this is no YAML: it must be text in UTF-8"),
    "a bell": (b"d: \x07", "conf/loss/broken.yaml: this is no YAML: it must be text in UTF-8"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_file_that_is_no_yaml_is_named(case: str, conf: Path, capsys: pytest.CaptureFixture[str]) -> None:
    content, words = BROKEN[case]
    (conf / "loss" / "broken.yaml").write_bytes(content)
    assert main(["train", "--config-dir", "conf", "loss=broken", "model=mlp", "data=digits", "dry_run=true", "trainer=cpu"]) == 1
    err = capsys.readouterr().err
    assert words in err
    assert err.count("\n") == 1
