"""What the jobs of a sweep leave behind: each records in a file of its own how it ended, so that it may run in any process.

Imports neither torch nor Lightning: it is loaded before the names in the command line are known to be right.
"""

import contextlib
import json
import os
import shutil
import socket
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from seesaw.config.command_line import override
from seesaw.errors import UserError
from seesaw.sweeps.process import lives
from seesaw.training.run_folder import Job, keep_trace, now, read_status, write
from seesaw.util import atomic_write

FILE, STOP = "job.json", "stop"

UNRECORDED: dict[int, str] = {}
"""Number of a job -> why it failed, where its folder could not take the record: of this process's jobs, and of those that
`read_aside` found."""

ELSEWHERE = ("run_dir=…", "hydra.sweep.dir=…")
"""What moves a run to another place, and what moves a sweep, whose jobs refuse the former."""


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

    @property
    def was_killed(self) -> bool:
        """Whether it is recorded as running, and no other process of this machine runs it."""
        elsewhere = self.host == socket.gethostname() and self.pid != os.getpid() and lives(self.pid)
        return self.state == "running" and not elsewhere


def record_state(job: Job, state: str, reason: str | None = None) -> None:
    """Write <sweep>/<n>/job.json. UserError where the folder cannot take it."""
    assert job.folder is not None
    assert job.number is not None
    status = JobStatus(job.number, job.name, state, reason, os.getpid(), socket.gethostname())
    atomic_write(
        job.folder / FILE, json.dumps(asdict(status), indent=2) + "\n", "make room, or choose another hydra.sweep.dir"
    )


def record_failure(job: Job, reason: str, error: BaseException, aside: Path | None = None) -> None:
    """The reason in job.json and status.json, the whole trace in log.txt, as far as the disk takes them. Where it does not, the
    reason is kept in this process and in `aside`, a folder on another disk, in which a sweep of another process looks for it.
    The status of another run that holds the folder is left alone."""
    assert job.folder is not None
    assert job.number is not None
    reason = reason.replace(*ELSEWHERE)
    with contextlib.suppress(OSError):
        keep_trace(job.folder, error)
    status = read_status(job.folder)
    if status.get("pid") == os.getpid() or not (job.folder / "checkpoints" / "last.ckpt").is_file():
        failed = {"state": "failed", "updated": now(), "exit_code": 1, "reason": reason, "overrides": job.overrides}
        with contextlib.suppress(UserError):
            write(job.folder / "status.json", json.dumps(status | failed, indent=2) + "\n")
    try:
        record_state(job, "failed", reason)
    except UserError:
        UNRECORDED[job.number] = reason
        if aside is not None:
            with contextlib.suppress(OSError):
                (aside / str(job.number)).write_text(reason, encoding="utf-8")


def read_aside(aside: Path) -> None:
    """Take over the reasons that jobs in other processes left in the folder, and remove it."""
    with contextlib.suppress(OSError):
        UNRECORDED.update({int(file.name): file.read_text(encoding="utf-8") for file in aside.iterdir()})
    shutil.rmtree(aside, ignore_errors=True)


def jobs_of(sweep: Path) -> list[JobStatus]:
    """The status of each job that was begun, by number."""
    files = sweep.glob(f"*/{FILE}") if os.path.isdir(sweep) else ()  # Path.is_dir raises where a name is too long
    return sorted(filter(None, map(_read, files)), key=lambda job: job.number)


def recorded(job: Job) -> JobStatus | None:
    """The status that the job has recorded, or None."""
    assert job.folder is not None
    return _read(job.folder / FILE)


def _read(file: Path) -> JobStatus | None:
    with contextlib.suppress(OSError, ValueError, TypeError):  # TypeError: another version wrote it
        return JobStatus(**json.loads(file.read_text(encoding="utf-8")))
    return None


def unfinished(sweep: Path) -> str | None:
    """A line where jobs were interrupted, by a time limit or a signal of their own, or have not begun; or None."""
    jobs = jobs_of(sweep)
    over = [job for job in jobs if job.state in ("interrupted", "stopped")]
    if not over:
        return None
    again = f"resume=auto {override('hydra.sweep.dir', sweep)}"
    return f"{len(over)} of {len(jobs)} jobs ended before their length; go on by the same command with {again}"


def failures(sweep: Path, planned: Sequence[str] = ()) -> str | None:
    """A line for each job that failed, or None.

    Args:
        sweep: its folder.
        planned: the names of all its jobs, by number, once the sweep has run all of them: one that left no record, or is
            still recorded as running, has failed.
    """
    jobs = jobs_of(sweep)
    killed = "it ended without a word: killed, out of memory, or the disk full"
    over = [job for job in jobs if job.state == "failed" or job.was_killed or (planned and job.state == "running")]
    reasons = {job.number: (job.name, job.reason or killed) for job in over}
    known = {job.number for job in jobs} - set(UNRECORDED)
    for number, name in enumerate(planned):
        if number not in known:
            reasons[number] = (name, UNRECORDED.get(number, f"it left no record in {sweep / str(number)}"))
    if not reasons:
        return None
    lines = [f"  job {number}  {name}: {reason}" for number, (name, reason) in sorted(reasons.items())]
    return "\n".join(
        [f"{len(lines)} of {max(len(jobs), len(planned))} jobs failed (traces: {sweep}/<job>/log.txt):", *lines]
    )
