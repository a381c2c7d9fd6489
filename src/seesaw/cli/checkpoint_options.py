"""The arguments that `seesaw sample` and `seesaw evaluate` share: which checkpoint they read, and how."""

import argparse
from pathlib import Path


def add_checkpoint_options(command: argparse.ArgumentParser) -> None:
    command.add_argument("run", type=Path, help="run folder, or a checkpoint file")
    command.add_argument(
        "--which", choices=["last", "best"], default="last", help="which checkpoint of the folder (last)"
    )
    command.add_argument("--raw", action="store_true", help="the raw generator instead of its average")
    command.add_argument(
        "overrides",
        nargs="*",
        metavar="KEY=VALUE",
        help="cache_dir=…, or a key of the run's data and metrics: data.root=…",
    )
    command.add_argument(
        "--package", action="append", default=[], dest="packages", metavar="NAME",
        help="your own package whose classes the run uses; any class and function in it may be called",
    )  # fmt: skip


def add_measuring_options(command: argparse.ArgumentParser, n: str, fid: str) -> None:
    """Add --n and --fid, described so: how many samples, and Inception in the place of the run's own features."""
    command.add_argument("--n", type=int, default=None, help=n)
    command.add_argument(
        "--fid", metavar="FILE", default=None, help=f"{fid}; `auto`: torch hub's cache, downloaded when missing"
    )
