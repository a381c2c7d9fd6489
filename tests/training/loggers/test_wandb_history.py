"""What W&B lost when a run was killed is sent on resume, under the same id."""

import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import wandb
from offline_wandb import read_run
from test_tracker_faults import Ended
from wandb_server import serving

from seesaw.training.loggers.csv_log import CSVLog
from seesaw.training.loggers.tracker import RunInfo
from seesaw.training.loggers.wandb_history import history, missing_rows
from seesaw.training.loggers.wandb_log import WandbLog


@pytest.fixture(autouse=True)
def no_account(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    for name in ("WANDB_API_KEY", "WANDB_MODE", "WANDB_BASE_URL", "WANDB_RUN_ID"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NETRC", str(tmp_path / "no-netrc"))
    yield
    wandb.teardown()


def attempt(folder: Path, steps: range, resume: bool = False) -> str:
    """One attempt with a row at each step, W&B beside metrics.csv; returns W&B's id."""
    info = RunInfo(folder, "run", {"seed": 1}, resume)
    trackers = [CSVLog(info), WandbLog(info, init_timeout=5, finish_timeout=5)]
    for tracker in trackers:
        if resume:
            tracker.cut(steps.start - 1000)
        for step in steps:
            tracker.log_metrics({"train/loss/D": step / 7, "train/loss/G": 1.0}, step)
        tracker.finish(0)
    return trackers[1].run_id


def log_of(folder: Path) -> Path:
    return max((folder / "wandb").glob("*run-*/*.wandb"), key=lambda file: file.parent.name.removeprefix("offline-"))


def test_history_is_read_up_to_the_damage(tmp_path: Path) -> None:
    attempt(tmp_path, range(1000, 400_000, 1000))
    log = log_of(tmp_path)
    rows = read_run(log.parent).history
    assert len(log.read_bytes()) > 2 * 32768  # several blocks
    assert list(history(log)) == rows
    log.write_bytes(log.read_bytes()[:-20_000])
    torn = list(history(log))
    assert 50 < len(torn) < len(rows)
    assert torn == rows[: len(torn)]
    assert list(history(tmp_path / "none")) == []


def test_rows_that_the_killed_attempt_lost_are_sent_on_resume(tmp_path: Path) -> None:
    first = attempt(tmp_path, range(1000, 11_000, 1000))
    log = log_of(tmp_path)
    log.write_bytes(log.read_bytes()[: len(log.read_bytes()) // 2])
    kept = [row["kimg"] for row in history(log)]
    assert len(kept) < 8
    time.sleep(1.1)  # W&B names its folders by the second
    assert attempt(tmp_path, range(9000, 12_000, 1000), resume=True) == first
    sent = read_run(log_of(tmp_path).parent).history
    lost = [k for k in range(1, 9) if k not in kept]
    assert [row["kimg"] for row in sent] == [*lost, 9, 10, 11]
    assert sent[0]["train/loss/D"] == pytest.approx(lost[0] * 1000 / 7)
    assert missing_rows(tmp_path, first, 11_000) == []
    assert len(missing_rows(tmp_path, "another", 11_000)) == 11


def test_rows_that_the_server_never_received_are_sent_on_resume(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The killed attempt wrote ten rows into its own file; of these the server has three."""
    monkeypatch.setenv("WANDB_API_KEY", "0" * 40)
    with serving() as server:
        monkeypatch.setenv("WANDB_BASE_URL", server.url)
        first = attempt(tmp_path, range(1000, 11_000, 1000))
        server.steps = 3
        server.rows.clear()
        time.sleep(1.1)
        assert attempt(tmp_path, range(9000, 12_000, 1000), resume=True) == first
        sent = [row["kimg"] for row in server.rows if "kimg" in row]
    assert sent == [4, 5, 6, 7, 8, 9, 10, 11]
    assert set(server.ids) == {first}


@pytest.mark.slow
def test_a_kill_before_the_first_checkpoint_keeps_the_id(tmp_path: Path) -> None:
    """resume=auto starts anew in the folder; resume=null begins another run of the tracker."""
    killed = Ended(tmp_path, "middle", "KILL_BOTH", "resume=auto")
    assert killed.code == -signal.SIGKILL
    assert not (tmp_path / "run" / "checkpoints" / "last.ckpt").exists()
    first = (tmp_path / "run" / "wandb" / "id").read_text()
    again = Ended(tmp_path, "end", "none", "resume=auto")
    again.is_whole()
    assert (tmp_path / "run" / "wandb" / "id").read_text() == first
    kimg = {round(row["kimg"] * 1000) for row in read_run(log_of(tmp_path / "run").parent).history}
    assert kimg >= set(again.images)
