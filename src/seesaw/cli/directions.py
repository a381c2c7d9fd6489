"""`seesaw directions RUN`: directions in the latents that change the images most."""

import argparse
from typing import Any

from seesaw.cli.checkpoint_options import (
    add_checkpoint_options,
    add_class_option,
    add_folder_option,
    add_psi_option,
    check_psi,
    check_whole,
    chosen_of,
)
from seesaw.errors import UserError


def add(commands: Any) -> None:
    """Add the command to the parser of `seesaw`."""
    command = commands.add_parser("directions", help="directions in the latents that change the images most")
    add_checkpoint_options(command)
    command.add_argument("--count", type=int, default=5, help="directions (5)")
    command.add_argument(
        "--method", choices=["closed_form", "pca"], default=None,
        help="closed_form: SeFa; pca: GANSpace (closed_form of StyleGAN2, else pca)",
    )  # fmt: skip
    command.add_argument("--images", type=int, default=2, help="rows of the sheet for each direction (2)")
    command.add_argument("--reach", type=float, default=3.0, help="steps to the ends of a row (3)")
    command.add_argument("--seed", type=int, default=0, help="key of the latents (0)")
    add_class_option(command, otherwise="the first")
    add_psi_option(command)
    add_folder_option(command, "directions")
    command.set_defaults(call=call)


def call(options: argparse.Namespace) -> str:
    """Check the arguments without torch, then look for directions; returns the lines to print."""
    check_whole("--count", options.count, 1, 100)
    check_whole("--images", options.images, 1, 16)
    check_psi(options.psi)
    if not 0 < options.reach <= 100:
        raise UserError(f"--reach is {options.reach:g}; it must be above 0 and at most 100")
    chosen = chosen_of(options)
    from seesaw.latents.directions import Wanted, directions

    wanted = Wanted(options.count, options.method, options.images, options.reach, options.seed)
    return directions(chosen, wanted, options.out)
