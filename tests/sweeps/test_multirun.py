"""Sweeps: every job records how it ended, from whatever process; W&B shows them under one heading."""

import os
import re
import sys
from pathlib import Path
from typing import Any

import pytest
from hydra import compose, initialize_config_dir
from offline_wandb import read_run

from seesaw.cli.train import main
from seesaw.config.options import config_dir
from seesaw.errors import UserError
from seesaw.sweeps.launchers import need_launcher, share_threads
from seesaw.sweeps.multirun import SweepCallback, lost, planned_jobs
from seesaw.sweeps.records import jobs_of
from seesaw.training.error_messages import error_message
from seesaw.training.preflight import check_single_device
from seesaw.training.run_folder import Job, read_status

TRAIN = Path(__file__).parents[2] / "train.py"
SMALL = ["model=mlp", "data.resolution=16", "batch_size=16", "trainer=cpu", "kimg=0.064", "metrics=none"]
CHOICES = {"model": "mlp", "data": "digits", "balance": "none", "loss": "hinge", "trainer": "cpu"}


def job(folder: Path, number: int = 0, **more: Any) -> Job:
    return Job(CHOICES, [f"seed={number}"], sweep_dir=folder, number=number, **more)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setattr(sys, "argv", sys.argv[:])
    return tmp_path


