"""Where a comparison is written."""

from pathlib import Path

import pytest
from left_runs import config, leave

from seesaw.analysis.compare.compare import compare


def test_the_place_is_one_that_was_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("runs/a", "runs/b", "far/c"):
        leave(tmp_path / name, config("none", 1), [30, 20])
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")

    def place(*names: str) -> Path:
        return Path(compare([tmp_path / name for name in names]).splitlines()[-2]).parent.resolve()

    assert place("runs/a") == tmp_path / "runs/a"
    assert place("runs/a", "runs/b") == tmp_path / "runs"
    assert place("runs") == tmp_path / "runs"
    assert place("far") == tmp_path / "far"
    assert place("runs/a", "far/c") == tmp_path / "here"
    assert place("runs", "far") == tmp_path
