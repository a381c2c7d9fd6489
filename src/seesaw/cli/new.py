"""`seesaw new myproject`: a small package with a loss, a model and a data set of one's own, their configuration and tests."""

import argparse
import keyword
import os
import shlex
import tempfile
from pathlib import Path
from typing import Any

from seesaw.errors import UserError
from seesaw.util import disk_error

TEMPLATE = Path(__file__).parents[1] / "template"
"""The files of the project. Their package is called `NAME`, `.txt` behind `.py` keeps them from being modules of ours."""

NAME = "mygan"
"""The package's name in the template."""

TAKEN = ("conf", "tests", "runs", "cache")
"""Names of other folders of the project."""


def add(commands: Any) -> None:
    """Add the command to the parser of `seesaw`."""
    usage = "begin a package of your own: a loss, a model, a data set, their tests"
    command = commands.add_parser("new", help=f"{usage}: `seesaw new my_gan`")
    command.add_argument("folder", type=Path, help="folder to make; its name is the package's")
    command.set_defaults(call=call)


def call(options: argparse.Namespace) -> str:
    """Write the project; returns the lines to print."""
    folder = options.folder.expanduser()
    name = folder.resolve().name
    check_name(name or str(folder))
    check_folder(folder)
    write(folder, name)
    lines = [f"{folder}: a package {name}, its conf and tests; begin with", f"  cd {shlex.quote(str(folder))}"]
    return "\n".join([*lines, "  python -m pytest", "and go on by its README.md"])


def check_name(name: str) -> None:
    """UserError where the name is none of a package, or that of another one that Python would find first."""
    from seesaw.config.allowed import why_not_own

    plain = name.replace("-", "_").replace(" ", "_")
    if not name.isascii() or not name.isidentifier() or name.startswith("_") or keyword.iskeyword(name):
        usable = plain.isascii() and plain.isidentifier() and not plain.startswith("_") and not keyword.iskeyword(plain)
        hint = f"; {plain} would do" if usable else ""
        raise UserError(f"{name}: this is not the name of a Python package: give letters, digits and _, such as my_gan{hint}")
    if name in TAKEN:
        raise UserError(f"{name}: the project has another folder of that name; choose another, such as my_gan")
    if name == "test" or not (why_not_own(name) or "cannot be found").startswith("cannot be found"):
        raise UserError(f"{name}: Python has a package of this name already; choose another, such as my_gan")


def check_folder(folder: Path) -> None:
    """UserError where the folder holds something, or is a file."""
    if folder.is_dir() and any(folder.iterdir()):
        raise UserError(f"{folder} is not empty; choose another folder")
    if folder.exists() and not folder.is_dir():
        raise UserError(f"{folder} is a file; choose another name")


def write(folder: Path, name: str) -> None:
    """Write all files beside the folder, then move them there: it is whole, or not there at all."""
    place = folder.resolve()  # a link to an empty folder stays one
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        beside = place if place.is_dir() else place.parent
        with tempfile.TemporaryDirectory(dir=beside, prefix=".seesaw-new-") as temporary:
            made = Path(temporary) / name
            for source in sorted(file for file in TEMPLATE.rglob("*") if file.is_file()):
                target = made / placed(source.relative_to(TEMPLATE), name)
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_text(source.read_text(encoding="utf-8").replace(NAME, name), encoding="utf-8")
            if beside == place:  # an empty folder, which may be the current one
                for child in made.iterdir():
                    os.rename(child, place / child.name)
            else:
                os.rename(made, place)
    except OSError as error:
        why = "a file stands where a folder belongs" if isinstance(error, FileExistsError) else disk_error(error)
        raise UserError(f"{folder} cannot be made: {why}; choose another place") from error


def placed(file: Path, name: str) -> Path:
    """Where a file of the template stands in the project."""
    text = file.as_posix().removesuffix(".txt").replace("dot_", ".").replace(NAME, name)
    return Path(text)
