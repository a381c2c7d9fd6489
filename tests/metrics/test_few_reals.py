"""A run measured against fewer reals than two halves need."""

import json
from pathlib import Path

import pytest
from tiny_run import tiny_run

from seesaw.cli.main import main


def test_three_reals_have_no_distance_of_their_halves(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tiny_run(tmp_path / "run")
    command = ["evaluate", str(tmp_path / "run"), "data.limit=3", "metrics.n=8", f"cache_dir={tmp_path}/cache"]
    assert main(command) == 0
    out, err = capsys.readouterr()
    assert "one half of reals to other  nan" in out
    assert "Traceback" not in err
    assert json.loads((tmp_path / "run/evaluations.jsonl").read_text())["half_floor"] is None
