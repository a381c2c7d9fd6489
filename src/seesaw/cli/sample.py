"""`seesaw sample RUN`: a run's samples, as a grid, or as a folder, a zip or an array of images."""

import argparse
from pathlib import Path
from typing import Any

from seesaw.cli.checkpoint_options import (
    add_checkpoint_options,
    add_class_option,
    add_psi_option,
    check_psi,
    check_whole,
    chosen_of,
)
from seesaw.errors import UserError
from seesaw.latents.place import check_folder
from seesaw.training.checkpoint_file import checkpoint_of

IMAGES = 64
"""Written where no count is given."""

MOST_OF_GRID, MOST = 10_000, 1_000_000
"""Samples of a grid, and in files, for which memory suffices: all latents are drawn at once."""


def add(commands: Any) -> None:
    """Add the command to the parser of `seesaw`."""
    command = commands.add_parser("sample", help="a run's samples: a grid, a folder, a zip, an array")
    add_checkpoint_options(command)
    command.add_argument("--count", type=int, default=None, help="images (64) or points (2,500)")
    command.add_argument("--seed", type=int, default=0, help="key of the latents (0)")
    add_class_option(command, otherwise="all")
    add_psi_option(command)
    command.add_argument(
        "--out", default="samples.png", metavar="PLACE",
        help="name.png: a grid; name.zip, or a folder: an image a file; name.npy: an array (samples.png)",
    )  # fmt: skip
    command.set_defaults(call=call)


def call(options: argparse.Namespace) -> str:
    """Check the arguments without torch, then draw; returns the line to print."""
    out = Path(options.out)
    kind = out.suffix.lower()
    if is_folder := (str(options.out).endswith("/") or out.is_dir() or not kind):
        check_folder(out)
    elif kind not in (".png", ".npy", ".zip"):
        raise UserError(f"--out {out}: the name must end in .png, .zip or .npy, or be that of a folder, without a dot")
    is_grid = kind == ".png" and not is_folder
    check_whole("--count", options.count, 1, MOST_OF_GRID if is_grid else MOST)
    check_psi(options.psi)
    path = checkpoint_of(options.run, options.which)
    if is_grid:
        from seesaw.trained.sample import sample

        how = (options.count, options.seed, options.raw, out, options.chosen)
        return sample(path, *how, options.overrides, options.packages, options.psi)
    from seesaw.latents.bulk import write_many

    return write_many(chosen_of(options), options.count or IMAGES, options.seed, out, is_folder)

