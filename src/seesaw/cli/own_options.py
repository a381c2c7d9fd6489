"""The argument of every command that composes a configuration: the folder of one's own."""

import argparse
from pathlib import Path


def add_config_dir(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--config-dir", type=Path, default=None, metavar="FOLDER", help="your own options, FOLDER/GROUP/NAME.yaml, beside ours"
    )
