"""`seesaw fork RUN at=KIMG [KEY=VALUE …]`: a new run from a checkpoint of another one, with changes."""

import shlex
from pathlib import Path
from typing import Any

from seesaw.cli.rerun import train_by
from seesaw.config.command_line import key_of, override
from seesaw.errors import UserError
from seesaw.training.fork_points import checkpoint_at
from seesaw.training.rerun import again

USAGE = """usage: seesaw fork RUN at=KIMG [KEY=VALUE ...]

Begin a new run from a checkpoint of RUN, a run folder: at=KIMG names one by
the thousands of images shown (checkpoints=[10,20] keeps some while a run
trains), at=last and at=best the newest and the best. The new run has the same
weights, optimisers, latents and order of reals, and RUN's command, in which
KEY=VALUE as `seesaw train` takes them replace the run's own:
  seesaw fork runs/a at=10 balance=skip_d
  seesaw fork runs/a at=10 balance=none,skip_d,ttur -m
Without KEY=VALUE it repeats RUN from there on. `seesaw compare` shows forks
beside the runs that they come from."""


def add(commands: Any) -> None:
    """Add the command to the parser of `seesaw`, for its help page: Hydra parses what follows the run folder."""
    usage = "a new run from a checkpoint of another, with changes: `seesaw fork RUN at=10 balance=skip_d`"
    commands.add_parser("fork", help=usage, add_help=False)


def main(argv: list[str]) -> int:
    """Train; returns the exit code."""
    return train_by(argv, "fork", USAGE, forked)


def forked(folder: Path, rest: list[str]) -> list[str]:
    """The arguments of `seesaw train` for a fork of the run in a folder. UserError where they name no moment of it."""
    moments = [argument for argument in rest if argument.startswith("at=")]
    given = [argument for argument in rest if argument not in moments]
    if len(moments) != 1:
        raise UserError(f"seesaw fork {folder}: give one moment, at=KIMG, at=last or at=best")
    for argument in given:
        if key_of(argument) == "fork_from":
            raise UserError(f"{argument}: at=KIMG chooses the checkpoint; leave it out")
        if key_of(argument) == "resume" and argument not in ("resume=auto", "resume=null"):
            raise UserError(f"{argument}: a fork begins from RUN; leave it out, or give resume=auto to go on with the fork")
    arguments = [argument for argument in again(folder, given) if key_of(argument) != "fork_from"]
    checkpoint = checkpoint_at(folder, moments[0].removeprefix("at="))
    return [*arguments, shlex.split(override("fork_from", checkpoint))[0]]
