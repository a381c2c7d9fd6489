"""`seesaw stylize a.jpg b.jpg --out c.png`: the short form of a run of style transfer."""

import argparse
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seesaw.cli.own_options import add_config_dir
from seesaw.errors import UserError
from seesaw.latents.place import ELSEWHERE
from seesaw.training.differences import literal
from seesaw.training.run_folder import Job, new_folder
from seesaw.util import atomic_write

if TYPE_CHECKING:
    from omegaconf import DictConfig

SUFFIXES = (".png", ".jpg", ".jpeg", ".webp")
JPEG_QUALITY = 95


def add(commands: Any) -> None:
    """Add the command to the parser of `seesaw`."""
    command = commands.add_parser("stylize", help="draw a photograph in another's style: `seesaw stylize a.jpg b.jpg`")
    command.add_argument("content", help="the photograph that is drawn")
    command.add_argument("style", help="the image whose style it takes")
    command.add_argument("--out", type=Path, default=Path("stylized.png"), help="png, jpg or webp (stylized.png)")
    command.add_argument("--size", type=int, default=None, help="pixels of the longer side (512)")
    command.add_argument("--iterations", type=int, default=None, help="steps of the optimiser (500)")
    command.add_argument(
        "--set", nargs="+", default=[], metavar="KEY=VALUE", dest="overrides",
        help="as `train` takes them: model/style=gram model.start=noise model.colours=content experiment=gatys2016",
    )  # fmt: skip
    add_config_dir(command)
    command.set_defaults(call=call)


def call(options: argparse.Namespace) -> str:
    """Draw the picture; returns the line to print."""
    return stylize(options.content, options.style, options.out, options.size, options.iterations, options.overrides)


def stylize(content: str, style: str, out: Path, size: int | None, iterations: int | None, overrides: list[str]) -> str:
    """Draw `content` in the style of `style` and write it to `out`; returns the line to print.

    It is a run like any other, with its folder under runs/, but without W&B unless the overrides choose it. After Ctrl-C or
    SIGTERM the image so far is written too.

    Args:
        size: pixels of the longer side; None: the configuration's.
        iterations: steps of the optimiser; None: the configuration's.
        overrides: as `python train.py` takes them: model/style=gram, model.colours=content, experiment=gatys2016.

    Raises:
        UserError: an option is wrong, or a photograph cannot be read.
        SystemExit: after a signal, with its code.
    """
    if out.suffix.lower() not in SUFFIXES:
        raise UserError(f"--out {out}: the name must end in one of {', '.join(SUFFIXES)}")
    if iterations is not None and iterations < 1:
        raise UserError(f"--iterations is {iterations}; it must be at least 1")
    from PIL import Image

    from seesaw.training.preflight import checked

    cfg, choices = composed(content, style, size, iterations, overrides)
    config = checked(cfg, overrides, choices)
    job = Job(choices | {"balance": "none"}, overrides)
    folder = Path(cfg.run_dir).expanduser() if cfg.run_dir is not None else new_folder(job.prefix(cfg.seed))
    from seesaw.training.run import run  # imports torch

    draw = partial(run, cfg, config, Job(job.choices, overrides, run_dir=str(folder)))
    made = folder / "stylized.png"
    run_for(draw, made, out)
    if config["dry_run"]:
        return "dry_run=true: no picture is drawn"
    write(made, out)
    with Image.open(out) as image:
        return f"{out}: {image.width}x{image.height}; the run is in {folder}"


def composed(
    content: str, style: str, size: int | None, iterations: int | None, overrides: list[str]
) -> tuple["DictConfig", dict[str, str]]:
    """The configuration, and group -> chosen option. Paths are set literally: no file name can be mistaken for an override."""
    from seesaw.config.compose import compose

    preset = any(override.startswith("experiment=") for override in overrides)
    start = ["logger=none"] if preset else ["model=style_transfer", "logger=none"]
    cfg, choices = compose([*start, *overrides])
    if "style" not in cfg.data.keys():  # noqa: SIM118  - a value that is still missing counts as none for `in`
        raise UserError(
            "seesaw stylize takes model=style_transfer and its experiments; for others there is seesaw train"
        )
    cfg.data.content, cfg.data.style = literal(content), literal(style)
    if size is not None:
        cfg.data.size = size
    if iterations is not None:
        cfg.kimg = iterations / 1000
    return cfg, choices


def run_for(draw: Callable[[], Any], made: Path, out: Path) -> None:
    """Draw; where that is ended by a signal or an error, what was `made` until then is kept as `out`."""
    before = modified(made)
    try:
        draw()
    except BaseException:
        if modified(made) != before:  # else it is the picture of a former run
            write(made, out)
        raise


def modified(path: Path) -> int | None:
    """When the file was written, in nanoseconds; None where there is none."""
    return path.stat().st_mtime_ns if path.is_file() else None


def write(made: Path, out: Path) -> None:
    """The run's picture under the name and in the format that the user wants, whole or not at all."""
    from PIL import Image

    suffix = out.suffix.lower()
    if suffix == ".png":
        atomic_write(out, made.read_bytes(), ELSEWHERE)
        return
    with Image.open(made) as image:
        kind = Image.registered_extensions()[suffix]
        atomic_write(out, lambda file: image.save(file, kind, quality=JPEG_QUALITY), ELSEWHERE)
