"""Sweeps: what the process that begins one does, and what surrounds each of its jobs, in that process or in one of its own.

Imports neither torch nor Lightning: it is loaded before the names in the command line are known to be right.
"""

import contextlib
import os
import signal
import socket
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar, TextIO, cast

from hydra.experimental.callback import Callback

from seesaw.config.command_line import key_of, override
from seesaw.errors import UserError
from seesaw.sweeps.launchers import (
    LOST_ALONE,
    ON_THIS_MACHINE,
    in_this_process,
    leave_time_to_save,
    runs_as,
    share_threads,
    spare_controllers,
)
from seesaw.sweeps.process import Process, end_with
from seesaw.sweeps.records import (
    ELSEWHERE,
    FILE,
    STOP,
    UNRECORDED,
    failures,
    jobs_of,
    read_aside,
    record_failure,
    record_state,
    recorded,
    unfinished,
)
from seesaw.training.error_messages import error_message, wants_trace
from seesaw.training.run_folder import Job, read_status
from seesaw.util import disk_error, no_link


class SweepCallback(Callback):
    """Hydra callback (registered in conf/train.yaml) that records the sweep's folder and the keys that vary; jobs may run in
    other processes that do not know them. What it learns of the sweep that this process has begun is kept in the class."""

    folder: ClassVar[Path | None] = None
    planned: ClassVar[list[str]] = []
    """The names of all jobs by number; empty where a sweeper of another package chooses them one by one."""
    signal: ClassVar[int | None] = None
    """The SIGINT or SIGTERM that came while jobs ran in other processes."""
    varied: ClassVar[set[str]] = set()
    """The keys that have several values, also in the process of a job."""
    process: ClassVar[Process | None] = None
    """In the process of a job: that of the sweep, with which it ends."""
    aside: ClassVar[Path | None] = None
    """Where jobs in other processes leave the reason of a failure that their own folder cannot take."""

    def __init__(self) -> None:
        self.keys: set[str] = set()  # these travel to the processes of the jobs, as the class does not
        self.begun_by: Process | None = None
        self.kept_aside: Path | None = None

    def on_multirun_start(self, config: Any, **kwargs: Any) -> None:
        SweepCallback.folder = folder = Path(config.hydra.sweep.dir)
        self.keys, SweepCallback.planned = planned_jobs(config)
        UNRECORDED.clear()
        SweepCallback.aside = None
        if not in_this_process(config.hydra.launcher):
            os.environ.setdefault("PYTHONSAFEPATH", "1")  # else no file of the current folder could be called as a module is
            share_threads(config.hydra.launcher)
            spare_controllers(config.hydra.launcher)
            leave_time_to_save(config.hydra.launcher)
            self.kept_aside = SweepCallback.aside = Path(tempfile.mkdtemp(prefix="seesaw-sweep-"))
            for number in (signal.SIGINT, signal.SIGTERM):
                signal.signal(number, stop_jobs)
            if runs_as(config.hydra.launcher, *ON_THIS_MACHINE):
                self.begun_by = Process.this()
        with contextlib.suppress(OSError):
            for file in [folder / STOP, *folder.glob(f"*/{FILE}")]:  # of an earlier attempt
                file.unlink(missing_ok=True)

    def on_job_start(self, config: Any, **kwargs: Any) -> None:
        SweepCallback.varied, SweepCallback.process, SweepCallback.aside = self.keys, self.begun_by, self.kept_aside


def planned_jobs(config: Any) -> tuple[set[str], list[str]]:
    """The keys to which the command line, or hydra.sweeper.params, gives several values, and the names of all jobs by number
    where Hydra's own sweeper makes them."""
    from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
    from hydra.core.global_hydra import GlobalHydra
    from hydra.core.override_parser.overrides_parser import OverridesParser

    known = GlobalHydra.instance()
    parser = OverridesParser.create(known.config_loader() if known.is_initialized() else None)
    params = dict(config.hydra.sweeper.get("params") or {})
    given = parser.parse_overrides([*(f"{key}={value}" for key, value in params.items()), *config.hydra.overrides.task])
    keys = {override.key_or_group for override in given if override.is_sweep_override()} | {str(key) for key in params}
    if not runs_as(config.hydra.sweeper, ".BasicSweeper"):
        return keys, []
    (jobs,) = BasicSweeper.split_arguments(given, None)
    return keys, [" ".join(text for text in job if key_of(text) in keys) or "defaults" for job in jobs]


def stop_jobs(number: int, frame: Any) -> None:
    """Ask the running jobs to save and end, and keep those that wait from beginning. A second Ctrl-C ends all at once."""
    if SweepCallback.signal is not None and number == signal.SIGINT:
        raise KeyboardInterrupt
    assert SweepCallback.folder is not None
    SweepCallback.signal = number
    with contextlib.suppress(OSError):
        (SweepCallback.folder / STOP).touch()
    for job in jobs_of(SweepCallback.folder):
        if job.state == "running" and job.host == socket.gethostname():
            with contextlib.suppress(ProcessLookupError):
                os.kill(job.pid, signal.SIGTERM)


