"""The arguments that the commands on a checkpoint share: which one they read, what of it they show, and how."""

import argparse
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seesaw.errors import UserError
from seesaw.training.checkpoint_file import checkpoint_of

if TYPE_CHECKING:
    from seesaw.latents.model import Chosen

OVERRIDES = "cache_dir=…, or a key of the run's data and metrics: data.root=…"

MOST_SEEDS = 1000
"""Of one list, where a command sets no other limit."""


class PicturesAndOverrides(argparse.Action):
    """Words that name a key of the data, the metrics or the cache are overrides; the others are pictures."""

    def __call__(self, parser: Any, namespace: Any, values: Any, option_string: str | None = None) -> None:
        namespace.overrides = [word for word in values if re.match(r"[~+]*(data|metrics|cache_dir)[.\w]*=", word)]
        namespace.pictures = [word for word in values if word not in namespace.overrides]
        if not namespace.pictures:
            parser.error("give a picture")


def add_checkpoint_options(command: argparse.ArgumentParser, pictures: str | None = None) -> None:
    """Add the run, --which, --raw, the overrides and --package. `pictures`: describes the pictures of a command that takes some,
    which stand before the overrides."""
    command.add_argument("run", type=Path, help="run folder, or a checkpoint file")
    command.add_argument(
        "--which", choices=["last", "best"], default="last", help="which checkpoint of the folder (last)"
    )
    command.add_argument("--raw", action="store_true", help="the raw generator instead of its average")
    if pictures is None:
        command.add_argument("overrides", nargs="*", metavar="KEY=VALUE", help=OVERRIDES)
    else:
        command.add_argument(
            "pictures", nargs="+", action=PicturesAndOverrides, metavar="PICTURE", help=f"{pictures}; and {OVERRIDES}"
        )
    command.add_argument(
        "--package", action="append", default=[], dest="packages", metavar="NAME",
        help="your own package whose classes the run uses; any class and function in it may be called",
    )  # fmt: skip


def add_class_option(command: argparse.ArgumentParser, otherwise: str) -> None:
    """Add --class. `otherwise`: what is shown without it."""
    command.add_argument(
        "--class", dest="chosen", metavar="CLASS", default=None, help=f"a class by number or name ({otherwise})"
    )


def add_psi_option(command: argparse.ArgumentParser) -> None:
    """Add --psi."""
    command.add_argument(
        "--psi", type=float, default=None, help="StyleGAN2's truncation: 1 none, 0 the mean image; better, less varied (1)"
    )


def add_measuring_options(command: argparse.ArgumentParser, n: str, fid: str) -> None:
    """Add --n and --fid, described so: how many samples, and Inception in the place of the run's own features."""
    command.add_argument("--n", type=int, default=None, help=n)
    command.add_argument(
        "--fid", metavar="FILE", default=None, help=f"{fid}; `auto`: torch hub's cache, downloaded when missing"
    )


def check_psi(psi: float | None) -> None:
    """Raise UserError for a truncation out of range."""
    if psi is not None and not -2 <= psi <= 2:
        raise UserError(f"--psi is {psi}; it must be from -2 to 2")


def check_whole(option: str, value: int | None, least: int, most: int) -> None:
    """Raise UserError for a number out of range."""
    if value is not None and not least <= value <= most:
        raise UserError(f"{option} is {value}; it must be from {least} to {most}")


def check_png(out: Path) -> None:
    """Raise UserError for a name of another suffix."""
    if out.suffix.lower() != ".png":
        raise UserError(f"--out {out}: the name must end in .png")


def seeds_of(option: str, text: str, least: int = 1, most: int = MOST_SEEDS) -> list[int]:
    """The seeds of a list such as `0,3,10-15`. Raises UserError where it is none, or has fewer than `least` or more than
    `most`."""
    seeds = list[int]()
    for part in text.split(","):
        match = re.fullmatch(r"\s*(\d{1,9})(?:-(\d{1,9}))?\s*", part)
        first, last = (int(match[1]), int(match[2] or match[1])) if match else (1, 0)
        if first > last or last - first >= most:
            raise UserError(f"{option} {text}: give numbers and ranges such as 0,3,10-15, at most {most} seeds")
        seeds += range(first, last + 1)
    if not least <= len(seeds) <= most:
        raise UserError(f"{option} {text}: give from {least} to {most} seeds, such as 0,3,10-15")
    return seeds


def chosen_of(options: argparse.Namespace) -> "Chosen":
    """The checkpoint that the shared options name, and how it is used. It is found before torch is imported."""
    path = checkpoint_of(options.run, options.which)
    from seesaw.latents.model import Chosen

    own = (options.chosen, getattr(options, "psi", None))
    return Chosen(path, options.raw, *own, options.overrides, options.packages)


def add_film_option(command: argparse.ArgumentParser, default: str) -> None:
    """Add `--out` of commands that write a film."""
    forms = ".mp4, .gif, .webp, or .png for a sheet of the frames"
    command.add_argument("--out", type=Path, default=Path(default), metavar="FILE", help=f"{forms} ({default})")


def add_folder_option(command: argparse.ArgumentParser, default: str) -> None:
    """Add `--out` of commands that write a folder."""
    command.add_argument("--out", type=Path, default=Path(default), metavar="FOLDER", help=f"new or empty folder ({default})")
