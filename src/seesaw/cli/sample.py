"""`seesaw sample RUN`: a grid of a run's samples."""

import argparse
from pathlib import Path
from typing import Any

from seesaw.cli.checkpoint_options import add_checkpoint_options
from seesaw.errors import UserError
from seesaw.training.checkpoint_file import checkpoint_of


def add(commands: Any) -> None:
    """Add the command to the parser of `seesaw`."""
    command = commands.add_parser("sample", help="a grid of a run's samples")
    add_checkpoint_options(command)
    command.add_argument("--count", type=int, default=None, help="images (64) or points (2,500)")
    command.add_argument("--seed", type=int, default=0, help="key of the latents (0)")
    command.add_argument(
        "--class", dest="chosen", metavar="CLASS", default=None, help="a class by number or name (all)"
    )
    command.add_argument(
        "--psi", type=float, default=None, help="StyleGAN2's truncation: 1 none, 0 the mean image; better, less varied (1)"
    )
    command.add_argument("--out", type=Path, default=Path("samples.png"), help="the PNG to write (samples.png)")
    command.set_defaults(call=call)


def call(options: argparse.Namespace) -> str:
    """Check the arguments without torch, then draw; returns the line to print."""
    if options.count is not None and options.count < 1:
        raise UserError(f"--count is {options.count}; it must be at least 1")
    if options.out.suffix.lower() != ".png":
        raise UserError(f"--out {options.out}: the name must end in .png")
    if options.psi is not None and not -2 <= options.psi <= 2:
        raise UserError(f"--psi is {options.psi}; it must be from -2 to 2")
    path = checkpoint_of(options.run, options.which)
    from seesaw.trained.sample import sample

    how = (options.count, options.seed, options.raw, options.out, options.chosen)
    return sample(path, *how, options.overrides, options.packages, options.psi)
