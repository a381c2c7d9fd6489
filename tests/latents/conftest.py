"""What tests of commands that look into latents share: each module has its own `runs`."""

from pathlib import Path

import pytest


@pytest.fixture
def here(runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The module's runs; the current folder is an empty one."""
    monkeypatch.chdir(tmp_path)
    return runs
