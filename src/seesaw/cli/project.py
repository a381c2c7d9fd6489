"""`seesaw project RUN PICTURE…`: the latents whose images are nearest to pictures."""

import argparse
from typing import Any

from seesaw.cli.checkpoint_options import (
    add_checkpoint_options,
    add_class_option,
    add_folder_option,
    check_whole,
    chosen_of,
)
from seesaw.errors import UserError


def add(commands: Any) -> None:
    """Add the command to the parser of `seesaw`."""
    command = commands.add_parser("project", help="find the latents of pictures")
    add_checkpoint_options(
        command, pictures="picture files, or train:N and held-out:N for image N of the run's own data"
    )
    command.add_argument("--space", choices=["z", "w"], default=None, help="of the latents (w of StyleGAN2, else z)")
    command.add_argument("--steps", type=int, default=400, help="of the optimiser, for each picture (400)")
    command.add_argument("--starts", type=int, default=4, help="latents to start from; the best is kept (4)")
    command.add_argument("--lr", type=float, default=0.1, help="learning rate, in standard deviations of a latent (0.1)")
    command.add_argument("--seed", type=int, default=0, help="of the latents to start from (0)")
    add_class_option(command, otherwise="the nearest")
    add_folder_option(command, "projected")
    command.set_defaults(call=call)


def call(options: argparse.Namespace) -> str:
    """Check the arguments without torch, then project; returns the lines to print."""
    check_whole("--steps", options.steps, 1, 100_000)
    check_whole("--starts", options.starts, 1, 256)
    if not 0 < options.lr <= 10:
        raise UserError(f"--lr is {options.lr:g}; it must be above 0 and at most 10")
    chosen = chosen_of(options)
    from seesaw.latents.project import Search, project_pictures

    search = Search(options.space, options.steps, options.starts, options.lr, options.seed)
    return project_pictures(chosen, options.pictures, search, options.out)
