"""Where a figure comes from: kept with every result."""

import datetime
import os
import platform
import subprocess
from pathlib import Path

import torch

ROOT = Path(__file__).parents[1]


def origin(command: str, how: str = "") -> dict[str, str]:
    """The command, day, commit, machine with its vector instructions, and versions; `how` names what else ran beside it."""
    head = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True)
    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else "no GPU"
    vectors = torch.backends.cpu.get_cpu_capability()
    machine = f"{platform.machine()} with {vectors}, {os.cpu_count()} cores, {gpu}"
    return {
        "command": command,
        "date": datetime.date.today().isoformat(),
        "commit": head.stdout.strip(),
        "machine": f"{machine}, {how}" if how else machine,
        "python": platform.python_version(),
        "torch": torch.__version__.partition("+")[0],
    }