def run_job(job: Job, hydra: Any, train: Callable[[], float | None]) -> float | None:
    """One job of a sweep: its status file records how it ended, and the others go on.

    Args:
        job: its folder is made here.
        hydra: Hydra's own configuration.
        train: checks and runs; returns the value to optimise.
    """
    assert job.folder is not None
    sweep = SweepCallback.process
    if sweep is not None and not in_this_process(hydra.launcher):
        end_with(sweep)
    # Paths are relative to the folder where the command was given, whatever hydra.job.chdir is.
    place = contextlib.chdir(hydra.runtime.cwd) if hydra.job.chdir else contextlib.nullcontext()
    best = None
    with place:
        try:
            make_folder(job.folder)
        except UserError as error:
            record_failure(job, str(error), error, SweepCallback.aside)
            if not in_this_process(hydra.launcher):
                print(ending(job), flush=True)
            return None
        with in_other_process(job, hydra.launcher):
            best = record_run(job, train)
    if sweep is not None and not sweep.lives():
        os._exit(128 + signal.SIGTERM)  # else the launcher's process would go on with the next job
    return best


def make_folder(folder: Path) -> None:
    """Make the job's folder. UserError where the disk does not take it, or it is a file."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError) as error:
        raise UserError(f"{folder} is a file where the folder of the job belongs; move it away") from error
    except OSError as error:
        raise UserError(f"{folder} cannot be made: {disk_error(error)}") from error


def record_run(job: Job, train: Callable[[], float | None]) -> float | None:
    """Run, and record how it ended."""
    assert job.sweep_dir is not None
    assert job.folder is not None
    try:
        record_state(job, "running")  # first: a signal to the sweep finds this record, or the job finds STOP
        if (job.sweep_dir / STOP).exists():
            record_state(job, "stopped")
            return None
        best = train()
        limited = read_status(job.folder).get("state") == "interrupted"  # by a time limit, without a signal
        record_state(job, "interrupted" if limited else "finished")
        return best
    except (SystemExit, KeyboardInterrupt):
        with contextlib.suppress(UserError):
            record_state(job, "interrupted")
        raise
    except Exception as error:
        if wants_trace():
            raise
        record_failure(job, error_message(error, job.overrides, job.folder), error, SweepCallback.aside)
        return None


@contextlib.contextmanager
def in_other_process(job: Job, launcher: Mapping[str, Any]) -> Iterator[None]:
    """Around a job in another process. What it prints goes to its own log.txt, since the lines of several would mix; on the
    terminal is one line when it ends. A signal ends the job, not its process, in which others may follow."""
    if job.folder is None or in_this_process(launcher):
        yield
        return
    terminal = sys.stdout
    # Until training has handlers that save first. submitit's own would begin the job anew after SIGUSR2.
    former = {number: signal.signal(number, end_job) for number in (signal.SIGTERM, signal.SIGUSR2)}
    with log_file(job.folder) as log:
        text = cast(TextIO, log)
        with (
            contextlib.redirect_stdout(text),
            contextlib.redirect_stderr(text),
            contextlib.suppress(SystemExit, KeyboardInterrupt),
        ):
            yield
    for number, handler in former.items():
        signal.signal(number, handler)
    with contextlib.suppress(OSError):  # the sweep that would read it may be gone
        print(ending(job), file=terminal, flush=True)


def log_file(folder: Path) -> Any:
    """log.txt, opened for more; nothing at all where it cannot be opened."""
    try:
        return open(folder / "log.txt", "a", encoding="utf-8", buffering=1, opener=no_link)
    except OSError:
        return open(os.devnull, "w", encoding="utf-8")


def ending(job: Job) -> str:
    """The line on the terminal when a job in a process of its own has ended; with the reason where no file could take it."""
    if job.number in UNRECORDED:
        return f"job {job.number} failed: {job.name}: {UNRECORDED[job.number]}"
    this = recorded(job)
    return f"job {job.number} {'failed' if this is None else this.state}: {job.name}"


def end_job(number: int, frame: Any) -> None:
    raise SystemExit(128 + number)


def outcome(complete: bool) -> str | None:
    """Which jobs of the sweep that this process has begun have failed, one a line; None where all is well.

    Args:
        complete: whether all jobs were run, neither a signal nor an error of the launcher ending the sweep early.
    """
    folder = SweepCallback.folder
    if folder is None:
        return None
    if SweepCallback.aside is not None:
        read_aside(SweepCallback.aside)
    failed = failures(folder, SweepCallback.planned if complete else ())
    if failed is None and complete and not jobs_of(folder):
        return f"no job of the sweep has left a result in {folder}"
    return failed


def notice(code: int, messages: list[str]) -> str | None:
    """Where jobs of a sweep that ended well did not reach their length, as by a time limit, how to go on; else None."""
    folder = SweepCallback.folder
    well = code == 0 and not messages and SweepCallback.signal is None
    return unfinished(folder) if well and folder is not None else None


def in_sweep(text: str) -> str:
    """The text with the option that moves a sweep where this is one."""
    return text if SweepCallback.folder is None else text.replace(*ELSEWHERE)


def lost(error: BaseException) -> str | None:
    """A sentence, where the error is the launcher's that a process of its own is gone, or its folder is no folder."""
    if isinstance(error, FileExistsError | NotADirectoryError) and SweepCallback.folder is not None:
        return f"{error.filename} is a file where the folder of the sweep belongs; choose another hydra.sweep.dir"
    ended = {"TerminatedWorkerError": ", and with it the launcher ended"} | dict.fromkeys(LOST_ALONE, "")
    if (rest := ended.get(type(error).__name__)) is None:
        return None
    again = f"resume=auto {override('hydra.sweep.dir', SweepCallback.folder)}"
    return f"a process of the sweep was killed (out of memory, or the disk full?){rest}; go on by the same command with {again}"
