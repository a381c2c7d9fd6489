"""Whether a process has ended, whatever took its number since."""

import os
import signal
import subprocess
import sys
from dataclasses import replace

import pytest

from seesaw.sweeps.process import Process, lives

LINUX = pytest.mark.skipif(not os.path.exists("/proc/self/stat"), reason="/proc, which Linux has")


def test_this_process_lives() -> None:
    assert Process.this().lives()
    assert lives(os.getpid())


@LINUX
def test_another_process_of_the_same_number_is_not_mistaken() -> None:
    assert not replace(Process.this(), start="1").lives()


@LINUX
def test_a_process_that_has_ended_does_not_live_although_its_parent_has_not_noticed() -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""], stdout=subprocess.PIPE)
    assert ended.stdout is not None
    ended.stdout.read()  # until it closes at its end
    os.waitid(os.P_PID, ended.pid, os.WEXITED | os.WNOWAIT)
    assert not lives(ended.pid)
    ended.wait()


def test_a_process_ends_with_another_one() -> None:
    """The one that waits gets a SIGTERM when the other one is killed."""
    other = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(1000)"])
    code = "import sys, time; from seesaw.sweeps.process import Process, _stat, end_with; pid = int(sys.argv[1]); "
    code += "stat = _stat(pid); end_with(Process(pid, stat[1] if stat else '')); print(flush=True); time.sleep(100)"
    waiting = subprocess.Popen([sys.executable, "-c", code, str(other.pid)], stdout=subprocess.PIPE)
    assert waiting.stdout is not None
    waiting.stdout.readline()
    assert waiting.poll() is None
    other.kill()
    other.wait()
    assert waiting.wait(60) == -signal.SIGTERM
