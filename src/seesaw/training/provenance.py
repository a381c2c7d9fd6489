"""Where a number came from: the commit and the versions that a run's configuration alone does not hold."""

import importlib.metadata
import platform
import subprocess
from pathlib import Path
from typing import Any

PACKAGES = (
    "seesaw-gan", "torch", "torchvision", "pytorch-lightning", "torchmetrics", "torch-fidelity", "hydra-core", "wandb", "numpy",
)  # fmt: skip


def provenance() -> dict[str, Any]:
    """`{"git": {"commit", "dirty"}, "versions": {...}}`. The commit is null where seesaw does not run from a git checkout
    (an installed wheel, no git)."""
    versions = {"python": platform.python_version(), "platform": platform.platform()}
    for name in PACKAGES:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            versions[name] = "not installed"
    return {"git": git_state(Path(__file__).resolve().parents[1]), "versions": versions}


def git_state(folder: Path) -> dict[str, str | bool | None]:
    """Commit of the checkout that tracks `folder`, and whether it holds changes (new files included) that no commit has."""
    try:
        # A wheel inside somebody's virtual environment lies in *their* repository, whose commit is not seesaw's.
        if not _git(folder, "ls-files", "--", "."):
            return {"commit": None, "dirty": None}
        return {"commit": _git(folder, "rev-parse", "HEAD"), "dirty": bool(_git(folder, "status", "--porcelain"))}
    except (OSError, subprocess.SubprocessError):
        return {"commit": None, "dirty": None}


def _git(folder: Path, *arguments: str) -> str:
    # Without the lock of the index, under which a commit of the user's at the same moment would fail.
    command = ["git", "--no-optional-locks", "-C", str(folder), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True)
    return done.stdout.strip()
