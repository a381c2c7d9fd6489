"""`seesaw mix RUN`: a grid of images with the coarse styles of one latent and the fine ones of another."""

import argparse
import re
from pathlib import Path
from typing import Any

from seesaw.cli.checkpoint_options import (
    add_checkpoint_options,
    add_class_option,
    add_psi_option,
    check_png,
    check_psi,
    chosen_of,
    seeds_of,
)
from seesaw.errors import UserError

MOST = 32
"""Rows, and columns."""


def add(commands: Any) -> None:
    """Add the command to the parser of `seesaw`."""
    command = commands.add_parser("mix", help="a grid of mixed styles of a StyleGAN2")
    add_checkpoint_options(command)
    command.add_argument("--rows", default="0-3", metavar="LIST", help="seeds of the coarse styles (0-3)")
    command.add_argument("--columns", default="4-9", metavar="LIST", help="seeds of the other styles (4-9)")
    command.add_argument(
        "--layers", default=None, metavar="FIRST-LAST",
        help="layers whose style the columns give, 0 the coarsest (the finer half)",
    )  # fmt: skip
    add_class_option(command, otherwise="the first")
    add_psi_option(command)
    command.add_argument("--out", type=Path, default=Path("mix.png"), metavar="FILE", help="the PNG to write (mix.png)")
    command.set_defaults(call=call)


def call(options: argparse.Namespace) -> str:
    """Check the arguments without torch, then draw; returns the line to print."""
    check_png(options.out)
    check_psi(options.psi)
    rows, columns = seeds_of("--rows", options.rows, most=MOST), seeds_of("--columns", options.columns, most=MOST)
    layers = layers_of(options.layers)
    chosen = chosen_of(options)
    from seesaw.latents.mix import mix

    return mix(chosen, rows, columns, layers, options.out)


def layers_of(text: str | None) -> tuple[int, int] | None:
    """First and last layer of `2-5`, or of one number. Raises UserError where it is neither."""
    if text is None:
        return None
    match = re.fullmatch(r"(\d{1,3})(?:-(\d{1,3}))?", text)
    if match is None or int(match[2] or match[1]) < int(match[1]):
        raise UserError(f"--layers {text}: give the first and the last layer, such as 4-7; 0 is the coarsest")
    return int(match[1]), int(match[2] or match[1])
