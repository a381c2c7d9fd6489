"""From which moments of a run a fork may begin: the checkpoints of its folder. Imports torch only to read them."""

import math
import re
from pathlib import Path

from seesaw.errors import UserError

KEPT = re.compile(r"kimg([0-9.e+-]+)\.ckpt")
"""The name of a checkpoint that `checkpoints=[…]` keeps."""


def checkpoint_at(run: Path, at: str) -> Path:
    """The checkpoint of a run folder from which `at=KIMG` forks.

    Args:
        run: the folder.
        at: thousands of images shown, the moment by which `checkpoints=[…]` named a file, or `last` or `best`.

    Raises:
        UserError: there is none; lists those that there are.
    """
    if not run.is_dir():
        raise UserError(f"{run}: there is no such run folder")
    files = sorted((run / "checkpoints").glob("*.ckpt"))
    kimg = number(at)
    if kimg is None and at not in ("last", "best"):
        raise UserError(f"at={at} is no moment: give at=KIMG, thousands of images shown, at=last or at=best")
    for file in files:
        if file.stem == at or ((named := named_kimg(file)) is not None and named == kimg):
            return file
    found = {file: kimg_of(file) for file in files}
    for file, reached in found.items():
        if kimg is not None and reached is not None and math.isclose(reached, kimg, rel_tol=1e-9):
            return file
    there = [f"at={reached:.10g} ({file.name})" for file, reached in found.items() if reached is not None]
    there.sort(key=lambda text: float(text[3:].partition(" ")[0]))
    what = f"there is {', '.join(there)}" if there else "there is no checkpoint yet"
    raise UserError(f"{run} holds no checkpoint at={at}; {what}; checkpoints=[10,20] keeps some of a run that begins")


def number(text: str) -> float | None:
    """The finite number that a text is, or None."""
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def named_kimg(file: Path) -> float | None:
    """The moment in the name of a checkpoint that is kept; None for others."""
    match = KEPT.fullmatch(file.name)
    return None if match is None else number(match[1])


def kimg_of(file: Path) -> float | None:
    """Thousands of images shown at a checkpoint, whose weights are not read; None where it cannot be read."""
    import torch

    try:
        images = torch.load(file, map_location="cpu", weights_only=True, mmap=True)["progress"]["images_shown"]
    except Exception:  # damaged, a stranger's, of an earlier version: whoever loads it reports why
        return None
    return images / 1000 if type(images) is int else None
