"""Checks of a set's options that need no torch: they run before anything heavy is imported, and again when the set is built."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from seesaw.errors import UserError
from seesaw.util import RESOLUTIONS

SOURCES = "seesaw.data.sources."
OTHER_SHAPES = (f"{SOURCES}gaussians.", f"{SOURCES}style_pair.")
"""Sources that are no sets of square images."""


def check_resolution(resolution: int) -> None:
    """Raise ValueError where images of a set cannot have this height and width."""
    if resolution not in RESOLUTIONS:
        raise ValueError(f"resolution must be one of {', '.join(map(str, RESOLUTIONS))}, not {resolution}")


def check_exists(path: Path, option: str = "data.root") -> None:
    """Raise UserError where there is nothing at `path`, the value of `option`."""
    place = path.expanduser()
    try:
        if place.exists():
            return
    except OSError as error:  # such as a name that is too long
        raise UserError(f"{option}={str(path)!r} cannot be read: {error.strerror}") from error
    looked = f"(looked for {str(place.absolute())!r})"
    raise UserError(f"{option}={str(path)!r} does not exist {looked}: give the folder or the zip that holds the set")


def data_errors(data: Mapping[str, Any]) -> list[str]:
    """What is wrong with resolution and place of a set that seesaw knows: one sentence each.

    Args:
        data: the node of the group `data`, resolved.
    """
    target, resolution, root = str(data.get("_target_")), data.get("resolution"), data.get("root")
    errors: list[str] = []
    if not target.startswith(SOURCES) or target.startswith(OTHER_SHAPES):
        return errors
    try:
        if isinstance(resolution, int):
            check_resolution(resolution)
    except ValueError as error:
        errors.append(f"data: {error}")
    try:
        if isinstance(root, str):
            check_exists(Path(root))
    except UserError as error:
        errors.append(str(error))
    return errors
