"""`seesaw compare RUNS`: runs beside each other."""

import argparse
from pathlib import Path
from typing import Any


def add(commands: Any) -> None:
    """Add the command to the parser of `seesaw`."""
    command = commands.add_parser("compare", help="runs beside each other: a table, compare.html, compare.png")
    command.add_argument("runs", nargs="+", type=Path, metavar="RUNS", help="run folders, or folders that hold runs")
    command.add_argument("--out", type=Path, metavar="FOLDER", default=None, help="where to write (beside the runs)")
    command.add_argument(
        "--metric", metavar="NAME", default=None, help="a column of metrics.csv (the runs' own distance)"
    )
    command.add_argument(
        "--json", type=Path, metavar="FILE", default=None, help="also write verdicts and paired differences there"
    )
    command.set_defaults(call=call)


def call(options: argparse.Namespace) -> str:
    """Compare; returns the table to print."""
    from seesaw.analysis.compare.compare import compare

    return compare(options.runs, options.out, options.metric, options.json)
