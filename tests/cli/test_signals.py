"""Signals while a command writes: its exit code, and nothing half-written stays."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from tiny_run import tiny_run

from seesaw.cli.main import main as seesaw
from seesaw.util import temporary_of

GONE = 2**22 + 1
"""No process has this number: Linux counts up to 2**22."""


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder: Path = tmp_path_factory.mktemp("signals") / "run"
    tiny_run(folder)
    (folder / "samples").mkdir()
    for name in ("000000.png", "000001.png"):
        Image.new("L", (32, 32)).save(folder / "samples" / name)
    return folder


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def left(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*"))


def send(number: signal.Signals) -> Callable[..., Any]:
    """What sends the signal to this process where it is called, in the place of something else."""

    def instead(*args: Any, **kwargs: Any) -> None:
        os.kill(os.getpid(), number)

    return instead


COMMANDS = [
    ["interpolate", "RUN", "--out", "a.gif"],
    *(
        pytest.param(command, marks=pytest.mark.slow)
        for command in (
            ["sample", "RUN", "--out", "a.png"],
            ["sample", "RUN", "--count", "8", "--out", "a.zip"],
            ["sample", "RUN", "--count", "8", "--out", "a.npy"],
            ["interpolate", "RUN", "--out", "a.webp"],
            ["interpolate", "RUN", "--out", "a.png"],
            ["film", "RUN", "--out", "a.gif"],
            ["project", "RUN", "train:0", "--steps", "2", "--out", "a"],
            ["directions", "RUN", "--out", "a"],
            ["nearest", "RUN", "--by", "pixels", "--out", "a.png"],
            ["export", "RUN", "--to", "safetensors", "--which", "last", "--out", "a.safetensors"],
            ["export", "RUN", "--to", "hub", "--which", "last", "--out", "a"],
            ["preview", "augment=diffaugment", "model=mlp", "data=digits", "data.resolution=8", "--out", "a.png"],
            ["compare", "RUN", "--out", "a"],
        )
    ),
]


@pytest.mark.parametrize("command", COMMANDS)
def test_nothing_stays_of_a_command_that_is_ended_while_it_writes(
    run: Path, here: Path, monkeypatch: pytest.MonkeyPatch, command: list[str]
) -> None:
    monkeypatch.setattr(os, "fsync", send(signal.SIGTERM))
    with pytest.raises(SystemExit) as ended:
        seesaw([str(run) if word == "RUN" else word for word in command])
    assert ended.value.code == 143
    assert [name for name in left(here) if ".tmp" in name] == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_nothing_stays_of_a_folder_that_was_being_filled(
    run: Path, here: Path, monkeypatch: pytest.MonkeyPatch, number: signal.Signals
) -> None:
    monkeypatch.setattr(Path, "write_bytes", send(number))
    with pytest.raises(SystemExit) as ended:
        seesaw(["sample", str(run), "--count", "8", "--out", "some"])
    assert ended.value.code == 128 + number
    assert left(here) == []


@pytest.mark.parametrize(
    "command", [["directions", "RUN", "--out", "a"], ["export", "RUN", "--to", "hub", "--which", "last", "--out", "a"]]
)
def test_a_folder_of_several_files_is_whole_or_not_there(
    run: Path, here: Path, monkeypatch: pytest.MonkeyPatch, command: list[str]
) -> None:
    """The process is ended behind its second file; then the same command works."""
    arguments, original, calls = [str(run) if word == "RUN" else word for word in command], os.replace, []

    def replace(*names: Any) -> None:
        original(*names)
        calls.append(names)
        if len(calls) == 2:
            os.kill(os.getpid(), signal.SIGTERM)

    with monkeypatch.context() as patched:
        patched.setattr(os, "replace", replace)
        with pytest.raises(SystemExit):
            seesaw(arguments)
    assert left(here) == []
    assert seesaw(arguments) == 0
    assert len(left(here / "a")) >= 3


def test_an_empty_folder_is_filled_as_it_stands(run: Path, here: Path) -> None:
    """Also the current one."""
    before = here.stat().st_ino
    assert seesaw(["sample", str(run), "--count", "2", "--out", "."]) == 0
    assert here.stat().st_ino == before
    assert len(left(here)) == 2


def test_nothing_stays_of_an_mp4(run: Path, here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ffmpeg = pytest.importorskip("imageio_ffmpeg")
    monkeypatch.setattr(ffmpeg, "count_frames_and_secs", send(signal.SIGTERM))
    with pytest.raises(SystemExit):
        seesaw(["interpolate", str(run), "--out", "a.mp4"])
    assert left(here) == []


def test_ctrl_c_while_a_command_writes(
    run: Path, here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(os, "fsync", send(signal.SIGINT))
    former = signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore it
    try:
        assert seesaw(["interpolate", str(run), "--out", "a.gif"]) == 130
    finally:
        signal.signal(signal.SIGINT, former)
    assert capsys.readouterr().err == "interrupted\n"
    assert left(here) == []


def test_a_signal_that_is_ignored_stays_so(run: Path, here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    former = signal.signal(signal.SIGHUP, signal.SIG_IGN)  # as nohup does
    try:
        monkeypatch.setattr(os, "fsync", send(signal.SIGHUP))
        assert seesaw(["interpolate", str(run), "--out", "a.gif"]) == 0
    finally:
        signal.signal(signal.SIGHUP, former)
    assert left(here) == ["a.gif"]


@pytest.fixture
def killed(here: Path) -> Callable[[str], Path]:
    """What a process that was killed left of a file or folder of this name."""

    def make(name: str) -> Path:
        path = temporary_of(here / name)
        return path.with_name(path.name.replace(f".tmp{os.getpid()}", f".tmp{GONE}"))

    return make


def test_the_next_command_removes_what_a_killed_one_left(run: Path, here: Path, killed: Callable[[str], Path]) -> None:
    killed("a.gif").touch()
    killed("some").mkdir()
    (killed("some") / "000000.png").touch()
    other, live = killed("b.gif"), temporary_of(here / "a.gif")
    other.touch()
    live.touch()  # of a process that lives
    assert seesaw(["interpolate", str(run), "--frames", "2", "--out", "a.gif"]) == 0
    assert not killed("a.gif").exists()
    assert other.exists()  # of another file, as which it may be the user's
    assert seesaw(["sample", str(run), "--count", "2", "--out", "some"]) == 0
    assert left(here) == sorted(["a.gif", other.name, "some", "000000.png", "000001.png"])


def test_a_folder_in_which_a_killed_command_left_a_file_counts_as_empty(
    run: Path, here: Path, killed: Callable[[str], Path]
) -> None:
    (here / "found").mkdir()
    killed("found/directions.json").touch()
    assert seesaw(["directions", str(run), "--out", "found"]) == 0
    assert not killed("found/directions.json").exists()


def test_home_in_an_option_is_no_folder_called_tilde(run: Path, here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(here / "home"))
    assert seesaw(["interpolate", str(run), "--frames", "2", "--out=~/a.gif"]) == 0
    assert left(here) == ["a.gif", "home"]


@pytest.mark.slow
@pytest.mark.parametrize("suffix", ["gif", "mp4"])
def test_sigterm_of_a_real_process_in_mid_film(run: Path, here: Path, suffix: str) -> None:
    command = [sys.executable, "-m", "seesaw", "interpolate", str(run), "--frames", "10000", "--out", f"a.{suffix}"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    while process.poll() is None and not any(path.stat().st_size > 5000 for path in here.iterdir()):
        pass
    process.terminate()
    assert process.communicate(timeout=30)[1] == ""
    assert process.returncode == 143
    assert left(here) == []
