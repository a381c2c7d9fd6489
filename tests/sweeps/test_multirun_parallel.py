"""Jobs of a sweep in processes of their own: how they are reported, and how they end with a signal, a kill, or their sweep."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from offline_wandb import read_run

from seesaw.sweeps.process import lives
from seesaw.sweeps.records import STOP, jobs_of
from seesaw.training.run_folder import read_status

TRAIN = Path(__file__).parents[2] / "train.py"
SMALL = ["model=mlp", "data.resolution=16", "batch_size=16", "trainer=cpu", "kimg=0.064", "metrics=none"]
LAUNCHERS = ["joblib", "submitit_local"]


Start = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Begins a sweep under a launcher, in a process group of its own as a terminal's shell does; ends what is left of it."""
    begun = []

    def start(launcher: str, *arguments: str) -> subprocess.Popen[str]:
        given = {text.partition("=")[0] for text in arguments}  # a group may stand once
        workers = ["hydra.launcher.n_jobs=2"] if launcher == "joblib" else []
        options = [*(s for s in SMALL if s.partition("=")[0] not in given), *arguments, *workers]
        command = [sys.executable, str(TRAIN), "-m", f"hydra/launcher={launcher}", *options]
        env = os.environ | {"WANDB_MODE": "offline"}
        begun.append(
            subprocess.Popen(
                command, cwd=tmp_path, env=env, text=True, start_new_session=True,
                stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            )
        )  # fmt: skip
        return begun[-1]

    yield start
    for running in begun:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(running.pid, signal.SIGKILL)
        running.wait()


def endless(start: Start, folder: Path, launcher: str = "joblib") -> subprocess.Popen[str]:
    """Endless jobs under a launcher, returned when two of them train; under joblib two more wait."""
    seeds = "seed=0,1,2,3" if launcher == "joblib" else "seed=0,1"
    running = start(launcher, "kimg=100000", "logger=none", seeds, "hydra.sweep.dir=s")
    wait_for(lambda: all((folder / "s" / str(k) / "metrics.csv").exists() for k in range(2)), running, seconds=400)
    return running


def wait_for(condition: Callable[[], bool], running: subprocess.Popen[str] | None = None, seconds: float = 100) -> None:
    """Wait until the condition holds, while a process runs."""
    end = time.monotonic() + seconds
    while not condition():
        assert running is None or running.poll() is None
        assert time.monotonic() < end
        time.sleep(0.1)


@pytest.mark.slow
@pytest.mark.parametrize("launcher", LAUNCHERS)
def test_jobs_in_other_processes(launcher: str, start: Start, tmp_path: Path) -> None:
    """The failure is named although it happened elsewhere, and the shared cache, cold at first, is whole."""
    running = start(launcher, "metrics=digits", "metrics.n=64", "seed=0,1,-1", "hydra.sweep.dir=three")
    out, err = running.communicate(timeout=500)
    assert running.returncode == 1, err
    assert "seesaw: 1 of 3 jobs failed" in err
    assert "  job 2  seed=-1: seed: -1 is out of range; give at least 0\n" in err
    if launcher == "joblib":  # submitit keeps what its processes print
        assert "job 0 finished: seed=0\n" in out
    assert [read_status(tmp_path / "three" / str(k))["state"] for k in range(3)] == ["finished", "finished", "failed"]
    runs = [read_run(tmp_path / "three" / str(k) / "wandb") for k in range(2)]
    assert [run.facts["name"] for run in runs] == ["seed=0", "seed=1"]
    assert {run.facts["group"] for run in runs} == {"three"}
    assert "img/s" in (tmp_path / "three/0/log.txt").read_text()
    assert "Traceback" in (tmp_path / "three/2/log.txt").read_text()
    assert len(list((tmp_path / "cache/reference").iterdir())) == 1


def assert_saved(folder: Path, numbers: range) -> None:
    """The jobs were interrupted, and can go on."""
    for k in numbers:
        assert read_status(folder / "s" / str(k))["state"] == "interrupted"
        assert (folder / "s" / str(k) / "checkpoints/last.ckpt").is_file()


