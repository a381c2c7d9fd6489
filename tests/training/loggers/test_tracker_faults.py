"""Real runs whose tracker fails: they end with exit code 0 in time, with every row, and one line about the tracker."""

import socket
from pathlib import Path

import pytest
from small_disks import can_mount, fill, small_disk
from tracked_runs import SHORT, Ended
from wandb_server import serving

from seesaw.training.loggers.wandb_helper import refuse_full_disk


@pytest.mark.slow
@pytest.mark.parametrize("when", ["first", "middle", "end"])
@pytest.mark.parametrize("fault", ["KILL", "STOP"])
def test_the_helper_of_wandb_is_killed_or_stopped(tmp_path: Path, when: str, fault: str) -> None:
    # A dead helper is not waited for: with the default limits a wait would take 48 s.
    run = Ended(tmp_path, when, fault, *(SHORT if fault == "STOP" else ()))
    assert run.problems() == []
    (line,) = run.about("W&B failed")
    assert "the run goes on without it" in line
    assert "wandb sync --include-online run/wandb/offline-run-" in line
    assert len(run.err.splitlines()) == 1


@pytest.mark.slow
@pytest.mark.parametrize("fault", ["silent", "drips", "401", "404", "500"])
def test_the_server_fails_in_mid_run(tmp_path: Path, fault: str) -> None:
    with serving() as server:
        run = Ended(tmp_path, "middle", f"{server.url}/fault/{fault}", *SHORT, url=server.url)
    assert run.problems() == []
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
    assert run.problems() == []
    assert len(run.about("this run is kept offline")) == len(run.err.splitlines()) == 1
    assert "wandb sync run/wandb/offline-run-" in run.out.splitlines()[-1]


@pytest.mark.slow
@pytest.mark.parametrize("when", ["first", "middle"])
def test_the_disk_of_tensorboard_is_full(tmp_path: Path, when: str) -> None:
    run = Ended(tmp_path, when, "disk", "logger=tensorboard")
    assert run.problems() == []
    (line,) = run.err.splitlines()
    assert line.startswith("TensorBoard failed (OSError: [Errno 28]")


@pytest.mark.slow
@pytest.mark.skipif(not can_mount(), reason="a small file system takes root")
@pytest.mark.parametrize("when", ["first", "middle"])
def test_the_disk_of_wandb_is_full(tmp_path: Path, when: str) -> None:
    """W&B's process drops what finds no room; the run sees it at the next row and reports it once, as it happens."""
    with small_disk(tmp_path / "run/wandb", 400):
        run = Ended(tmp_path, when, "fill", *SHORT)
    assert run.problems() == []
    (line,) = run.err.splitlines()
    assert line.startswith(
        "W&B failed (OSError: [Errno 28] No space left on device: 'run/wandb/offline-run-"
    )  # no picture's
    assert "the run goes on without it; metrics.csv has every row" in line


@pytest.mark.slow
def test_no_server_of_mlflow_listens(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("mlflow")
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{closed.getsockname()[1]}")
    run = Ended(tmp_path, "end", "none", "logger=mlflow")
    assert [problem for problem in run.problems() if "from the end of training" not in problem] == []
    assert run.seconds < 60  # the limit of a tracker; that of W&B is shorter in these tests
    (line,) = run.err.splitlines()
    assert line.startswith("MLflow failed (MlflowException: API request to ")
    assert "the run goes on without it; metrics.csv in the run folder has every row" in line


@pytest.mark.slow
@pytest.mark.parametrize(("fault", "named"), [("raises", "KeyError: 'a row'"), ("exits", "SystemExit: 3")])
def test_a_tracker_raises(tmp_path: Path, fault: str, named: str) -> None:
    run = Ended(tmp_path, "middle", fault, *SHORT)
    assert run.problems() == []
    (line,) = run.err.splitlines()
    assert line.startswith(f"W&B failed ({named}); the run goes on without it")


@pytest.mark.skipif(not can_mount(), reason="a small file system takes root")
def test_only_a_disk_without_a_free_byte_is_full(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", 64) as disk:
        refuse_full_disk(disk)
        fill(disk)
        with pytest.raises(OSError, match="No space left on device"):
            refuse_full_disk(disk)


@pytest.mark.slow
def test_without_a_fault_the_server_has_every_row(tmp_path: Path) -> None:
    with serving() as server:
        run = Ended(tmp_path, "end", "none", *SHORT, url=server.url)
        kimg = [row["kimg"] for row in server.rows if "train/loss/D" in row]
    assert run.problems() == []
    assert run.err == ""
    assert [round(k * 1000) for k in kimg] == run.images
