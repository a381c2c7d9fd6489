"""The lock of a run folder, between real processes."""

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from seesaw.errors import UserError
from seesaw.training.lock import FILE, held, is_held

HOLD = """
import pathlib, sys, time
from seesaw.training.lock import held
with held(pathlib.Path(sys.argv[1])):
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
        with pytest.raises(UserError, match=words), held(tmp_path / "run"):
            pass
        assert is_held(tmp_path / "run")


def test_lock_ends_with_its_holder_also_by_sigkill(tmp_path: Path) -> None:
    with holder(tmp_path) as process:
        process.send_signal(signal.SIGKILL)
        process.wait()
        time.sleep(0.05)
        assert not is_held(tmp_path)
        with held(tmp_path):
            assert is_held(tmp_path)
    assert not is_held(tmp_path)


def test_folder_without_a_lock_is_free_and_a_damaged_file_names_nobody(tmp_path: Path) -> None:
    assert not is_held(tmp_path / "absent")
    with holder(tmp_path):
        (tmp_path / FILE).write_text("[]")
        with pytest.raises(UserError, match="is in use: another process trains in it;"), held(tmp_path):
            pass


def test_same_process_may_take_it_again_after_the_end(tmp_path: Path) -> None:
    for _ in range(2):
        with held(tmp_path):
            assert is_held(tmp_path)
