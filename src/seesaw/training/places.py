"""Relative paths of a run's command, found again from another current folder. Imports neither torch nor Hydra."""

from pathlib import Path
from typing import Any

from seesaw.training.run_folder import read_status

PATHS = ("init_from", "cache_dir", "data.root", "data.content", "data.style", "metrics.extractor.weights",
         "model.backbone.network.weights")  # fmt: skip
"""Keys whose values are paths of files or folders."""


def from_its_folder(text: Any, cwd: Any) -> Any:
    """A relative path as an absolute one, where it leads to something from the folder in which the run's command was given; as it
    is where nothing is there, as of a project that has moved as a whole, and where this is that folder.

    Args:
        text: the value of a key of `PATHS`.
        cwd: that folder, as status.json has it: of an earlier version nothing, of a stranger anything.
    """
    if not isinstance(text, str) or not isinstance(cwd, str) or "${" in text or text.startswith("~"):
        return text
    try:
        found = Path(cwd) != Path.cwd() and not Path(text).is_absolute() and (Path(cwd) / text).exists()
    except (OSError, ValueError):
        return text
    return str(Path(cwd) / text) if found else text


def with_its_places(config: dict[str, Any], checkpoint: Path) -> dict[str, Any]:
    """The configuration of a checkpoint with the paths of its data and metrics as `from_its_folder` finds them."""
    cwd = read_status(checkpoint.resolve().parent.parent).get("cwd")
    for key in PATHS:
        *parents, last = key.split(".")
        node: Any = config
        for parent in parents:
            node = node.get(parent) if isinstance(node, dict) else None
        if parents and isinstance(node, dict) and last in node:
            node[last] = from_its_folder(node[last], cwd)
    return config
