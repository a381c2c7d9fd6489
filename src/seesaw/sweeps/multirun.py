"""The jobs of a sweep: each records in a file of its own how it ended, so that it may have run in any process.

Imports neither torch nor Lightning: it is loaded before the names in the command line are known to be right.
"""

import contextlib
import json
import os
import signal
import socket
import sys
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, ClassVar, TextIO, cast

from hydra.experimental.callback import Callback

from seesaw.config.command_line import override
from seesaw.errors import UserError
from seesaw.training.run_folder import Job, keep_trace, now, read_status, write

FILE, STOP = "job.json", "stop"
PARALLEL = {"joblib": "hydra-joblib-launcher", "submitit_local": "hydra-submitit-launcher"}
PARALLEL["submitit_slurm"] = PARALLEL["submitit_local"]
"""Launchers of Hydra's that need a package, which the extra `sweep` installs."""


class SweepCallback(Callback):
    """Hydra callback (registered in conf/train.yaml) that records the sweep's folder and the keys that vary; jobs may run in
    other processes that do not know them. What it learns of the sweep that this process has begun is kept in the class."""

    folder: ClassVar[Path | None] = None
    signal: ClassVar[int | None] = None
    """The SIGINT or SIGTERM that came while jobs ran in other processes."""
    varied: ClassVar[set[str]] = set()
    """The keys that have several values, also in the process of a job."""

    def __init__(self) -> None:
        self.keys: set[str] = set()  # travels to the processes of the jobs, as the class does not

    def on_multirun_start(self, config: Any, **kwargs: Any) -> None:
        SweepCallback.folder = folder = Path(config.hydra.sweep.dir)
        if os.path.isdir(folder):  # Hydra makes it, and reports where it cannot be
            for file in [folder / STOP, *begun(folder)]:  # of an earlier attempt
                file.unlink(missing_ok=True)
        self.keys = varied(config)
        if not in_this_process(config.hydra.launcher):
            share_threads(config.hydra.launcher)
            for number in (signal.SIGINT, signal.SIGTERM):
                signal.signal(number, stop_jobs)

    def on_job_start(self, config: Any, **kwargs: Any) -> None:
        SweepCallback.varied = self.keys


def varied(config: Any) -> set[str]:
    """The keys to which the command line, or hydra.sweeper.params, gives several values."""
    from hydra.core.override_parser.overrides_parser import OverridesParser

    parsed = OverridesParser.create().parse_overrides(list(config.hydra.overrides.task))
    keys = {override.key_or_group for override in parsed if override.is_sweep_override()}
    return keys | {str(key) for key in config.hydra.sweeper.get("params") or {}}


def stop_jobs(number: int, frame: Any) -> None:
    """Ask the running jobs to save and end, and keep those that wait from beginning. A second Ctrl-C ends all at once."""
    if SweepCallback.signal is not None and number == signal.SIGINT:
        raise KeyboardInterrupt
    assert SweepCallback.folder is not None
    SweepCallback.signal = number
    (SweepCallback.folder / STOP).touch()
    for job in jobs_of(SweepCallback.folder):
        if job.state == "running" and job.host == socket.gethostname():
            with contextlib.suppress(ProcessLookupError):
                os.kill(job.pid, signal.SIGTERM)


def share_threads(launcher: Mapping[str, Any]) -> None:
    """joblib divides the cores by itself; submitit's local executor starts all jobs at once and divides nothing, so each
    gets `cpus_per_task` threads, or one. Whoever sets OMP_NUM_THREADS decides."""
    if str(launcher.get("_target_", "")).endswith(".LocalLauncher"):
        os.environ.setdefault("OMP_NUM_THREADS", str(launcher.get("cpus_per_task") or 1))


def in_this_process(launcher: Mapping[str, Any]) -> bool:
    """Whether the jobs run one after the other where the sweep was started: Hydra's own launcher."""
    return str(launcher.get("_target_", "")).endswith(".BasicLauncher")


@dataclass(frozen=True)
class JobStatus:
    """How a job stands, as its job.json records it.

    Args:
        number: of the job in its sweep.
        name: the overrides that vary.
        state: running, finished, interrupted, stopped (before it began) or failed.
        reason: of a failure.
        pid: process that the job runs in.
        host: machine of that process.
    """

    number: int
    name: str
    state: str
    reason: str | None = None
    pid: int = 0
    host: str = ""


