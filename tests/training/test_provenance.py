"""The commit and the versions that a run notes."""

import os
import subprocess
from pathlib import Path

import pytest
import torch
import wandb

from seesaw.training import provenance as provenance_module
from seesaw.training.provenance import git_state, provenance


def test_provenance_names_the_commit_only_of_a_tracked_checkout(tmp_path: Path) -> None:
    git = ["git", "-C", str(tmp_path), "-c", "user.name=a", "-c", "user.email=a@b"]
    package = tmp_path / "package"
    package.mkdir()
    (package / "x.py").write_text("1\n")
    assert git_state(package) == {"commit": None, "dirty": None}
    subprocess.run([*git, "init", "-q"], check=True)
    subprocess.run([*git, "commit", "-q", "--allow-empty", "-m", "somebody's own"], check=True)
    assert git_state(package) == {"commit": None, "dirty": None}  # in a repository that does not track it
    subprocess.run([*git, "add", "."], check=True)
    subprocess.run([*git, "commit", "-qm", "x"], check=True)
    state = git_state(package)
    assert len(state["commit"]) == 40
    assert state["dirty"] is False
    (package / "x.py").write_text("2\n")
    assert git_state(package) == {**state, "dirty": True}


def test_the_index_of_the_checkout_is_left_alone(tmp_path: Path) -> None:
    """`git status` would write it, under a lock that refuses a commit of the user's at the same moment."""
    git = ["git", "-C", str(tmp_path), "-c", "user.name=a", "-c", "user.email=a@b"]
    (tmp_path / "x.py").write_text("1\n")
    for command in (["init", "-q"], ["add", "."], ["commit", "-qm", "x"]):
        subprocess.run([*git, *command], check=True)
    index = (tmp_path / ".git" / "index").read_bytes()
    os.utime(tmp_path / "x.py", (1, 1))
    assert git_state(tmp_path)["dirty"] is False
    assert (tmp_path / ".git" / "index").read_bytes() == index


def test_provenance_works_without_git(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    assert provenance()["git"] == {"commit": None, "dirty": None}
    versions = provenance()["versions"]
    assert versions["torch"] == torch.__version__.split("+")[0]
    assert versions["wandb"] == wandb.__version__
    assert set(provenance_module.PACKAGES) <= set(versions)
