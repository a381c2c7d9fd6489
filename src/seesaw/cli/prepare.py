"""`seesaw prepare data=… `: decode a set once, ahead of training, with the same options that training takes."""

import argparse
import time
from pathlib import Path
from typing import Any

from seesaw.cli.own_options import add_config_dir
from seesaw.errors import UserError


def add(commands: Any) -> None:
    """Add the command to the parser of `seesaw`."""
    command = commands.add_parser(
        "prepare", help="decode a set of images once: `seesaw prepare data=celeba data.resolution=64`"
    )
    command.add_argument(
        "overrides", nargs="+", metavar="KEY=VALUE", help="as `train` takes them: data=celeba data.root=…"
    )
    command.add_argument("--levels", action="store_true", help="also every smaller power of two, for growing models")
    command.add_argument("--jobs", type=int, default=None, help="processes that decode (one a core)")
    add_config_dir(command)
    command.set_defaults(call=call)


def call(options: argparse.Namespace) -> str:
    """Prepare the set; returns the lines to print."""
    return prepare_set(options.overrides, options.levels, options.jobs)


def prepare_set(overrides: list[str], levels: bool, jobs: int | None) -> str:
    """Prepare the set that the overrides name; returns the lines to print.

    Args:
        overrides: as `python train.py` takes them.
        levels: also write every smaller power of two down to 4 px, of other shapes than squares to the base grid, for growing
            models.
        jobs: processes; None: one a core.

    Raises:
        UserError: an override is wrong, the set is not found or too many of its images are bad.
    """
    if jobs is not None and jobs < 1:
        raise UserError(f"--jobs is {jobs}; it must be at least 1")
    from seesaw.config.advice import complete
    from seesaw.training.preflight import compose_checked

    config = compose_checked(complete(overrides))
    from seesaw.config.assemble import assemble  # imports torch
    from seesaw.data.prepare.write import prepare, whole
    from seesaw.data.sources.image_files import ImageFiles
    from seesaw.training.build import construct

    data = construct(assemble(config)["data"], "data", config["packages"])
    if not isinstance(data, ImageFiles):
        return f"{data.prepare().description}: this set is read into memory when training starts; nothing to prepare"
    plan = data.plan()
    there = whole(plan.folder(data.cache_dir)) is not None
    began = time.perf_counter()
    folder = prepare(plan, data.cache_dir, jobs)
    seconds = time.perf_counter() - began
    if there:
        verify(folder)
    return "\n".join(lines(folder, levels, None if there else seconds))


def verify(folder: Path) -> None:
    """Raise UserError where the pixels are not those that were prepared."""
    from seesaw.data.prepare.write import content_hash, whole

    index = whole(folder)
    assert index is not None
    if content_hash(folder, index["decoding"]["resolution"]) != index["sha256"]:
        raise UserError(f"{folder}: the pixels are not those that were prepared (a damaged disk?): remove this folder")


def lines(folder: Path, levels: bool, seconds: float | None) -> list[str]:
    """A report on a prepared set: size, place, hash, bad images and levels."""
    from seesaw.data.prepare.prepared import open_prepared
    from seesaw.data.prepare.write import whole
    from seesaw.functional.resolution import scales_of_size, size_of

    index = whole(folder)
    assert index is not None
    reals = open_prepared(folder)
    n = len(reals)
    how = "was there already, and its content hash is right" if seconds is None else f"{n / seconds:,.0f} images/s"
    report = [f"{reals.description}: {how}", f"folder        {folder}", f"content hash  {index['sha256'][:16]}"]
    if reals.classes:
        report.append(f"classes       {reals.classes}")
    if index["bad"]:
        report.append(f"skipped       {len(index['bad'])} bad images, listed in index.json")
    scales = scales_of_size(*reals.shape[-2:])
    for depth in range(scales.doublings if levels else 0):
        reals.level(scales.at(depth).height)
    kept = sorted(
        (p.stem.partition("-")[2] for p in folder.glob("images-*.npy")), key=lambda label: size_of(label).height
    )
    size = sum(p.stat().st_size for p in folder.glob("images-*.npy"))
    report.append(f"levels        {', '.join(map(str, kept))} px, {size / 2**20:,.1f} MiB")
    return report
