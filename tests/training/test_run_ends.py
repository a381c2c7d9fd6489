"""How runs end: signals, time limits, kills; what is saved, and the status."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest
import torch

from seesaw.cli.train import main
from seesaw.gan.module import GAN
from seesaw.training.callbacks.stop import GracefulStop
from seesaw.training.loggers.csv_log import read_metrics
from seesaw.training.loggers.tracker import RunInfo
from seesaw.training.run_folder import read_status

REPOSITORY = Path(__file__).parents[2]
SMALL = ("data.resolution=16", "model.G.width=4", "model.D.width=4", "batch_size=16", "trainer=cpu", "log_kimg=0.16")


def weights(run: Path, name: str = "last") -> dict[str, torch.Tensor]:
    state = torch.load(run / "checkpoints" / f"{name}.ckpt", weights_only=True)["state_dict"]
    return {k: v for k, v in state.items() if isinstance(v, torch.Tensor)}


def process(*arguments: str, cwd: Path) -> subprocess.Popen[str]:
    command = [sys.executable, str(REPOSITORY / "train.py"), *SMALL, "logger=none", "metrics=none", *arguments]

    def listen() -> None:
        signal.signal(signal.SIGHUP, signal.SIG_DFL)  # the tests themselves may run under nohup

    return subprocess.Popen(
        command, cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, preexec_fn=listen
    )


def wait_for(condition: Any, running: subprocess.Popen[str], seconds: float = 90) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert running.poll() is None, running.stdout.read() if running.stdout else ""
        assert time.monotonic() < end
        time.sleep(0.01)


SIGNALS = [(signal.SIGINT, 130), *((n, 128 + n) for n in (signal.SIGTERM, signal.SIGHUP, signal.SIGUSR2))]


@pytest.mark.parametrize(
    ("number", "code"), [*SIGNALS[:2], *(pytest.param(*one, marks=pytest.mark.slow) for one in SIGNALS[2:])]
)
def test_a_signal_in_the_middle_saves_and_ends(
    number: int, code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """In the third batch of this process's run."""
    monkeypatch.chdir(tmp_path)
    step = GAN.training_step

    def struck(self: GAN, *args: Any) -> None:
        step(self, *args)
        if self.images_shown == 48:
            os.kill(os.getpid(), number)

    monkeypatch.setattr(GAN, "training_step", struck)
    inherited = signal.signal(signal.SIGHUP, signal.SIG_DFL)  # the tests themselves may run under nohup
    try:
        assert main([*SMALL, "kimg=1000", "run_dir=run", "metrics=none", "logger=none"]) == code
    finally:
        signal.signal(signal.SIGHUP, inherited)
    out, err = capsys.readouterr()
    assert "go on with resume=auto run_dir=run" in out + err
    assert "Traceback" not in out + err
    status = read_status(tmp_path / "run")
    assert (status["state"], status["exit_code"]) == ("interrupted", code)
    saved = torch.load(tmp_path / "run/checkpoints/last.ckpt", weights_only=True)
    assert saved["progress"]["images_shown"] == status["images_shown"] == 48


@pytest.mark.slow
@pytest.mark.parametrize(("number", "code"), SIGNALS)
def test_a_signal_to_a_process_saves_and_ends(number: int, code: int, tmp_path: Path) -> None:
    running = process("kimg=1000", "run_dir=run", "checkpoint_kimg=500", "sample_kimg=500", cwd=tmp_path)
    metrics = tmp_path / "run" / "metrics.csv"
    wait_for(lambda: metrics.exists() and metrics.stat().st_size > 600, running)
    running.send_signal(number)
    out, _ = running.communicate(timeout=60)
    assert running.returncode == code, out
    assert "go on with resume=auto run_dir=run" in out
    assert "Traceback" not in out
    status = read_status(tmp_path / "run")
    assert (status["state"], status["exit_code"]) == ("interrupted", code)
    saved = torch.load(tmp_path / "run/checkpoints/last.ckpt", weights_only=True)
    assert saved["progress"]["images_shown"] == status["images_shown"] > 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGUSR2])
