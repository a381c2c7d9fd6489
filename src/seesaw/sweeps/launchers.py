"""Hydra's launchers of sweeps: where their jobs run, and what those in processes of their own need. Imports no torch."""

import contextlib
import os
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from seesaw.errors import UserError
from seesaw.sweeps.process import SECONDS, children

PARALLEL = {"joblib": "hydra-joblib-launcher", "submitit_local": "hydra-submitit-launcher"}
PARALLEL["submitit_slurm"] = PARALLEL["submitit_local"]
"""Launchers of Hydra's that need a package, which the extra `sweep` installs."""

ON_THIS_MACHINE = (".JoblibLauncher", ".LocalLauncher")
"""Launchers whose jobs end with the sweep, since nobody else would end them. A job of a cluster is its scheduler's."""

LOST_ALONE = ("UncompletedJobError", "FailedJobError")
"""submitit's errors of a job without a result. The others go on; submitit only stops waiting for them."""


def runs_as(plugin: Mapping[str, Any], *classes: str) -> bool:
    """Whether the configured launcher or sweeper is one of these classes, each given as the end of its path."""
    return str(plugin.get("_target_", "")).endswith(classes)


def in_this_process(launcher: Mapping[str, Any]) -> bool:
    """Whether the jobs run one after the other where the sweep was started: Hydra's own launcher."""
    return runs_as(launcher, ".BasicLauncher")


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


def share_threads(launcher: Mapping[str, Any]) -> None:
    """joblib divides the cores by itself; submitit's local executor starts all jobs at once and divides nothing, so each
    gets `cpus_per_task` threads, or one. Whoever sets OMP_NUM_THREADS decides."""
    if runs_as(launcher, ".LocalLauncher"):
        os.environ.setdefault("OMP_NUM_THREADS", str(launcher.get("cpus_per_task") or 1))


def spare_controllers(launcher: Any) -> None:
    """Let the processes between the sweep and its jobs ignore Ctrl-C, which a terminal sends to all of them: submitit's local
    ones would kill their jobs a second later, before these have saved."""
    from omegaconf import open_dict

    if runs_as(launcher, ".LocalLauncher"):
        with open_dict(launcher):
            launcher.setup = ["trap '' INT", *(launcher.get("setup") or [])]


def leave_time_to_save(launcher: Any) -> None:
    """submitit warns a job by SIGUSR2 `signal_delay_s` before its `timeout_min` are over: by default 120 s, which a limit of two
    minutes or less would never reach. At most half of the limit is left for it."""
    from omegaconf import open_dict

    if launcher.get("timeout_min") and "signal_delay_s" in launcher:
        with open_dict(launcher):
            launcher.signal_delay_s = min(int(launcher.signal_delay_s), int(30 * launcher.timeout_min))


@contextlib.contextmanager
def until_all_end() -> Iterator[None]:
    """Around the launcher: where it gives up at the first lost job, wait for its other jobs on this machine, which would end with
    this process."""
    try:
        yield
    except Exception as error:
        while type(error).__name__ in LOST_ALONE and any(map(_is_controller, children())):
            time.sleep(SECONDS)
        raise


def _is_controller(pid: int) -> bool:
    """Whether the process is between the sweep and a job: submitit's, which ends when its job has."""
    try:
        return b"submitit" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False
