"""`seesaw search SPACE`: search the best values of a few keys."""

import argparse
from pathlib import Path
from typing import Any

from seesaw.cli.own_options import add_config_dir
from seesaw.cli.train import program
from seesaw.errors import UserError


def add(commands: Any) -> None:
    """Add the command to the parser of `seesaw`."""
    command = commands.add_parser(
        "search", help="search the best values of a few keys: `seesaw search learning_rates data=digits kimg=20`"
    )
    command.add_argument("space", help="a ready space (src/seesaw/sweeps/spaces), or a YAML file of keys and ranges")
    command.add_argument("overrides", nargs="*", metavar="KEY=VALUE", help="as `train` takes them, for every trial")
    command.add_argument("--trials", type=int, default=20, help="how many, those of an earlier call included (20)")
    command.add_argument(
        "--out", type=Path, default=None, help="folder; the same command goes on in it (runs/search-…)"
    )
    command.add_argument(
        "--prune", choices=["median", "hyperband", "none"], default="median", help="which trials end early (median)"
    )
    command.add_argument("--seed", type=int, default=0, help="of the draws (0); seed=… is the runs'")
    add_config_dir(command)
    command.set_defaults(call=call)


def call(options: argparse.Namespace) -> str:
    """Search; returns the lines to print. Raises UserError where Optuna is not installed."""
    try:
        from seesaw.sweeps.search import search
    except ImportError as error:
        raise UserError("seesaw search needs the package optuna: pip install 'seesaw-gan[sweep]'") from error
    how = (options.trials, options.out, options.prune, options.seed)
    return search(options.space, options.overrides, *how, program())
