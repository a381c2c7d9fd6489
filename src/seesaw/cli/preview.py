"""`seesaw preview RUN` or `seesaw preview augment=ada data=…`: a picture of what D sees."""

import argparse
from pathlib import Path
from typing import Any

from seesaw.cli.own_options import add_config_dir
from seesaw.errors import UserError
from seesaw.training.checkpoint_file import checkpoint_of


class RunAndOverrides(argparse.Action):
    """Words with `=` are overrides; one without is the run."""

    def __call__(self, parser: Any, namespace: Any, values: Any, option_string: str | None = None) -> None:
        runs = [word for word in values if "=" not in word]
        if len(runs) > 1:
            parser.error(f"give one run, not {' and '.join(runs)}")
        namespace.run = Path(runs[0]) if runs else None
        namespace.overrides = [word for word in values if "=" in word]


def add(commands: Any) -> None:
    """Add the command to the parser of `seesaw`."""
    command = commands.add_parser(
        "preview", help="what D sees: reals, and of a run fakes, before and after augmentation"
    )
    command.add_argument(
        "overrides",
        nargs="*",
        action=RunAndOverrides,
        metavar="RUN | KEY=VALUE",
        help="a run folder or a checkpoint, with data.root=… and the like where they have moved; or overrides as `train` takes "
        "them: augment=ada data=…",
    )
    command.add_argument(
        "--which", choices=["last", "best"], default="last", help="which checkpoint of the folder (last)"
    )
    command.add_argument(
        "--p", type=float, nargs="+", default=None, help="probabilities to show beside that of the moment (0.2 0.5 0.8)"
    )
    command.add_argument("--seed", type=int, default=0, help="key of the images and of the draws (0)")
    command.add_argument("--out", type=Path, default=Path("preview.png"), help="the PNG to write (preview.png)")
    command.add_argument(
        "--package", action="append", default=[], dest="packages", metavar="NAME",
        help="your own package whose classes the run uses; any class and function in it may be called",
    )  # fmt: skip
    add_config_dir(command)
    command.set_defaults(call=call)


def call(options: argparse.Namespace) -> str:
    """Check the arguments without torch, then draw; returns the lines to print."""
    if wrong := [p for p in options.p or [] if not 0 <= p <= 1]:
        raise UserError(f"--p is {wrong[0]:g}; it must be at least 0 and at most 1")
    if options.out.suffix.lower() != ".png":
        raise UserError(f"--out {options.out}: the name must end in .png")
    how = (options.p, options.seed, options.out, options.overrides, options.packages)
    if options.run is None:
        from seesaw.training.preview import preview_configuration

        return preview_configuration(*how)
    path = checkpoint_of(options.run, options.which)
    from seesaw.training.preview import preview_run

    return preview_run(path, *how)
