"""Real runs beside each other: what they note of themselves, and under which names they are compared."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from PIL import Image

from seesaw.analysis.compare import text
from seesaw.analysis.compare.groups import Comparison, compare_runs
from seesaw.analysis.compare.reading import find, parent_of, read
from seesaw.cli.train import main as train
from seesaw.training.run_folder import read_status

TINY = ["model=mlp", "model.G.widths=[8]", "model.D.widths=[8]", "data.resolution=16", "batch_size=16", "trainer=cpu",
        "logger=csv", "kimg=0.064", "metrics.n=64"]  # fmt: skip


def compared(path: Path) -> Comparison:
    folders = find([path])
    return compare_runs(parent_of(folders), *read(folders), None)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, no_curves: None) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", sys.argv[:])
    monkeypatch.setenv("SEESAW_CACHE", str(tmp_path / "cache"))
    return tmp_path


def test_a_real_sweep_is_named_as_it_was_typed(here: Path) -> None:
    typed = ["loss=hinge,minimax", "balance=none,[ttur,skip_d]"]
    assert train(["-m", *TINY, *typed, "hydra.sweep.dir=sweep"]) == 0
    assert train([*TINY, "loss=hinge", "seed=5", "run_dir=sweep/alone"]) == 0
    comparison = compared(here / "sweep")
    (table,) = comparison.tables
    assert dict(table.groups.counted) == {
        "loss=hinge balance=none": 2, "loss=hinge balance=ttur+skip_d": 1,
        "loss=minimax balance=none": 1, "loss=minimax balance=ttur+skip_d": 1,
    }  # fmt: skip
    assert comparison.same == "model=mlp data=digits"
    assert [key.path for key in comparison.keys] == ["loss", "balance"]


def test_parts_of_a_model_are_named_as_they_were_typed_and_what_was_not_measured_has_still_finished(here: Path) -> None:
    Image.effect_noise((64, 64), 60).save(here / "noise.png")
    style = ["model=style_transfer", "data.content=noise.png", "data.style=noise.png", "data.size=64", "model.scales=1"]
    rest = ["kimg=0.002", "trainer=cpu", "logger=csv", "hydra.sweep.dir=sweep"]
    assert train(["-m", *style, *rest, "model/style=gram,wasserstein"]) == 0
    comparison = compared(here / "sweep")
    (table,) = comparison.tables
    assert text.cells(table)[["group", "runs"]].values.tolist() == [["style=gram", "1"], ["style=wasserstein", "1"]]
    assert comparison.same == "model=style_transfer data=style_pair"
    assert [key.path for key in comparison.keys] == ["model.style", "model.style.weight"]
    assert train([*TINY, "data.resolution=32", "run_dir=sweep/gan"]) == 0  # beside it their loss is none
    found = [name for table in compared(here / "sweep").tables for name in table.groups.index]
    assert found == ["model=mlp", "model=style_transfer style=gram", "model=style_transfer style=wasserstein"]


@pytest.mark.slow
def test_a_killed_run_has_noted_its_protocol(here: Path) -> None:
    """A real run, killed as soon as its status is running; it is compared to one of the same protocol, and to one of another."""
    assert train([*TINY, "run_dir=runs/whole"]) == 0
    program = "import sys; from seesaw.cli.train import main; sys.exit(main(sys.argv[1:]))"
    endless = [*TINY[:-2], "kimg=10000", "evaluate_kimg=10000", "metrics.n=64", "seed=2", "run_dir=runs/killed"]
    running = subprocess.Popen([sys.executable, "-c", program, *endless])
    end = time.monotonic() + 300
    while read_status(here / "runs" / "killed").get("state") != "running":
        assert running.poll() is None
        assert time.monotonic() < end
        time.sleep(0.05)
    os.kill(running.pid, signal.SIGKILL)
    assert running.wait() == -signal.SIGKILL
    whole, killed = (read_status(here / "runs" / name) for name in ("whole", "killed"))
    assert killed["protocol"] == whole["protocol"] != ""
    assert (killed["metric"], killed["choices"]) == ("frechet_digits", whole["choices"])
    (table,) = compared(here / "runs").tables
    assert table.protocol == whole["protocol"]
    assert table.groups[["counted", "runs"]].values.tolist() == [[1, 1], [0, 1]]
