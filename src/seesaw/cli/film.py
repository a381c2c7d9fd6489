"""`seesaw film RUN`: a film of a run's training."""

import argparse
from pathlib import Path
from typing import Any

from seesaw.cli.checkpoint_options import add_film_option
from seesaw.errors import UserError


def add(commands: Any) -> None:
    """Add the command to the parser of `seesaw`."""
    command = commands.add_parser("film", help="a film of a run's training, from its grids of samples")
    command.add_argument("run", type=Path, help="run folder")
    command.add_argument("--fps", type=float, default=4.0, help="grids a second (4)")
    command.add_argument("--hold", type=float, default=2.0, help="seconds that the last grid stays (2)")
    add_film_option(command, "film.gif")
    command.set_defaults(call=call)


def call(options: argparse.Namespace) -> str:
    """Write the film; returns the line to print. Torch is imported for a sheet alone."""
    from seesaw.latents.film import film
    from seesaw.latents.video import check_film

    check_film(options.out, options.fps)
    if not 0 <= options.hold <= 60:
        raise UserError(f"--hold is {options.hold:g}; it must be from 0 to 60")
    return film(options.run, options.out, options.fps, options.hold)
