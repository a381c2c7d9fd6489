"""GAN research with the balance of the players as an axis. `import seesaw` takes no time: what is used is imported then.

- `seesaw.load(run)`: the trained networks of a run folder, a checkpoint or an export (`seesaw.trained.load.load`).
- `seesaw.train(overrides)`: train as `seesaw train` does (`seesaw.cli.in_python.train`).
- `seesaw.UserError`: a mistake that the caller can mend, in one sentence.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from seesaw.cli.in_python import train as train
    from seesaw.errors import UserError as UserError
    from seesaw.trained.load import load as load
    from seesaw.trained.trained import Trained as Trained

PLACES = {
    "load": "seesaw.trained.load",
    "train": "seesaw.cli.in_python",
    "Trained": "seesaw.trained.trained",
    "UserError": "seesaw.errors",
}
"""Name of the interface -> the module that has it."""

__all__ = ["Trained", "UserError", "load", "train"]


def __getattr__(name: str) -> Any:
    if name not in PLACES:
        raise AttributeError(f"module 'seesaw' has no attribute {name!r}")
    return getattr(importlib.import_module(PLACES[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *PLACES})
