"""What a run's configuration says of its images."""

from pathlib import Path
from typing import Any, NamedTuple

from seesaw.config.values import shown
from seesaw.errors import UserError
from seesaw.functional.pixels import DTYPES
from seesaw.functional.resolution import size_of


class Facts(NamedTuple):
    """Height and width, (1, 1) of points; channels; bits of a pixel and channel; names of the classes, where they have some."""

    resolution: tuple[int, int]
    channels: int
    depth: int
    class_names: list[str]


def facts_of(data: Any, path: Path) -> Facts:
    """The facts of a node `data`. UserError where a file, which may come from a stranger, has others than any set."""
    get = data.get if isinstance(data, dict) else {}.get
    size, channels, depth, names = get("resolution", 1), get("channels", 2), get("depth", 8), get("class_names") or []
    try:
        height, width = size_of(size)
    except (ValueError, TypeError) as error:
        raise UserError(f"{path}: data.resolution is {shown(size)}, which no set of images has") from error
    if type(channels) is not int or channels < 1:
        raise UserError(f"{path}: data.channels is {shown(channels)}; it must be a whole number, at least 1")
    if type(depth) is not int or depth not in DTYPES:
        raise UserError(f"{path}: data.depth is {shown(depth)}; it must be {' or '.join(map(str, DTYPES))}")
    if not isinstance(names, list) or not all(isinstance(name, str | int) for name in names):
        raise UserError(f"{path}: data.class_names is {shown(names)}; it must be a list of names")
    return Facts((height, width), channels, depth, [str(name) for name in names])
