"""The Dockerfile's commands, run by a shell with stand-ins for what they call: no engine is needed to see what they would do."""

import os
import re
import subprocess
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def instructions(kind: str) -> list[str]:
    joined = re.sub(r"\\\n", " ", (ROOT / "Dockerfile").read_text())
    return [line.removeprefix(kind).strip() for line in joined.splitlines() if line.startswith(f"{kind} ")]


def called(tmp_path: Path, **arguments: str) -> list[list[str]]:
    """The words of every command that the RUN lines start, with these build arguments."""
    log = tmp_path / "log"
    for name in ("python", "useradd", "install"):
        stand_in = tmp_path / name
        stand_in.write_text(f'#!/bin/sh\nprintf "%s\\t" {name} "$@" >> {log}\necho >> {log}\n')
        stand_in.chmod(0o755)
    declared = dict(line.replace('"', "").split("=", 1) for line in instructions("ARG"))
    assert set(arguments) <= set(declared)
    for line in instructions("RUN"):
        environment = {**declared, **arguments, "PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}"}
        subprocess.run(["/bin/sh", "-c", line], env=environment, check=True)
    return [line.rstrip("\t").split("\t") for line in log.read_text().splitlines()]


def pip_installs(commands: list[list[str]]) -> list[list[str]]:
    return [words[4:] for words in commands if words[:4] == ["python", "-m", "pip", "install"]]


@pytest.mark.parametrize("index", ["", "https://index.example/cpu"])
def test_torch_comes_from_the_index_that_is_asked_for(tmp_path: Path, index: str) -> None:
    torch, package = pip_installs(called(tmp_path, TORCH_INDEX=index))
    assert torch[:-2] == (["--index-url", index, "--no-deps"] if index else [])
    assert package == [".[tensorboard]"]


def test_what_is_installed_is_what_the_project_asks_for(tmp_path: Path) -> None:
    """The early layer takes the project's own bounds; the extras exist."""
    torch, (package,) = pip_installs(called(tmp_path))
    asked = {Requirement(each).name: Requirement(each) for each in PROJECT["dependencies"]}
    for each in torch:
        assert Requirement(each) == asked[Requirement(each).name]
    extras = Requirement(f"seesaw{package.removeprefix('.')}").extras
    assert extras == {"tensorboard"}
    assert extras <= set(PROJECT["optional-dependencies"])


def test_the_entry_is_the_projects_script(tmp_path: Path) -> None:
    (entry,) = instructions("ENTRYPOINT")
    assert entry == '["seesaw", "train"]'
    assert "seesaw" in PROJECT["scripts"]
    assert ["useradd", "--create-home", "--uid", "1000", "seesaw"] in called(tmp_path)
    assert instructions("USER") == ["seesaw"]
