"""Whole runs of two processes: one folder, one process's figures, signals, deaths, and another number of devices afterwards."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch

from seesaw.cli.main import main as seesaw
from seesaw.training.loggers.csv_log import read_metrics
from seesaw.training.run_folder import read_status

REPOSITORY = Path(__file__).parents[2]
SMALL = (
    "data.resolution=16", "model.G.width=4", "model.D.width=4", "batch_size=16", "trainer=cpu", "log_kimg=0.16",
    "logger=none", "metrics.n=300", "metrics.batch_size=64", "metrics.raw=true", "evaluate_kimg=0.4", "sample_kimg=0.4",
    "checkpoint_kimg=0.4", "precision=exact",
)  # fmt: skip
ENDLESS = ("kimg=1000", "evaluate_kimg=500", "sample_kimg=500", "checkpoint_kimg=500")

pytestmark = pytest.mark.slow


def started(*arguments: str, cwd: Path, by: tuple[str, ...] = (sys.executable,)) -> subprocess.Popen[str]:
    command = [*by, str(REPOSITORY / "train.py"), *SMALL, *arguments]
    env = os.environ | {"OMP_NUM_THREADS": "1", "SEESAW_CACHE": str(cwd / "cache")}
    return subprocess.Popen(command, cwd=cwd, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def ended(*arguments: str, cwd: Path, by: tuple[str, ...] = (sys.executable,)) -> str:
    running = started(*arguments, cwd=cwd, by=by)
    out, _ = running.communicate(timeout=500)
    assert running.returncode == 0, out
    return out


def until_it_trains(running: subprocess.Popen[str], run: Path) -> list[int]:
    """Wait for some windows of statistics; returns the processes that the first one started."""
    end = time.monotonic() + 300
    while not ((run / "metrics.csv").exists() and (run / "metrics.csv").stat().st_size > 700):
        assert running.poll() is None, running.stdout.read() if running.stdout else ""
        assert time.monotonic() < end
        time.sleep(0.05)
    found = subprocess.run(["ps", "-o", "pid=", "--ppid", str(running.pid)], capture_output=True, text=True, check=True)
    return [int(line) for line in found.stdout.split()]


def gone(pid: int, seconds: float) -> bool:
    """Whether the process ends, or only waits to be buried, within so many seconds."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            return True
        if state == "Z":
            return True
        time.sleep(0.1)
    return False


def weights(run: Path) -> dict[str, torch.Tensor]:
    state = torch.load(run / "checkpoints/last.ckpt", weights_only=True)["state_dict"]
    return {k: v for k, v in state.items() if isinstance(v, torch.Tensor)}


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run of two processes, with a gate."""
    folder = tmp_path_factory.mktemp("two")
    out = ended("kimg=0.8", "trainer.devices=2", "balance=[ttur,skip_d]", "run_dir=run", cwd=folder)
    assert out.count("run folder: run") == out.count("finished 0.8 kimg: run") == 1
    return folder / "run"


def test_one_process_measures_the_same_figures(two: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the average and of the raw generator, whose BatchNorm is the mean over the ranks in the file too."""
    monkeypatch.chdir(two.parent)
    status = read_status(two)
    for options, ending in (([], ""), (["--raw"], "_raw")):
        assert seesaw(["evaluate", "run", *options]) == 0
        row = json.loads((two / "evaluations.jsonl").read_text().splitlines()[-1])
        for name in ("frechet_digits", "kernel_digits", "valid_digits"):
            assert row[name] == pytest.approx(status[f"last/{name}{ending}"], rel=1e-5)


def test_the_folder_is_one_run_s(two: Path) -> None:
    assert read_status(two)["state"] == "finished"
    rows = read_metrics(two / "metrics.csv")
    assert [row["images"] for row in rows] == sorted({row["images"] for row in rows})
    assert rows[-1]["images"] == 800
    assert len(list((two / "samples").glob("*.png"))) == 3
    assert sorted(p.name for p in two.parent.iterdir()) == ["cache", "run"]


