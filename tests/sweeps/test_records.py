"""What the jobs of a sweep record, and what is read of it at the end."""

import os
import socket
from pathlib import Path
from typing import Any

import pytest

from seesaw.sweeps.records import (
    UNRECORDED,
    JobStatus,
    failures,
    jobs_of,
    read_aside,
    record_failure,
    record_state,
    unfinished,
)
from seesaw.training.run_folder import Job, Status, read_status

CHOICES = {"model": "mlp", "data": "digits", "balance": "none", "loss": "hinge", "trainer": "cpu"}


def job(folder: Path, number: int = 0, **more: Any) -> Job:
    return Job(CHOICES, [f"seed={number}"], sweep_dir=folder, number=number, **more)


def test_records_are_read_back(tmp_path: Path) -> None:
    record_state(job(tmp_path, 0), "finished")
    record_state(job(tmp_path, 10, varied=["a=1"]), "running")
    record_failure(job(tmp_path, 2), "why", ValueError("because"))
    (tmp_path / "3").mkdir()
    (tmp_path / "3" / "job.json").write_text('{"number": 3')
    assert [(job.number, job.name, job.state) for job in jobs_of(tmp_path)] == [
        (0, "seed=0", "finished"),
        (2, "seed=2", "failed"),
        (10, "a=1", "running"),
    ]
    lines = failures(tmp_path)
    assert lines is not None
    assert lines.splitlines()[0].startswith("2 of 3 jobs failed")
    assert "  job 2  seed=2: why" in lines
    assert "  job 10  a=1: it ended without a word: killed, out of memory, or the disk full" in lines
    record_state(job(tmp_path, 2), "finished")
    record_state(job(tmp_path, 10), "interrupted")
    assert failures(tmp_path) is None


def test_the_status_of_a_run_that_holds_the_folder_is_left_alone(tmp_path: Path) -> None:
    for number, pid in ((0, os.getpid()), (1, os.getpid() + 1)):
        folder = tmp_path / str(number)
        status = Status(folder)
        status.values["pid"] = pid
        status.update("finished", 5000)
        (folder / "checkpoints").mkdir()
        (folder / "checkpoints" / "last.ckpt").touch()
        record_failure(job(tmp_path, number), "already holds a run", ValueError())
    assert read_status(tmp_path / "0")["state"] == "failed"
    assert read_status(tmp_path / "0")["kimg"] == 5.0
    assert read_status(tmp_path / "1")["state"] == "finished"


def test_a_job_without_a_record_has_failed_once_the_sweep_is_over(tmp_path: Path) -> None:
    record_state(job(tmp_path, 1), "finished")
    assert failures(tmp_path) is None
    lines = failures(tmp_path, ["seed=0", "seed=1", "seed=2"])
    assert lines is not None
    assert lines.splitlines() == [
        f"2 of 3 jobs failed (traces: {tmp_path}/<job>/log.txt):",
        f"  job 0  seed=0: it left no record in {tmp_path / '0'}",
        f"  job 2  seed=2: it left no record in {tmp_path / '2'}",
    ]


def test_a_reason_that_no_file_takes_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("seesaw.sweeps.records.UNRECORDED", {})
    (tmp_path / "0").touch()
    record_failure(job(tmp_path), "why", ValueError())
    assert (
        failures(tmp_path, ["seed=0"])
        == f"1 of 1 jobs failed (traces: {tmp_path}/<job>/log.txt):\n  job 0  seed=0: why"
    )


def test_a_job_that_another_process_runs_was_not_killed() -> None:
    running = {"number": 0, "name": "", "state": "running", "host": socket.gethostname()}
    assert not JobStatus(**running, pid=os.getppid()).was_killed
    assert JobStatus(**running, pid=os.getpid()).was_killed  # the process that asks has ended its jobs
    assert JobStatus(**running, pid=2**22 + 1).was_killed


def test_a_job_that_still_runs_when_the_sweep_is_over_was_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its process may live and wait for another job, where the disk was too full to record how this one ended."""
    with monkeypatch.context() as patch:
        patch.setattr("os.getpid", os.getppid)
        record_state(job(tmp_path), "running")
    assert failures(tmp_path) is None
    assert "  job 0  seed=0: it ended without a word" in str(failures(tmp_path, ["seed=0"]))


def test_a_reason_that_the_job_s_disk_cannot_take_reaches_the_sweep(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The job runs in another process, so its memory is not the sweep's. It moves by the option of a sweep, not of a run."""
    (tmp_path / "s/1").mkdir(parents=True)
    (tmp_path / f"s/1/.job.tmp{os.getpid()}.json").symlink_to("/dev/full")
    (aside := tmp_path / "aside").mkdir()
    record_failure(job(tmp_path / "s", 1), "x cannot be written; choose another place by run_dir=…", ValueError(), aside)
    UNRECORDED.clear()
    read_aside(aside)
    lines = failures(tmp_path / "s", ["seed=0", "seed=1"])
    UNRECORDED.clear()
    assert lines is not None
    assert "  job 1  seed=1: x cannot be written; choose another place by hydra.sweep.dir=…" in lines
    assert not aside.exists()
    read_aside(aside)  # a second look finds nothing


def test_jobs_that_ended_before_their_length_are_counted(tmp_path: Path) -> None:
    record_state(job(tmp_path, 0), "finished")
    assert unfinished(tmp_path) is None
    record_state(job(tmp_path, 1), "interrupted")
    record_state(job(tmp_path, 2), "stopped")
    text = f"2 of 3 jobs ended before their length; go on by the same command with resume=auto hydra.sweep.dir={tmp_path}"
    assert unfinished(tmp_path) == text
