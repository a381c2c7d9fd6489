"""config.yaml of a run folder: read with limits, since a stranger may have written it, and sieved, as there may be thousands."""

import re
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from seesaw.config.renamed import with_moved_targets
from seesaw.errors import UserError
from seesaw.training.differences import MAY_DIFFER, flat
from seesaw.util import check_size

BLOCKS = re.compile(r"(?m)^(?=[A-Za-z_])")
"""Where a top-level option begins in what a run has written."""


def saved_config(path: Path) -> dict[str, Any]:
    """config.yaml of a run folder. UserError where it cannot be read, or an earlier version wrote it."""
    try:
        saved = _parsed(text_of(path))
        if not isinstance(saved, dict) or not isinstance(saved.get("model", {}), dict):
            raise ValueError("it holds no mapping of options")
    except (OSError, ValueError, RecursionError, yaml.YAMLError) as error:
        raise UserError(
            f"{path / 'config.yaml'} cannot be read, so the run cannot go on: {type(error).__name__}"
        ) from error
    if "recipe" in saved.get("model", {}):
        raise UserError(f"{path} was begun by an earlier version of seesaw; commit fe0cea8 goes on with it")
    return dict(with_moved_targets(saved))


def text_of(path: Path) -> str:
    """The text of a run folder's config.yaml. OSError or ValueError where it is none; a pipe would wait for a writer."""
    file = path / "config.yaml"
    if file.exists() and not file.is_file():
        raise OSError("not a regular file")
    return file.read_text(encoding="utf-8")


def _parsed(text: str) -> Any:
    """The value of a text of YAML. ValueError where it is deeper or larger than any configuration."""
    value = yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    check_size(value)
    return value


class Sieve:
    """Which of many saved configurations may be a given one. It reads each text block by block, and each block, such as that of
    the optimiser, once for all texts that share it: to read a whole configuration takes milliseconds, to resolve one a tenth of
    a second.

    Args:
        config: the given one, unresolved, as plain containers.
    """

    def __init__(self, config: dict[str, Any]) -> None:
        self.settled = {key: value for key, value in flat(config).items() if _is_settled(key, value)}
        self.agrees = cache(self._agrees)

    def may_be(self, text: str) -> bool:
        """False where an option differs whose final value is known. A text that cannot be read may be anything."""
        return all(self.agrees(block) for block in BLOCKS.split(text) if block.partition(":")[0] not in MAY_DIFFER)

    def _agrees(self, block: str) -> bool:
        try:
            found = _parsed(block)
        except (ValueError, RecursionError, yaml.YAMLError):
            return True
        left = flat(with_moved_targets(found)) if isinstance(found, dict) else {}
        return all(self.settled.get(key, value) == value for key, value in left.items())


def _is_settled(key: str, value: Any) -> bool:
    """Whether a leaf of an unresolved configuration has its final value, and must be equal in a run that goes on. Classes are
    counted when the configuration is resolved."""
    counted = key.rpartition(".")[2] == "classes"
    return key.partition(".")[0] not in MAY_DIFFER and not counted and "${" not in str(value)