@pytest.mark.slow
def test_a_signal_ends_parallel_jobs_saved_and_keeps_the_rest_from_beginning(start: Start, tmp_path: Path) -> None:
    running = endless(start, tmp_path)
    running.send_signal(signal.SIGTERM)
    _, err = running.communicate(timeout=200)
    assert running.returncode == 143, err
    assert [job.state for job in jobs_of(tmp_path / "s")] == ["interrupted", "interrupted", "stopped", "stopped"]
    assert_saved(tmp_path, range(2))
    assert STOP in {path.name for path in (tmp_path / "s").iterdir()}


@pytest.mark.slow
def test_a_job_whose_process_is_killed_is_named(start: Start, tmp_path: Path) -> None:
    running = endless(start, tmp_path)
    os.kill(jobs_of(tmp_path / "s")[1].pid, signal.SIGKILL)
    _, err = running.communicate(timeout=200)
    assert running.returncode == 1
    assert "seesaw: a process of the sweep was killed (out of memory, or the disk full?)" in err
    assert "  job 1  seed=1: it ended without a word: killed, out of memory, or the disk full" in err
    assert "Traceback" not in err


@pytest.mark.slow
@pytest.mark.parametrize("launcher", LAUNCHERS)
def test_ctrl_c_reaches_all_processes_and_the_jobs_save(launcher: str, start: Start, tmp_path: Path) -> None:
    """A terminal sends it to the sweep, to its jobs, and to submitit's controllers between them, which would kill the jobs."""
    running = endless(start, tmp_path, launcher)
    os.killpg(running.pid, signal.SIGINT)
    out, err = running.communicate(timeout=200)
    assert running.returncode == 130, err
    assert "Traceback" not in out + err
    assert [job.state for job in jobs_of(tmp_path / "s")][:2] == ["interrupted", "interrupted"]
    assert_saved(tmp_path, range(2))
    assert "Traceback" not in "".join(path.read_text() for path in (tmp_path / "s").rglob("*log.err"))


@pytest.mark.slow
@pytest.mark.parametrize("launcher", LAUNCHERS)
def test_jobs_save_and_end_when_their_sweep_is_killed(launcher: str, start: Start, tmp_path: Path) -> None:
    """Nobody else would end them; the two that wait in joblib's queue must not begin."""
    running = endless(start, tmp_path, launcher)
    workers = [job.pid for job in jobs_of(tmp_path / "s")]
    assert len(workers) == 2
    running.kill()
    running.wait()
    wait_for(lambda: not any(lives(pid) for pid in workers), seconds=120)
    assert [job.state for job in jobs_of(tmp_path / "s")] == ["interrupted", "interrupted"]
    assert_saved(tmp_path, range(2))


@pytest.mark.slow
def test_a_time_limit_of_submitit_saves_and_ends_as_interrupted(start: Start, tmp_path: Path) -> None:
    """Its notice, SIGUSR2, comes half a minute before the limit of one minute; the sweep has not failed."""
    options = ["kimg=100000", "logger=none", "seed=0", "hydra.launcher.timeout_min=1", "hydra.sweep.dir=s"]
    running = start("submitit_local", *options)
    _, err = running.communicate(timeout=200)
    assert running.returncode == 0, err
    assert "1 of 1 jobs ended before their length; go on by the same command with resume=auto hydra.sweep.dir=s" in err
    assert read_status(tmp_path / "s/0")["exit_code"] == 128 + signal.SIGUSR2
    assert_saved(tmp_path, range(1))


@pytest.mark.slow
def test_a_lost_job_of_submitit_does_not_end_the_others(start: Start, tmp_path: Path) -> None:
    running = start("submitit_local", "kimg=3,100000", "logger=none", "hydra.sweep.dir=s")
    wait_for(lambda: (tmp_path / "s/1/metrics.csv").exists(), running, seconds=400)
    os.kill(jobs_of(tmp_path / "s")[1].pid, signal.SIGKILL)
    _, err = running.communicate(timeout=300)
    assert running.returncode == 1
    assert "Traceback" not in err
    assert "  job 1  kimg=100000: it ended without a word" in err
    assert jobs_of(tmp_path / "s")[0].state == "finished"
