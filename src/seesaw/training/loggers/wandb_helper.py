"""W&B's helper process, wandb-core, which writes the files of its runs and uploads them: its end, and what it logged."""

import contextlib
import errno
import json
import os
import re
import subprocess
import threading
from pathlib import Path

SECONDS_AFTER_KILL = 2.0


def helper() -> "subprocess.Popen[bytes] | None":
    """The process, or None where this process has not started one. W&B has no public name for it."""
    from wandb.sdk import wandb_setup

    connection = getattr(getattr(wandb_setup, "_singleton", None), "_connection", None)
    return getattr(getattr(connection, "_proc", None), "_process", None)


def end_helper(seconds: float) -> bool:
    """Let W&B end its process, and kill it after `seconds`; W&B's own hook at the interpreter's exit waits without a limit and
    is removed by this. The next run starts another process.

    Returns:
        Whether it ended by itself.
    """
    process = helper()
    ending = threading.Thread(target=_teardown, name="seesaw W&B teardown", daemon=True)
    ending.start()
    ending.join(seconds)
    if process is None or process.poll() is not None:
        return True
    process.kill()  # also works on a stopped process
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(SECONDS_AFTER_KILL)
    ending.join(SECONDS_AFTER_KILL)
    return False


def _teardown() -> None:
    import wandb

    with contextlib.suppress(Exception, SystemExit):  # the pipe is broken, or the process failed
        wandb.teardown()


def is_shared() -> bool:
    """Whether another run of this process, such as the user's own, still needs the helper."""
    from wandb.sdk import wandb_setup

    return getattr(getattr(wandb_setup, "_singleton", None), "most_recent_active_run", None) is not None


def refuse_full_disk(folder: Path) -> None:
    """OSError where no byte is free under the folder of an attempt: W&B's process then drops rows, and reports it in its log
    alone. A file system that gives no sizes counts as one with room."""
    sizes = os.statvfs(folder)
    free = sizes.f_bfree if os.geteuid() == 0 else sizes.f_bavail  # some blocks may be kept for root
    if sizes.f_blocks > 0 and free == 0:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(folder))


def refusal(folder: Path) -> str | None:
    """Why the upload of a run ended for good, such as "404 Not Found"; None where it did not. W&B reports it in its log alone.

    Args:
        folder: of the attempt, `<run_dir>/wandb/run-…`.
    """
    with contextlib.suppress(OSError):
        for line in (folder / "logs" / "debug-internal.log").read_text(encoding="utf-8", errors="replace").splitlines():
            with contextlib.suppress(ValueError, AttributeError):
                _, found, reason = str(json.loads(line).get("msg")).partition("filestream: fatal error: ")
                if found:
                    status = re.search(r"\b[45]\d\d [A-Z][A-Za-z ]*?(?= url=|:|$)", reason)
                    return status[0] if status else reason[:160]
    return None