def record_state(job: Job, state: str, reason: str | None = None) -> None:
    """Write <sweep>/<n>/job.json."""
    assert job.folder is not None
    assert job.number is not None
    status = JobStatus(job.number, job.name, state, reason, os.getpid(), socket.gethostname())
    write(job.folder / FILE, json.dumps(asdict(status), indent=2) + "\n")


def record_failure(job: Job, reason: str, error: BaseException) -> None:
    """The reason in job.json and status.json, the whole trace in log.txt. The status of another run that holds the folder is
    left alone."""
    assert job.folder is not None
    keep_trace(job.folder, error)
    status = read_status(job.folder)
    if status.get("pid") == os.getpid() or not (job.folder / "checkpoints" / "last.ckpt").is_file():
        failed = {"state": "failed", "updated": now(), "exit_code": 1, "reason": reason, "overrides": job.overrides}
        write(job.folder / "status.json", json.dumps(status | failed, indent=2) + "\n")
    record_state(job, "failed", reason)


def begun(sweep: Path) -> list[Path]:
    """The files in which the jobs of the sweep record how they stand; none where the folder is missing or cannot be."""
    return list(sweep.glob(f"*/{FILE}")) if os.path.isdir(sweep) else []  # Path.is_dir raises where a name is too long


def jobs_of(sweep: Path) -> list[JobStatus]:
    """The status of each job that was begun, by number."""
    found = []
    for file in begun(sweep):
        with contextlib.suppress(OSError, ValueError, TypeError):  # TypeError: another version wrote it
            found.append(JobStatus(**json.loads(file.read_text(encoding="utf-8"))))
    return sorted(found, key=lambda job: job.number)


def failures(sweep: Path) -> str | None:
    """A line for each job that failed, or None. A job that is still recorded as running was killed, since the sweep is over."""
    jobs = jobs_of(sweep)
    gone = "it ended without a word: killed, or out of memory"
    failed = [job for job in jobs if job.state in ("failed", "running")]
    lines = [f"  job {job.number}  {job.name}: {job.reason or gone}" for job in failed]
    if not lines:
        return None
    return "\n".join([f"{len(lines)} of {len(jobs)} jobs failed (traces: {sweep}/<job>/log.txt):", *lines])


@contextlib.contextmanager
def in_other_process(job: Job, launcher: Mapping[str, Any]) -> Iterator[None]:
    """Around a job in another process. What it prints goes to its own log.txt, since the lines of several would mix; on the
    terminal is one line when it ends. A signal ends the job, not its process, in which others may follow."""
    if job.folder is None or in_this_process(launcher):
        yield
        return
    job.folder.mkdir(parents=True, exist_ok=True)
    terminal = sys.stdout
    former = signal.signal(signal.SIGTERM, end_job)  # until training has a handler that saves first
    with open(job.folder / "log.txt", "a", encoding="utf-8", buffering=1) as log:
        text = cast(TextIO, log)
        with (
            contextlib.redirect_stdout(text),
            contextlib.redirect_stderr(text),
            contextlib.suppress(SystemExit, KeyboardInterrupt),
        ):
            yield
    signal.signal(signal.SIGTERM, former)
    (this,) = [status for status in jobs_of(job.folder.parent) if status.number == job.number]
    print(f"job {job.number} {this.state}: {job.name}", file=terminal, flush=True)


def end_job(number: int, frame: Any) -> None:
    raise SystemExit(128 + number)


def lost(error: BaseException) -> str | None:
    """A sentence, where the error is the launcher's that a process of its own is gone."""
    if type(error).__name__ not in ("TerminatedWorkerError", "UncompletedJobError", "FailedJobError"):
        return None
    return (
        "a process of the sweep was killed (out of memory?), and with it the launcher ended; "
        f"go on by the same command with resume=auto {override('hydra.sweep.dir', SweepCallback.folder)}"
    )


def need_launcher(arguments: list[str]) -> None:
    """UserError where a launcher is asked for whose package is not installed; Hydra's own message names no package."""
    from importlib.util import find_spec

    for argument in arguments:
        name = argument.removeprefix("hydra/launcher=")
        if (
            name != argument
            and name in PARALLEL
            and find_spec(f"hydra_plugins.{PARALLEL[name].replace('-', '_')}") is None
        ):
            raise UserError(f"{argument} needs the package {PARALLEL[name]}: pip install 'seesaw-gan[sweep]'")
