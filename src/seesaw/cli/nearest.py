"""`seesaw nearest RUN`: samples beside their nearest training images."""

import argparse
from pathlib import Path
from typing import Any

from seesaw.cli.checkpoint_options import (
    add_checkpoint_options,
    add_class_option,
    add_psi_option,
    check_png,
    check_psi,
    check_whole,
    chosen_of,
)


def add(commands: Any) -> None:
    """Add the command to the parser of `seesaw`."""
    command = commands.add_parser("nearest", help="samples beside their nearest training images")
    add_checkpoint_options(command)
    command.add_argument("--count", type=int, default=16, help="samples (16)")
    command.add_argument("--seed", type=int, default=0, help="key of the latents (0)")
    command.add_argument("--neighbours", type=int, default=3, help="training images beside each sample (3)")
    command.add_argument(
        "--by", choices=["features", "pixels"], default=None,
        help="what is compared (the features of the run's metrics; pixels where it has none)",
    )  # fmt: skip
    add_class_option(command, otherwise="all")
    add_psi_option(command)
    command.add_argument(
        "--out", type=Path, default=Path("nearest.png"), metavar="FILE",
        help="the PNG to write; a JSON of the same name has the distances (nearest.png)",
    )  # fmt: skip
    command.set_defaults(call=call)


def call(options: argparse.Namespace) -> str:
    """Check the arguments without torch, then compare; returns the lines to print."""
    check_whole("--count", options.count, 1, 256)
    check_whole("--neighbours", options.neighbours, 1, 20)
    check_psi(options.psi)
    check_png(options.out)
    chosen = chosen_of(options)
    from seesaw.latents.nearest import nearest_images

    return nearest_images(chosen, options.count, options.seed, options.neighbours, options.by, options.out)
