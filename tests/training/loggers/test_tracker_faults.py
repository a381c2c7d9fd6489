"""Real runs whose tracker fails: they end with exit code 0 in time, with every row, and one line about the tracker."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from wandb_server import serving

from seesaw.training.loggers.csv_log import read_metrics

SUPPORT = Path(__file__).parents[2] / "support"
SMALL = (
    "model=mlp", "model.G.widths=[8]", "model.D.widths=[8]", "data.resolution=8", "batch_size=16", "metrics=none",
    "kimg=0.128", "log_kimg=0.016", "sample_kimg=0.128", "trainer=cpu", "run_dir=run",
)  # fmt: skip
SHORT = ("logger.wandb.init_timeout=3", "logger.wandb.finish_timeout=3")
LIMIT = 3 + 20  # finish_timeout and 20 s: the promise of 60 s where it is 40


class Ended:
    """A faulty run: its exit code, lines of both outputs, rows, and seconds from the end of training to the process's."""

    def __init__(self, folder: Path, when: str, fault: str, *overrides: str, url: str = "") -> None:
        environment = {name: value for name, value in os.environ.items() if not name.startswith("WANDB_")}
        environment |= {"NETRC": str(folder / "none"), "SEESAW_CACHE": str(folder / "cache")}
        if url:
            environment |= {"WANDB_BASE_URL": url, "WANDB_API_KEY": "0" * 40}
        command = [sys.executable, str(SUPPORT / "faulty_run.py"), when, fault, *SMALL, *overrides]
        with open(folder / "out", "w") as out, open(folder / "err", "w") as err:
            self.process = subprocess.Popen(command, cwd=folder, env=environment, stdout=out, stderr=err)
            self.code = self.process.wait(120)
        ended = time.time()
        self.out, self.err = (folder / "out").read_text(), (folder / "err").read_text()
        self.images = [row["images"] for row in read_metrics(folder / "run" / "metrics.csv")]
        status = folder / "run" / "status.json"
        self.seconds = ended - status.stat().st_mtime if status.exists() else 0.0

    def is_whole(self) -> None:
        assert self.code == 0, self.err
        assert self.images == list(range(16, 129, 16))
        assert "Traceback" not in self.err
        assert self.seconds < LIMIT

    def about(self, title: str) -> list[str]:
        return [line for line in self.err.splitlines() if title in line]


@pytest.mark.slow
@pytest.mark.parametrize("when", ["first", "middle", "end"])
@pytest.mark.parametrize("fault", ["KILL", "STOP"])
def test_the_helper_of_wandb_is_killed_or_stopped(tmp_path: Path, when: str, fault: str) -> None:
    # A dead helper is not waited for: with the default limits a wait would take 48 s.
    run = Ended(tmp_path, when, fault, *(SHORT if fault == "STOP" else ()))
    run.is_whole()
    (line,) = run.about("W&B failed")
    assert "the run goes on without it" in line
    assert "wandb sync --include-online run/wandb/offline-run-" in line
    assert len(run.err.splitlines()) == 1


@pytest.mark.slow
@pytest.mark.parametrize("fault", ["silent", "drips", "401", "404", "500"])
def test_the_server_fails_in_mid_run(tmp_path: Path, fault: str) -> None:
    with serving() as server:
        run = Ended(tmp_path, "middle", f"{server.url}/fault/{fault}", *SHORT, url=server.url)
    run.is_whole()
    assert run.err.splitlines() == [] or len(run.about("W&B failed")) == 1
    last = (run.out + run.err).splitlines()[-1]
    assert "`wandb sync --include-online run/wandb/run-" in last
    if fault in ("401", "404"):
        assert fault in last


@pytest.mark.slow
@pytest.mark.parametrize("fault", ["silent", "drips", "401", "404", "500"])
def test_the_server_fails_at_once(tmp_path: Path, fault: str) -> None:
    with serving() as server:
        server.fault = fault
        run = Ended(tmp_path, "end", "none", *SHORT, url=server.url)
    run.is_whole()
    assert len(run.about("this run is kept offline")) == len(run.err.splitlines()) == 1
    assert "wandb sync run/wandb/offline-run-" in run.out.splitlines()[-1]


@pytest.mark.slow
@pytest.mark.parametrize("when", ["first", "middle"])
def test_the_disk_of_tensorboard_is_full(tmp_path: Path, when: str) -> None:
    run = Ended(tmp_path, when, "disk", "logger=tensorboard")
    run.is_whole()
    (line,) = run.err.splitlines()
    assert line.startswith("TensorBoard failed (OSError: [Errno 28]")


@pytest.mark.slow
def test_without_a_fault_the_server_has_every_row(tmp_path: Path) -> None:
    with serving() as server:
        run = Ended(tmp_path, "end", "none", *SHORT, url=server.url)
        kimg = [row["kimg"] for row in server.rows if "train/loss/D" in row]
    run.is_whole()
    assert run.err == ""
    assert [round(k * 1000) for k in kimg] == run.images