def test_another_number_of_devices_goes_on(two: Path) -> None:
    """Two to one to two, and torchrun; the sampler goes on at the same image."""
    run = ("balance=[ttur,skip_d]", "run_dir=run", "resume=auto")
    ended("kimg=1.2", *run, cwd=two.parent)
    assert read_status(two)["kimg"] == 1.2
    by = (sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2")
    out = ended("kimg=1.6", "trainer.devices=2", *run, cwd=two.parent, by=by)
    assert out.count("finished 1.6 kimg: run") == 1
    assert [row["images"] for row in read_metrics(two / "metrics.csv")][-1] == 1600


def test_an_exact_resume_of_two_processes_is_bit_equal(tmp_path: Path) -> None:
    options = ("trainer.devices=2", "balance=[ttur,skip_d,lecam]", "balance.lecam.start_kimg=0.1", "schedule=constant")
    ended("kimg=0.8", *options, "run_dir=unbroken", cwd=tmp_path)
    ended("kimg=0.4", *options, "run_dir=broken", cwd=tmp_path)
    ended("kimg=0.8", *options, "run_dir=broken", "resume=auto", cwd=tmp_path)
    other = weights(tmp_path / "broken")
    assert all(torch.equal(value, other[name]) for name, value in weights(tmp_path / "unbroken").items())


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
@pytest.mark.parametrize("rank", [0, 1])
def test_a_signal_to_any_process_saves_and_ends_all(number: int, code: int, rank: int, tmp_path: Path) -> None:
    running = started(*ENDLESS, "trainer.devices=2", "run_dir=run", cwd=tmp_path)
    (child,) = until_it_trains(running, tmp_path / "run")
    os.kill((running.pid, child)[rank], number)
    out, _ = running.communicate(timeout=120)
    assert running.returncode == code, out
    assert gone(child, seconds=5)
    assert out.count("stopped at") == 1
    assert "Traceback" not in out
    saved = torch.load(tmp_path / "run/checkpoints/last.ckpt", weights_only=True)
    status = read_status(tmp_path / "run")
    assert (status["state"], status["exit_code"]) == ("interrupted", code)
    assert saved["progress"]["images_shown"] == status["images_shown"] > 0


def test_a_killed_rank_ends_the_run_within_a_minute_with_its_name(tmp_path: Path) -> None:
    running = started(*ENDLESS, "trainer.devices=2", "run_dir=run", cwd=tmp_path)
    (child,) = until_it_trains(running, tmp_path / "run")
    os.kill(child, signal.SIGKILL)
    out, _ = running.communicate(timeout=60)
    assert running.returncode == 1
    assert f"seesaw: rank 1 (process {child}) was killed by SIGKILL, so the run ends" in out
    assert "Traceback" not in out
    assert read_status(tmp_path / "run")["state"] == "failed"


def test_when_rank_0_is_killed_the_others_end_within_a_minute(tmp_path: Path) -> None:
    running = started(*ENDLESS, "trainer.devices=2", "run_dir=run", cwd=tmp_path)
    (child,) = until_it_trains(running, tmp_path / "run")
    running.kill()
    out, _ = running.communicate(timeout=60)  # the pipe is the child's too
    assert gone(child, seconds=1)
    assert f"seesaw: rank 0 (process {running.pid}) has ended, so rank 1 ends too" in out


def test_a_rank_that_hangs_without_the_dead_one_is_ended(tmp_path: Path) -> None:
    """As under NCCL, which does not notice a death: rank 0 is held by the evaluation's extractor while rank 1 dies."""
    program = (
        "import sys, time, seesaw.metrics.evaluator as e, seesaw.training.launcher as p\n"
        "e.Evaluator.features = lambda *_: (open('held', 'w').close(), time.sleep(600))\n"
        "p.GRACE_SECONDS = 2.0\n"
        "from seesaw.cli.train import main\n"
        "sys.exit(main(sys.argv[1:]))\n"
    )
    script = tmp_path / "train.py"
    script.write_text(program)
    env = os.environ | {"OMP_NUM_THREADS": "1"}
    command = [sys.executable, str(script), *SMALL, "kimg=1", "trainer.devices=2", "run_dir=run"]
    running = subprocess.Popen(
        command, cwd=tmp_path, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    end = time.monotonic() + 300
    while not (tmp_path / "held").exists():
        assert running.poll() is None
        assert time.monotonic() < end
        time.sleep(0.1)
    found: Any = subprocess.run(["ps", "-o", "pid=", "--ppid", str(running.pid)], capture_output=True, text=True)
    child = int(found.stdout.split()[0])
    os.kill(child, signal.SIGKILL)
    out, _ = running.communicate(timeout=60)
    assert running.returncode == 1
    assert f"rank 1 (process {child}) was killed by SIGKILL" in out
    assert read_status(tmp_path / "run")["state"] == "failed"
