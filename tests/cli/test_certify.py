"""`seesaw certify` on whole run folders."""

import json
from pathlib import Path

import pytest
from PIL import Image
from tiny_run import TINY, tiny_run, write_run

from seesaw.cli.main import main as seesaw
from seesaw.training.preflight import compose_checked


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SEESAW_CACHE", raising=False)
    return tmp_path


def test_the_report_of_a_run_with_held_out_images(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tiny_run(here / "run", "data.holdout=0.2")
    assert seesaw(["certify", "run"]) == 0
    said = capsys.readouterr().out
    assert (here / "run/certificate.txt").read_text(encoding="utf-8") in said
    found = json.loads((here / "run/certificate.json").read_text(encoding="utf-8"))
    assert found["held_out"]["images"] + found["training"]["images"] == 1797
    assert found["held_out"]["hash"] != found["training"]["hash"]
    assert {"near", "authentic", "authentic_reals", "c_t", "fld_gap", "duplicates", "r_v"} <= set(found["figures"])
    assert found["state"] == "undecided"  # an untrained generator
    with Image.open(here / "run/certificate.png") as sheet:
        assert sheet.size == (8 * (64 + 2) + 2, 6 * (64 + 2) + 2)


def test_without_held_out_images_and_of_what_cannot_be_certified(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tiny_run(here / "run", "metrics.n=48")
    assert seesaw(["certify", "run/checkpoints/last.ckpt", "--raw"]) == 0
    assert "held out: none" in capsys.readouterr().out
    write_run(here / "none", compose_checked([*(o for o in TINY if o != "metrics.n=64"), "metrics=none"]))
    assert seesaw(["certify", "none"]) == 1
    assert "metrics=none" in capsys.readouterr().err
