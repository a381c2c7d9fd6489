"""Runs whose generator is made to repeat one image: what the monitor shows of them, and where."""

import csv
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import wandb
from offline_wandb import read_run

from seesaw.analysis.compare.compare import compare
from seesaw.cli.train import main
from seesaw.monitor.verdict import STATES
from seesaw.training.run_folder import read_status

REPOSITORY = Path(__file__).parents[3]
SMALL = (
    "model=mlp", "model.G.widths=[8]", "model.D.widths=[8]", "data.resolution=8", "batch_size=16", "metrics.n=40", "kimg=0.512",
    "log_kimg=0.032", "evaluate_kimg=0.032", "checkpoint_kimg=0.256", "sample_kimg=0.512", "trainer=cpu", "precision=exact",
)  # fmt: skip
STEPS = 16
FAULT = (
    "packages=[monitor_faults]", "+callbacks.fault._target_=monitor_faults.Repeats", "+callbacks.fault.start=0.3",
    "+callbacks.fault.kimg=0.512", "+callbacks.fault.k=1",
    "monitor.rules.g_dominates.accuracy=0", "monitor.rules.g_dominates.beaten=99",  # so small a D never learns
)  # fmt: skip


def rows(run: Path) -> list[tuple[float, str]]:
    """kimg and the state of each verdict in metrics.csv."""
    with open(run / "metrics.csv", encoding="utf-8") as file:
        found = [(float(row["kimg"]), row["monitor/verdict"]) for row in csv.DictReader(file)]
    return [(kimg, STATES[int(code)]) for kimg, code in found if code]


def notes(run: Path) -> dict[str, Any]:
    return {key: read_status(run)[key] for key in ("verdict", "verdicts")}


def test_a_collapse_is_shown_everywhere_and_ends_a_run_that_is_to_stop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """One alert for the change, not one an evaluation."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WANDB_MODE", "offline")
    assert main([*SMALL, *FAULT, "run_dir=run", "monitor.on_unhealthy=stop", "monitor.patience=4", "monitor.updates=0"]) == 0
    out, run = capsys.readouterr().out, read_run(tmp_path / "run")
    wandb.teardown()
    status, told = read_status(tmp_path / "run"), rows(tmp_path / "run")
    assert [state for _, state in told[-3:]] == ["collapsed"] * 3  # the first of the four was not confirmed yet
    assert status["state"] == "pruned"
    assert status["images_shown"] < 512
    assert status["exit_code"] == 0
    assert status["verdict"]["state"] == "collapsed"
    assert status["verdicts"][-1]["since_kimg"] == pytest.approx(told[-4][0])
    assert status["reason"].startswith("monitor: collapsed since ")
    assert out.count("monitor: collapsed since") == 2  # when it changed, and at the end
    assert "  collapsed  " in out  # the progress line
    assert [text for _, text in run.alerts] == [next(x for x in out.splitlines() if x.startswith("monitor: "))[9:]]
    assert run.summary["monitor"].startswith("collapsed since")
    coded = [row["monitor/verdict"] for row in run.history if "monitor/verdict" in row]
    assert [STATES[int(code)] for code in coded] == [state for _, state in told]
    assert "collapsed" in compare([tmp_path / "run"])
    assert '<span class="bad"' in (tmp_path / "run" / "compare.html").read_text(encoding="utf-8")


@pytest.mark.slow
def test_a_resumed_run_has_the_verdicts_of_the_unbroken_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Resumed from the middle of the collapse that is not confirmed yet, and rows past the checkpoint are cut."""
    monkeypatch.chdir(tmp_path)
    assert main([*SMALL, *FAULT, "logger=none", "run_dir=whole"]) == 0
    assert main([*SMALL, *FAULT, "logger=none", "run_dir=parts", "kimg=0.192", "checkpoint_kimg=0.01"]) == 0
    assert main([*SMALL, *FAULT, "logger=none", "run_dir=parts", "resume=auto"]) == 0
    assert rows(tmp_path / "parts") == rows(tmp_path / "whole")
    assert len(rows(tmp_path / "whole")) == STEPS
    assert notes(tmp_path / "parts")["verdict"] == notes(tmp_path / "whole")["verdict"]


@pytest.mark.slow
def test_two_processes_stop_together(tmp_path: Path) -> None:
    """Each judges for itself; were one to go on, it would wait for the other for ever."""
    command = [sys.executable, str(REPOSITORY / "train.py"), *SMALL, *FAULT, "logger=none", "run_dir=run", "trainer.devices=2",
               "monitor.on_unhealthy=stop", "monitor.updates=0"]  # fmt: skip
    env = os.environ | {"PYTHONPATH": os.pathsep.join([str(REPOSITORY / "studies"), os.environ.get("PYTHONPATH", "")])}
    done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, timeout=400)
    assert done.returncode == 0, done.stderr
    assert read_status(tmp_path / "run")["state"] == "pruned"
    assert rows(tmp_path / "run")[-1][1] == "collapsed"


def test_a_run_that_diverges_has_a_verdict_without_any_evaluation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    huge = ("optimizer=sgd", "optimizer.G.lr=1e15", "optimizer.D.lr=1e15", "evaluate_kimg=0.512", "loss=least_squares")
    small = [one for one in SMALL if not one.startswith("metrics.")]
    assert main([*small, *huge, "logger=none", "run_dir=run", "metrics=none"]) == 1
    status = json.loads((tmp_path / "run" / "status.json").read_text(encoding="utf-8"))
    assert status["state"] == "failed"
    assert status["verdict"]["state"] == "diverging"
    assert "not finite" in status["verdict"]["reason"]
