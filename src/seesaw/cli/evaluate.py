"""`seesaw evaluate RUN`: a run's distance to its reals."""

import argparse
from typing import Any

from seesaw.cli.checkpoint_options import add_checkpoint_options
from seesaw.training.run_folder import checkpoint_of


def add(commands: Any) -> None:
    """Add the command to the parser of `seesaw`."""
    command = commands.add_parser("evaluate", help="a run's distance to its reals, with its protocol")
    add_checkpoint_options(command)
    command.add_argument("--n", type=int, default=None, help="samples to measure (as the run did)")
    command.add_argument(
        "--fid", metavar="FILE", default=None,
        help="measure FID and KID with these Inception weights; `auto`: torch hub's cache, downloaded when missing",
    )  # fmt: skip
    command.set_defaults(call=call)


def call(options: argparse.Namespace) -> str:
    """Find the checkpoint without torch, then measure; returns the lines to print."""
    path = checkpoint_of(options.run, options.which)
    from seesaw.training.inference import evaluate

    how = (options.raw, options.n, options.fid)
    return evaluate(options.run, path, *how, options.overrides, options.packages)
