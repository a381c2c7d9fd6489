"""Where what is sampled goes. Imports neither torch nor numpy."""

from pathlib import Path

from seesaw.errors import UserError

ELSEWHERE = "choose another place by --out"
"""Part of the sentence where something cannot be written."""


def check_folder(out: Path) -> None:
    """Raise UserError where a new folder of this name cannot be made: a file stands there, or a folder that holds something."""
    if out.is_dir() and any(out.iterdir()):
        raise UserError(f"--out {out}: the folder is not empty; give another one, or empty it")
    if out.exists() and not out.is_dir():
        raise UserError(f"--out {out}: a file stands there; give the name of a folder")
