"""`seesaw interpolate RUN`: a film from latent to latent."""

import argparse
from pathlib import Path
from typing import Any

from seesaw.cli.checkpoint_options import (
    add_checkpoint_options,
    add_class_option,
    add_film_option,
    add_psi_option,
    check_psi,
    check_whole,
    chosen_of,
    seeds_of,
)
from seesaw.errors import UserError


def add(commands: Any) -> None:
    """Add the command to the parser of `seesaw`."""
    command = commands.add_parser("interpolate", help="a film through a run's latents: mp4, gif, webp or a sheet")
    add_checkpoint_options(command)
    command.add_argument("--seeds", default=None, metavar="LIST", help="of the key frames, such as 0,3,10-15 (0-3)")
    command.add_argument(
        "--latents", type=Path, nargs="+", default=[], metavar="FILE",
        help="key frames from .npy files of `seesaw project`, in the place of seeds",
    )  # fmt: skip
    command.add_argument("--frames", type=int, default=30, help="from one key frame to the next (30)")
    command.add_argument("--loop", action="store_true", help="return to the first key frame")
    command.add_argument("--space", choices=["z", "w"], default=None, help="of the latents (w of StyleGAN2, else z)")
    command.add_argument("--how", choices=["slerp", "linear"], default=None, help="(slerp in z, linear in w)")
    command.add_argument("--fps", type=float, default=30.0, help="frames a second (30)")
    add_class_option(command, otherwise="the first")
    add_psi_option(command)
    add_film_option(command, "interpolation.gif")
    command.set_defaults(call=call)


def call(options: argparse.Namespace) -> str:
    """Check the arguments without torch, then write the film; returns the line to print."""
    from seesaw.latents.video import check_film

    check_film(options.out, options.fps)
    check_psi(options.psi)
    check_whole("--frames", options.frames, 1, 10_000)
    if options.seeds is not None and options.latents:
        raise UserError("--seeds and --latents both name the key frames; give one of them")
    seeds = seeds_of("--seeds", options.seeds or "0-3", least=2)
    chosen = chosen_of(options)
    from seesaw.latents.interpolate import Way, interpolate

    way = Way(seeds, options.latents, options.space, options.how, options.frames, options.loop)
    return interpolate(chosen, way, options.out, options.fps)
