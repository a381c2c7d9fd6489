"""`seesaw export RUN`: a run's generator for other programs."""

import argparse
import re
from pathlib import Path
from typing import Any

from seesaw.errors import UserError
from seesaw.training.checkpoint_file import checkpoint_to_hand_on
from seesaw.util import remove_temporary_of

OUT = {"safetensors": "generator.safetensors", "onnx": "generator.onnx", "pt2": "generator.pt2", "hub": "generator"}
"""Form -> the file or folder that is written where none is named."""


def add(commands: Any) -> None:
    """Add the command to the parser of `seesaw`."""
    command = commands.add_parser(
        "export", help="a run's generator as safetensors, ONNX, a program of torch, or a folder to publish"
    )
    command.add_argument("run", type=Path, help="run folder, or a checkpoint file")
    command.add_argument(
        "--to", choices=list(OUT), required=True, help="what to write; hub: a folder in Hugging Face's layout"
    )
    command.add_argument("--out", type=Path, default=None, help="the file or folder (generator.safetensors, …)")
    command.add_argument("--which", default=None, help="which checkpoint of the folder: best, last, … (best, if measured)")
    command.add_argument("--raw", action="store_true", help="the raw generator instead of its average")
    command.add_argument(
        "--license", default="unknown", metavar="ID", help="for the model card: mit, cc-by-4.0, … (unknown)"
    )
    command.add_argument("--push", metavar="OWNER/NAME", default=None, help="with --to hub: upload it, with your token")
    command.add_argument(
        "--package", action="append", default=[], dest="packages", metavar="NAME",
        help="your own package whose classes the run uses; any class and function in it may be called",
    )  # fmt: skip
    command.set_defaults(call=call)


def call(options: argparse.Namespace) -> str:
    """Check the arguments without torch, then write; returns the lines to print."""
    out = options.out or Path(OUT[options.to])
    if options.to != "hub" and out.suffix != f".{options.to}":
        raise UserError(f"--out {out}: the name must end in .{options.to}")
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9.+-]{0,63}", options.license):
        raise UserError(f"--license {options.license}: give an identifier such as mit, cc-by-4.0 or other")
    if options.push is not None and options.to != "hub":
        raise UserError("--push uploads a folder: give --to hub")
    if options.push is not None and not re.fullmatch(r"[\w.-]+/[\w.-]+", options.push, re.ASCII):
        raise UserError(f"--push {options.push}: give OWNER/NAME")
    path = checkpoint_to_hand_on(options.run, options.which)
    remove_temporary_of(out)
    from seesaw.export.export import export
    from seesaw.trained.load import load

    lines = export(
        load(path, packages=options.packages, raw=options.raw, device="cpu"), options.to, out, options.license
    )
    if options.push is not None:
        from seesaw.export.push import push

        lines.append(push(out, options.push))
    return "\n".join(lines)