def test_a_signal_before_the_first_batch_leaves_the_right_status(
    number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("seesaw.training.run.make_trainer", lambda *_: os.kill(os.getpid(), number))
    inherited = signal.signal(number, signal.SIG_DFL)  # the tests themselves may run under nohup
    try:
        code = main([*SMALL, "kimg=1", "run_dir=run", "metrics=none", "logger=none"])
        assert (code, signal.getsignal(number)) == (128 + number, signal.SIG_DFL)
    finally:
        signal.signal(number, inherited)
    status = read_status(tmp_path / "run")
    assert (status["state"], status["exit_code"]) == ("interrupted", 128 + number)
    assert "Traceback" not in capsys.readouterr().err


END = ["schedule=constant", "precision=exact", "threads=1", "metrics=none", "logger=csv", "kimg=0.08", "log_kimg=0.064"]


@pytest.mark.parametrize("how", ["signal in the last batch", "killed behind the last checkpoint"])
def test_a_run_that_is_ended_at_its_length_has_its_last_row_and_is_finished(
    how: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing would be left to do for the run that goes on, and the last window be lost for good."""
    monkeypatch.chdir(tmp_path)
    assert main([*SMALL, *END, "run_dir=whole"]) == 0
    with monkeypatch.context() as patch:
        if how.startswith("signal"):
            inner = GracefulStop.on_train_batch_end

            def struck(self: GracefulStop, trainer: Any, module: Any, *args: Any) -> None:
                self.received_signal = signal.SIGTERM if module.images_shown >= self.images else 0
                inner(self, trainer, module, *args)

            patch.setattr(GracefulStop, "on_train_batch_end", struck)
        else:
            patch.setattr("seesaw.gan.module.GAN.flush_statistics", lambda *_, **__: None)
            patch.setattr("seesaw.training.run.report_end", lambda *_: (_ for _ in ()).throw(SystemExit(137)))
        assert main([*SMALL, *END, "run_dir=cut"]) == (143 if how.startswith("signal") else 137)
    if not how.startswith("signal"):
        status = json.loads((tmp_path / "cut/status.json").read_text()) | {"state": "running"}
        (tmp_path / "cut/status.json").write_text(json.dumps(status))
        assert len(read_metrics(tmp_path / "cut/metrics.csv")) < len(read_metrics(tmp_path / "whole/metrics.csv"))
    assert main([*SMALL, *END, "run_dir=cut", "resume=auto"]) == 0
    assert [row["images"] for row in read_metrics(tmp_path / "cut/metrics.csv")] == [64, 80]
    status = read_status(tmp_path / "cut")
    assert (status["state"], status["exit_code"], status["images_shown"]) == ("finished", 0, 80)
    one, other = weights(tmp_path / "whole"), weights(tmp_path / "cut")
    assert all(torch.equal(value, other[name]) for name, value in one.items())


def test_a_trainer_that_cannot_be_made_fails_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("seesaw.training.run.make_trainer", lambda *_: 1 / 0)
    assert main([*SMALL, "kimg=1", "run_dir=run", "metrics=none", "logger=none"]) == 1
    status = read_status(tmp_path / "run")
    assert (status["state"], status["reason"]) == ("failed", "ZeroDivisionError: division by zero")


def test_a_signal_while_the_trackers_are_opened_leaves_a_status(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, no_curves: None
) -> None:
    """A connection may take half a minute; also of a run that goes on, whose progress stays."""
    monkeypatch.chdir(tmp_path)
    command = [*SMALL, "run_dir=run", "metrics=none", "logger=none"]
    for kimg, shown in (("0.032", 0), ("0.032", 32), ("0.064", 32)):
        with monkeypatch.context() as patch:
            if (kimg, shown) != ("0.032", 32):
                patch.setattr("seesaw.training.run.build_loggers", lambda *_: os.kill(os.getpid(), signal.SIGTERM))
            code = main([*command, f"kimg={kimg}", "resume=auto"])
        status = read_status(tmp_path / "run")
        ended = ("finished", 0) if code == 0 else ("interrupted", 143)
        assert (status["state"], status["exit_code"], status["images_shown"]) == (*ended, shown)
    assert code == 143


def test_a_run_that_ended_before_its_first_checkpoint_goes_on_in_trackers_under_the_same_configuration_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else the curves of two configurations would be one run of W&B's."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("seesaw.training.run.make_trainer", lambda *_: 1 / 0)
    found: list[bool] = []

    def build_loggers(node: Any, info: RunInfo) -> list[Any]:
        found.append(info.resume)
        return []

    monkeypatch.setattr("seesaw.training.run.build_loggers", build_loggers)
    command = [*SMALL, "kimg=1", "run_dir=run", "metrics=none", "logger=none"]
    for more in ([], ["resume=auto", "kimg=2"], ["resume=auto", "loss=hinge"], ["resume=auto", "loss=hinge"]):
        assert main([*command, *more]) == 1
    assert found == [False, True, False, True]


@pytest.mark.slow
def test_a_run_under_nohup_goes_on_when_its_terminal_is_gone(tmp_path: Path) -> None:
    """nohup starts a program with SIGHUP ignored."""
    command = [
        sys.executable,
        str(REPOSITORY / "train.py"),
        *SMALL,
        "kimg=0.32",
        "run_dir=run",
        "metrics=none",
        "logger=none",
    ]
    ignoring = (
        "import os, signal, sys; signal.signal(signal.SIGHUP, signal.SIG_IGN); os.execv(sys.argv[1], sys.argv[1:])"
    )
    running = subprocess.Popen(
        [sys.executable, "-c", ignoring, *command], cwd=tmp_path, stdout=subprocess.PIPE, text=True
    )
    wait_for(lambda: (tmp_path / "run" / "metrics.csv").exists(), running)
    running.send_signal(signal.SIGHUP)
    assert running.communicate(timeout=60)[0].count("finished") == 1
    assert running.returncode == 0


def test_a_time_limit_saves_and_the_run_is_interrupted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert (
        main([*SMALL, "kimg=1000", "run_dir=run", "+trainer.max_time={milliseconds: 300}", "metrics=none", "logger=none"]) == 0
    )
    assert "and saved; go on with resume=auto run_dir=run" in capsys.readouterr().out
    status = read_status(tmp_path / "run")
    saved = torch.load(tmp_path / "run/checkpoints/last.ckpt", weights_only=True)
    assert status["state"] == "interrupted"
    assert saved["progress"]["images_shown"] == status["images_shown"] > 0


def test_a_time_limit_leaves_the_open_window_for_the_run_that_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rows and weights are those of an unbroken run, though the limit falls into the middle of a window."""
    monkeypatch.chdir(tmp_path)
    run = [
        *SMALL,
        "schedule=constant",
        "log_kimg=64",
        "precision=exact",
        "threads=1",
        "metrics=none",
        "logger=csv",
        "checkpoint_kimg=1000",
    ]
    assert main([*run, "kimg=1000", "run_dir=cut", "sample_kimg=1000", "+trainer.max_time={milliseconds: 300}"]) == 0
    stopped = read_status(tmp_path / "cut")["kimg"]
    end = [f"kimg={stopped + 0.32:.3f}", "sample_kimg=1000"]
    assert main([*run, *end, "run_dir=cut", "resume=auto"]) == 0
    assert main([*run, *end, "run_dir=whole"]) == 0
    cut, whole = (read_metrics(tmp_path / name / "metrics.csv") for name in ("cut", "whole"))
    timed = ("train/images_per_sec", "train/iterations_per_sec")
    plain = [[{k: v for k, v in row.items() if k not in timed} for row in rows] for rows in (cut, whole)]
    assert len(plain[1]) == 1
    assert {k: (v, plain[1][0].get(k)) for k, v in plain[0][0].items() if v != plain[1][0].get(k)} == {}
    left, right = weights(tmp_path / "cut"), weights(tmp_path / "whole")
    assert all(torch.equal(left[name], value) for name, value in right.items())


def test_a_run_in_a_thread_trains(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Python takes signal handlers in its main thread alone."""
    monkeypatch.chdir(tmp_path)
    codes: list[int] = []
    command = [*SMALL, "kimg=0.032", "run_dir=run", "metrics=none", "logger=none"]
    thread = threading.Thread(target=lambda: codes.append(main(command)))
    thread.start()
    thread.join(60)
    assert codes == [0]


@pytest.mark.slow
def test_sigkill_at_five_moments_and_resumed_is_bit_equal(tmp_path: Path) -> None:
    """Killed while training, sampling or writing a checkpoint, as it comes; the end is the unbroken run's."""
    options = ["precision=exact", "kimg=24", "checkpoint_kimg=0.32", "sample_kimg=1", "balance=[ttur,skip_d]"]
    unbroken = process(*options, "run_dir=unbroken", cwd=tmp_path)
    out, _ = unbroken.communicate(timeout=300)
    assert unbroken.returncode == 0, out
    last, kills = tmp_path / "killed/checkpoints/last.ckpt", 0
    for delay in (0.31, 0.83, 0.07, 0.47, 0.62):
        before = last.stat().st_mtime_ns if last.exists() else 0
        running = process(*options, "run_dir=killed", "resume=auto", cwd=tmp_path)
        wait_for(lambda before=before: last.exists() and last.stat().st_mtime_ns != before, running)
        time.sleep(delay)
        kills += running.poll() is None
        running.kill()
        running.communicate()
    assert kills == 5
    shown = torch.load(last, weights_only=True)["progress"]["images_shown"]
    assert 0 < shown < 24_000
    running = process(*options, "run_dir=killed", "resume=auto", cwd=tmp_path)
    out, _ = running.communicate(timeout=300)
    assert running.returncode == 0, out
    one, other = weights(tmp_path / "unbroken"), weights(tmp_path / "killed")
    assert all(torch.equal(value, other[name]) for name, value in one.items())
    timeless = [
        [
            {k: v for k, v in row.items() if k != "train/images_per_sec"}
            for row in read_metrics(tmp_path / name / "metrics.csv")
        ]
        for name in ("unbroken", "killed")
    ]
    assert timeless[0] == timeless[1]