def test_a_sweep_of_two_with_a_wrong_value(here: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """The wrong one fails before a run folder is decided, and records so in its own folder; the other is a W&B run."""
    assert main(["-m", *SMALL, "seed=-1,3", "balance=[ttur,skip_d]", "hydra.sweep.dir=runs/two"]) == 1
    err = capfd.readouterr().err
    assert "seesaw: 1 of 2 jobs failed (traces: runs/two/<job>/log.txt):\n" in err
    assert "  job 0  seed=-1: seed: -1 is out of range; give at least 0\n" in err
    status = read_status(here / "runs/two/0")
    assert (status["state"], status["exit_code"]) == ("failed", 1)
    assert status["reason"] == "seed: -1 is out of range; give at least 0"
    assert status["overrides"] == [*SMALL, "seed=-1", "balance=[ttur,skip_d]"]
    log = (here / "runs/two/0/log.txt").read_text()
    assert "Traceback (most recent call last)" in log
    assert "UserError: seed: -1 is out of range" in log
    assert read_status(here / "runs/two/1")["state"] == "finished"
    run = read_run(here / "runs/two/1/wandb")
    assert run.exit_code == 0
    assert (run.facts["group"], run.facts["name"], run.facts["job_type"]) == ("two", "seed=3", "train")
    assert run.facts["tags"][:4] == ["model=mlp", "data=digits", "balance=ttur+skip_d", "loss=non_saturating"]
    assert not (here / "runs/two/0/wandb").exists()


def test_jobs_without_a_place_fail_and_the_others_run(here: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Of one the folder is a file; of another the disk is full when it records that it begins."""
    (here / "s/1").mkdir(parents=True)
    (here / "s/0").touch()
    (here / f"s/1/.job.tmp{os.getpid()}.json").symlink_to("/dev/full")
    assert main(["-m", *SMALL, "seed=0,1,2", "logger=csv", "hydra.sweep.dir=s"]) == 1
    err = capfd.readouterr().err
    lines = err[err.index("seesaw: 2 of 3 jobs failed") :].splitlines()
    assert lines[1] == "  job 0  seed=0: s/0 is a file where the folder of the job belongs; move it away"
    assert lines[2].startswith("  job 1  seed=1: s/1/job.json cannot be written: the disk is full")
    assert len(lines) == 3
    assert "Traceback" not in err
    assert [job.state for job in jobs_of(here / "s")] == ["failed", "finished"]


def test_paths_are_relative_to_where_the_command_was_given(
    here: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever Hydra makes the working directory of a job, which is the folder of the sweep."""
    monkeypatch.setenv("SEESAW_CACHE", "cache")  # the run of all tests may have one elsewhere
    options = ["metrics=digits", "metrics.n=64", "seed=-1,-2,3", "logger=csv", "hydra.job.chdir=true"]
    assert main(["-m", *SMALL[:-1], *options, "hydra.sweep.dir=runs/a"]) == 1
    assert (
        "seesaw: 2 of 3 jobs failed (traces: runs/a/<job>/log.txt):\n  job 0  seed=-1: seed: " in capfd.readouterr().err
    )
    assert read_status(here / "runs/a/2")["state"] == "finished"
    assert sorted(path.name for path in here.iterdir()) == ["cache", "runs"]
    assert sorted(path.name for path in (here / "runs/a").iterdir()) == ["0", "1", "2", "multirun.yaml"]
    assert Path.cwd() == here


def test_a_sweep_that_cannot_have_its_folder_is_one_sentence(here: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (here / "s").touch()
    assert main(["-m", *SMALL, "seed=1,2", "hydra.sweep.dir=s"]) == 1
    expected = "seesaw: s is a file where the folder of the sweep belongs; choose another hydra.sweep.dir\n"
    assert capfd.readouterr().err == expected


def test_a_single_run_is_tagged_and_leaves_its_trace(here: Path, capfd: pytest.CaptureFixture[str]) -> None:
    from seesaw.gan.module import GAN

    def breaks(self: Any, *args: Any) -> None:
        raise RuntimeError("broken on purpose")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(GAN, "training_step", breaks)
        assert main([*SMALL, "run_dir=alone", "logger.wandb.tags=[mine]"]) == 1
    shown = "seesaw: unexpected RuntimeError: broken on purpose; the trace is in alone/log.txt"
    assert shown in capfd.readouterr().err
    assert "in breaks" in (here / "alone/log.txt").read_text()
    assert read_status(here / "alone")["state"] == "failed"
    run = read_run(here / "alone/wandb")
    assert run.facts["group"].startswith("mlp-digits-non_saturating-")
    assert set(run.facts["tags"]) >= {"model=mlp", "data=digits", "balance=none", "loss=non_saturating", "mine"}
    assert run.exit_code == 1


def test_an_error_without_a_run_folder_leaves_its_trace_elsewhere() -> None:
    place = re.search(r"the trace is in (\S+),", error_message(RuntimeError("x"), []))
    assert place is not None
    assert "RuntimeError: x" in Path(place.group(1)).read_text()


def test_names_are_the_overrides_that_vary() -> None:
    with initialize_config_dir(str(config_dir()), version_base="1.3"):
        task = ["seed=1,2", "balance=none,[ttur,skip_d]", "kimg=3", "data=digits", "optimizer.G.lr=range(1,3)"]
        cfg = compose("train", ["kimg=3"], return_hydra_config=True)
    cfg.hydra.overrides.task = task
    keys, names = planned_jobs(cfg)
    assert keys == {"seed", "balance", "optimizer.G.lr"}
    assert names[:2] == ["seed=1 balance=none optimizer.G.lr=1", "seed=1 balance=none optimizer.G.lr=2"]
    assert len(names) == 8


@pytest.mark.parametrize(
    ("trainer", "words"),
    [
        ({"devices": 2}, "devices is 2"),
        ({"devices": [0, 1]}, "devices is"),
        ({"devices": 1, "num_nodes": 2}, "num_nodes is 2"),
    ],
)
def test_several_devices_in_a_sweep_are_refused(trainer: dict[str, Any], words: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=words + r".*a job of a sweep or search takes one device"):
        check_single_device({"trainer": trainer}, job(tmp_path))
    check_single_device({"trainer": trainer}, Job(CHOICES))
    check_single_device({"trainer": {"devices": [1]}}, job(tmp_path))


def test_a_launcher_that_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    need_launcher(["-m", "hydra/launcher=joblib", "hydra/launcher=submitit_local"])
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"needs the package hydra-joblib-launcher: pip install 'seesaw-gan\[sweep\]'"):
        need_launcher(["-m", "hydra/launcher=joblib"])


def test_submitit_s_processes_get_a_thread_each(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "0")
    monkeypatch.delenv("OMP_NUM_THREADS")
    share_threads({"_target_": "x.JoblibLauncher"})
    assert "OMP_NUM_THREADS" not in os.environ
    share_threads({"_target_": "x.LocalLauncher", "cpus_per_task": None})
    assert os.environ["OMP_NUM_THREADS"] == "1"
    share_threads({"_target_": "x.LocalLauncher", "cpus_per_task": 3})
    assert os.environ["OMP_NUM_THREADS"] == "1"  # whoever set it decides


def test_the_command_that_goes_on_can_be_pasted_into_a_shell(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(SweepCallback, "folder", Path("my runs/a;b"))
    error = type("TerminatedWorkerError", (Exception,), {})()
    text = lost(error)
    assert text is not None
    assert text.endswith(""" resume=auto 'hydra.sweep.dir='"'"'my runs/a;b'"'"''""")
    assert lost(ValueError()) is None
