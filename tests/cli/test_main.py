"""The command `seesaw`: mistakes are one sentence, in the cheap cases before torch is imported."""

import importlib.metadata
import re
import subprocess
import sys
import tomllib
from importlib.abc import MetaPathFinder
from pathlib import Path

import pytest

from seesaw import __main__ as program
from seesaw.cli.main import main
from seesaw.cli.train import main as train_main
from seesaw.errors import UserError

MISTAKES = {
    "evaluate nope": "nope: there is no such run folder or checkpoint",
    "evaluate .": "holds no last.ckpt; there is no checkpoint yet",
    "sample nope": "nope: there is no such run folder or checkpoint",
    "sample . --count 0": "--count is 0; it must be from 1 to 10000",
    "sample . --psi 3": "--psi is 3.0; it must be from -2 to 2",
    "sample . --out g.xyz": "--out g.xyz: the name must end in .png",
    "evaluate nope data.root=x --raw data.flip=true": "nope: there is no such run folder or checkpoint",
    "sample nope data.root=x data.root=y --package a --package b": "nope: there is no such run folder or checkpoint",
    "prepare balance=ttur balance=pac": "balance is given twice",
    "prepare data=folder data.root=absent": "data.root='absent' does not exist",
    "search learning_rates model=mlp model=dcgan": "model is given twice",
}


@pytest.mark.parametrize("command", MISTAKES)
def test_a_mistake_is_one_sentence(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(command.split()) == 1
    err = capsys.readouterr().err
    assert MISTAKES[command] in err
    assert len(err.splitlines()) == 1


def test_torch_is_not_imported_for_it(tmp_path: Path) -> None:
    program = "from sys import *\nfrom seesaw.cli.main import main\nfor c in argv[1:]: main(c.split())\nprint('torch' in modules)"
    done = subprocess.run(
        [sys.executable, "-c", program, *MISTAKES], cwd=tmp_path, capture_output=True, text=True, timeout=60
    )
    assert done.stdout == "False\n"
    assert len(done.stderr.splitlines()) == len(MISTAKES)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder as the current one, also for traces that are kept."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.delenv("SEESAW_TRACE", raising=False)
    return tmp_path


ERRORS = {
    "prepare": (["prepare", "data=nope"], "data=nope: there is no such option in the group data"),
    "search": (["search", "learning_rates", "kimg=-1"], "kimg: -1 is out of range"),
    "stylize": (["stylize", "a.jpg", "b.jpg", "--set", "kimg=many"], "kimg: 'many' is not allowed; give a number"),
}


@pytest.mark.parametrize("command", ERRORS)
def test_errors_of_composition_are_sentences_in_every_command(
    command: str, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments, words = ERRORS[command]
    assert main(arguments) == 1
    err = capsys.readouterr().err
    assert words in err
    assert len(err.splitlines()) == 1


def test_an_unexpected_error_is_one_line_and_its_trace_is_kept(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*arguments: object) -> None:
        raise RuntimeError("it broke")

    monkeypatch.setattr("seesaw.analysis.compare.compare.compare", fail)
    assert main(["compare", "runs"]) == 1
    err = capsys.readouterr().err
    assert err.startswith("seesaw: unexpected RuntimeError: it broke; the trace is in ")
    assert len(err.splitlines()) == 1
    (log,) = here.glob("*/log.txt")
    assert "in fail" in log.read_text()
    monkeypatch.setenv("SEESAW_TRACE", "1")
    with pytest.raises(RuntimeError, match="it broke"):
        main(["compare", "runs"])


def test_ctrl_c_ends_a_command_with_130(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupt(*arguments: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("seesaw.analysis.compare.compare.compare", interrupt)
    assert main(["compare", "runs"]) == 130
    assert capsys.readouterr().err == "interrupted\n"


def test_ctrl_c_in_the_second_of_the_imports_leaves_no_trace(monkeypatch: pytest.MonkeyPatch) -> None:
    """The installed command begins in a module that imports nothing."""

    class Interrupt(MetaPathFinder):
        def find_spec(self, name: str, *_: object) -> None:
            if name.startswith("seesaw.cli"):
                raise KeyboardInterrupt

    monkeypatch.delitem(sys.modules, "seesaw.cli.main")
    monkeypatch.setattr(sys, "meta_path", [Interrupt(), *sys.meta_path])
    assert program.main() == 130
    scripts = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]["scripts"]
    assert scripts == {"seesaw": f"{program.__name__}:main"}
    alone = [line for line in Path(program.__file__).read_text().splitlines() if re.match("(import|from) ", line)]
    assert alone == ["import sys"]


def test_the_help_of_sample_shows_its_options(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["sample", "--help"])
    text = capsys.readouterr().out
    for option in ("--class CLASS", "--package NAME", "KEY=VALUE", "--seed"):
        assert option in text


def test_what_an_error_quotes_from_a_file_cannot_control_the_terminal(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*arguments: object) -> None:
        raise UserError("größe: 'a\nb\x1b[2J' is wrong")

    monkeypatch.setattr("seesaw.analysis.compare.compare.compare", fail)
    assert main(["compare", "runs"]) == 1
    assert capsys.readouterr().err == "seesaw: größe: 'a\\nb\\x1b[2J' is wrong\n"


VERSION = f"seesaw {importlib.metadata.version('seesaw-gan')}\n"


def test_version_is_printed_without_torch(tmp_path: Path) -> None:
    program = (
        "import sys\nfrom seesaw.cli.main import main\ntry: main(['--version'])\nfinally: print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{VERSION}False\n", "")


def test_training_prints_the_version_too(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for command in (main, train_main):
        assert command(["train", "--version"] if command is main else ["model=nope", "--version"]) == 0
        assert capsys.readouterr().out == VERSION
