"""`seesaw rerun RUN [KEY=VALUE …]`: the command of a run again, as a new run."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from seesaw.cli import train
from seesaw.errors import UserError
from seesaw.training.error_messages import wants_trace
from seesaw.training.rerun import again

USAGE = """usage: seesaw rerun RUN [KEY=VALUE ...]

Train a new run by the command of RUN, a run folder. KEY=VALUE as `seesaw train`
takes them replace the run's own: seesaw rerun runs/a seed=2 kimg=800
The run's --config-dir is used again; packages=[…] has to be given again.
To go on with a run instead: seesaw train resume=RUN [KEY=VALUE ...]"""


def add(commands: Any) -> None:
    """Add the command to the parser of `seesaw`, for its help page: Hydra parses what follows the run folder."""
    commands.add_parser("rerun", help="a new run by the command of another: `seesaw rerun RUN seed=2`", add_help=False)


def main(argv: list[str]) -> int:
    """Train; returns the exit code."""
    return train_by(argv, "rerun", USAGE, again)


def train_by(argv: list[str], command: str, usage: str, arguments_of: Callable[[Path, list[str]], list[str]]) -> int:
    """Train by the arguments that `arguments_of` makes of a run folder and what stands behind it; returns the exit code."""
    if not argv or {"-h", "--help"} & set(argv):
        print(usage, file=sys.stdout if argv else sys.stderr)
        return 0 if argv else 2
    run, rest = argv[0], argv[1:]
    try:
        if run.startswith("-"):
            raise UserError(f"{run}: give the run folder first: seesaw {command} RUN {run} …")
        if "=" in run and not Path(run).exists():
            raise UserError(f"{run}: give the run folder first: seesaw {command} RUN {run}")
        arguments = arguments_of(Path(run).expanduser(), rest)
    except UserError as error:
        if wants_trace():
            raise
        print(f"seesaw: {error}", file=sys.stderr)
        return 1
    return train.main(arguments)
