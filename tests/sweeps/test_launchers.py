"""What Hydra's launchers need around their jobs."""

import subprocess
import sys
import time
from typing import Any

import pytest
from omegaconf import OmegaConf

from seesaw.sweeps.launchers import leave_time_to_save, until_all_end


@pytest.mark.parametrize(("minutes", "given", "expected"), [(60, 120, 120), (1, 120, 30), (2, 120, 60), (2, 10, 10)])
def test_a_job_is_warned_before_its_time_is_up(minutes: int, given: int, expected: int) -> None:
    """submitit's local launcher waits until `timeout_min` less `signal_delay_s`: it never warns where that is below zero."""
    launcher: Any = OmegaConf.create({"timeout_min": minutes, "signal_delay_s": given})
    OmegaConf.set_struct(launcher, True)
    leave_time_to_save(launcher)
    assert launcher.signal_delay_s == expected
    other: Any = OmegaConf.create({"n_jobs": 2})
    leave_time_to_save(other)
    assert dict(other) == {"n_jobs": 2}


class UncompletedJobError(Exception):
    """As submitit's."""


@pytest.mark.parametrize(("error", "waits"), [(UncompletedJobError, True), (ValueError, False)])
def test_one_lost_job_does_not_end_the_others(error: type[Exception], waits: bool) -> None:
    """submitit gives up at the first; the process between the sweep and another job has its name in its command."""
    other = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(1.5)", "submitit.local._local"])
    began = time.monotonic()
    with pytest.raises(error), until_all_end():
        raise error
    assert (time.monotonic() - began > 1) is waits
    if waits:
        assert other.wait(timeout=1) == 0  # its command is gone a moment before it can be polled
    else:
        assert other.poll() is None
    other.kill()
    other.wait()
