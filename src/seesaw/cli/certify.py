"""`seesaw certify RUN`: does a run's generator repeat training images."""

import argparse
from typing import Any

from seesaw.cli.checkpoint_options import add_checkpoint_options, add_measuring_options
from seesaw.training.checkpoint_file import checkpoint_of


def add(commands: Any) -> None:
    """Add the command to the parser of `seesaw`."""
    command = commands.add_parser("certify", help="a memorisation report: does a run repeat its training images")
    add_checkpoint_options(command)
    by = "compare by Inception's features with these weights"
    add_measuring_options(command, n="samples to compare (as the run measures)", fid=by)
    command.set_defaults(call=call)


def call(options: argparse.Namespace) -> str:
    """Find the checkpoint without torch, then compare; returns the lines to print."""
    path = checkpoint_of(options.run, options.which)
    from seesaw.training.certify import report

    how = (options.raw, options.n, options.fid)
    return report(options.run, path, *how, options.overrides, options.packages)
