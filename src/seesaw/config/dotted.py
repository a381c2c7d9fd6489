"""What stands at a dotted path, imported without Hydra."""

import importlib
import types
from typing import Any


def object_at(target: str) -> Any:
    """What stands at a dotted path: each part an attribute of the one before, or a module below it.

    Raises:
        ImportError, AttributeError: there is nothing; or whatever a module raises while it is imported.
    """
    top, *parts = target.split(".")
    found: Any = importlib.import_module(top)
    path = top
    for part in parts:
        path = f"{path}.{part}"
        try:
            found = getattr(found, part)
        except AttributeError:
            if not isinstance(found, types.ModuleType):
                raise
            found = importlib.import_module(path)
    return found
