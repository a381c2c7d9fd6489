"""The lock of a run folder, between real processes."""

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from seesaw.cli.train import main
from seesaw.errors import UserError
from seesaw.training.lock import FILE, RunLock, is_held

SMALL = (
    "model=mlp", "model.G.widths=[8]", "model.D.widths=[8]", "data.resolution=8", "batch_size=16", "kimg=0.032", "metrics=none",
    "logger=none", "trainer=cpu",
)  # fmt: skip

HOLD = """
import pathlib, sys, time
from seesaw.training.lock import RunLock
with RunLock(pathlib.Path(sys.argv[1])) as lock:
    lock.create()
    print("in", flush=True)
    time.sleep(60)
"""


@contextmanager
def holder(folder: Path) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen([sys.executable, "-c", HOLD, str(folder)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "in\n"
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def test_second_process_is_refused_and_learns_who_holds_the_folder(tmp_path: Path) -> None:
    with holder(tmp_path / "run") as process:
        words = rf"run is in use: process {process.pid} on \S+ trains in it since 20.*; wait for it, stop it, or choose another"
        with pytest.raises(UserError, match=words), RunLock(tmp_path / "run"):
            pass
        assert is_held(tmp_path / "run")


def test_lock_ends_with_its_holder_also_by_sigkill(tmp_path: Path) -> None:
    with holder(tmp_path) as process:
        process.send_signal(signal.SIGKILL)
        process.wait()
        time.sleep(0.05)
        assert not is_held(tmp_path)
        with RunLock(tmp_path):
            assert is_held(tmp_path)
    assert not is_held(tmp_path)


def test_folder_without_a_lock_is_free_and_a_damaged_file_names_nobody(tmp_path: Path) -> None:
    assert not is_held(tmp_path / "absent")
    with holder(tmp_path):
        (tmp_path / FILE).write_text("[]")
        with pytest.raises(UserError, match="is in use: another process trains in it;"), RunLock(tmp_path):
            pass


def test_same_process_may_take_it_again_after_the_end(tmp_path: Path) -> None:
    for _ in range(2):
        with RunLock(tmp_path):
            assert is_held(tmp_path)


def test_folder_is_made_when_the_run_begins_and_not_before(tmp_path: Path) -> None:
    with RunLock(tmp_path / "new") as lock:
        assert not (tmp_path / "new").exists()
        lock.create()
        assert is_held(tmp_path / "new")
    with RunLock(tmp_path / "none", wanted=False) as lock:
        lock.create()
    assert not (tmp_path / "none").exists()


def test_run_in_a_folder_that_is_in_use_is_refused_before_anything_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    with holder(tmp_path / "run") as process:
        command = [*SMALL, "run_dir=run", "resume=auto"]
        assert main(command) == 1
        assert f"seesaw: run is in use: process {process.pid} on" in capsys.readouterr().err
        assert {path.name for path in (tmp_path / "run").iterdir()} == {FILE}
        assert main([*command, "dry_run=true"]) == 0
    assert main(command) == 0
    assert not is_held(tmp_path / "run")


def test_what_killed_writes_left_is_removed_when_the_folder_is_locked(tmp_path: Path) -> None:
    kept = [".hidden", "notes.tmp3.txt", "[v2].png", ".run_lock"]
    for name in (*kept, ".last.tmp123.ckpt", "checkpoints/.last.tmp77.ckpt", "samples/.000001.tmp8.png"):
        path = tmp_path / "run [v2]" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    with RunLock(tmp_path / "run [v2]"):
        found = {path.name for path in (tmp_path / "run [v2]").rglob("*") if path.is_file()}
    assert found == set(kept)


@pytest.mark.parametrize("name", [".run_lock", "log.txt", "metrics.csv", "checkpoints", "samples", "wandb", "dangling"])
def test_a_folder_with_a_link_that_leads_out_is_refused_untouched(name: str, tmp_path: Path) -> None:
    """The folder may come from a stranger: the lock alone would empty the file that it leads to."""
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / ".mine.tmp1.txt").write_text("mine", encoding="utf-8")
    folder = tmp_path / "run"
    folder.mkdir()
    target = {"dangling": "nowhere"}.get(name, "" if "." not in name else ".mine.tmp1.txt")
    (folder / name).symlink_to(outside / target)
    with pytest.raises(UserError, match=r"is a link that leads out of the run folder, to .*outside"), RunLock(folder):
        pass
    assert (outside / ".mine.tmp1.txt").read_text(encoding="utf-8") == "mine"
    assert len(list(outside.iterdir())) == 1


def test_links_within_a_folder_and_to_it_are_no_matter(tmp_path: Path) -> None:
    (tmp_path / "disk/run/wandb/offline-run-1").mkdir(parents=True)
    (tmp_path / "disk/run/latest").symlink_to("wandb/offline-run-1")
    (tmp_path / "run").symlink_to(tmp_path / "disk/run")
    with RunLock(tmp_path / "run"):
        assert is_held(tmp_path / "disk/run")
