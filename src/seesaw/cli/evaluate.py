"""`seesaw evaluate RUN`: a run's distance to its reals."""

import argparse
from typing import Any

from seesaw.cli.checkpoint_options import add_checkpoint_options, add_measuring_options
from seesaw.training.checkpoint_file import checkpoint_of


def add(commands: Any) -> None:
    """Add the command to the parser of `seesaw`."""
    command = commands.add_parser("evaluate", help="a run's distance to its reals, with its protocol")
    add_checkpoint_options(command)
    by = "measure FID and KID with these Inception weights"
    add_measuring_options(command, n="samples to measure (as the run did)", fid=by)
    command.set_defaults(call=call)


def call(options: argparse.Namespace) -> str:
    """Find the checkpoint without torch, then measure; returns the lines to print."""
    path = checkpoint_of(options.run, options.which)
    from seesaw.training.inference import evaluate

    how = (options.raw, options.n, options.fid)
    return evaluate(options.run, path, *how, options.overrides, options.packages)
