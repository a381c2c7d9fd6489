"""The command `seesaw`: train, rerun, fork, advise, prepare, sample, export, preview, evaluate, certify, compare, stylize,
search, completion."""

import argparse
import sys

from seesaw.cli import (
    advise,
    certify,
    compare,
    completion,
    evaluate,
    export,
    fork,
    prepare,
    preview,
    rerun,
    sample,
    search,
    stylize,
    train,
)
from seesaw.cli.streams import prepare_streams
from seesaw.cli.train import version_line
from seesaw.config.command_line import check_arguments, for_hydra
from seesaw.config.options import config_dir, groups
from seesaw.training.error_messages import error_message, plain_notices, wants_trace

COMMANDS = (train, rerun, fork, advise, prepare, sample, export, preview, evaluate, certify, compare, stylize, search, completion)
"""In the order of the help page."""


def main(argv: list[str] | None = None) -> int:
    """Returns the exit code; a user's mistake is one sentence on standard error and 1."""
    if argv is None:
        prepare_streams(goes_on=sys.argv[1:2] in (["train"], ["rerun"], ["fork"]))
        argv = sys.argv[1:]
    if argv[:1] == ["train"]:  # all that follows belongs to Hydra
        return train.main(argv[1:])
    if argv[:1] == ["rerun"]:
        return rerun.main(argv[1:])
    if argv[:1] == ["fork"]:
        return fork.main(argv[1:])
    top = parser()
    options, rest = top.parse_known_args(argv)
    if rest and (not hasattr(options, "overrides") or any(a.startswith("-") or "=" not in a for a in rest)):
        top.error(f"unrecognized arguments: {' '.join(rest)}")
    if rest:  # key=value may also stand behind the options, which argparse does not foresee
        options.overrides = [*options.overrides, *rest]
    plain_notices()
    try:
        if hasattr(options, "overrides"):
            options.overrides = for_hydra(options.overrides)
            check_arguments(options.overrides, groups(config_dir()))
        print(options.call(options), flush=True)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    except Exception as error:
        if wants_trace():
            raise
        print(f"seesaw: {one_line(error_message(error, getattr(options, 'overrides', [])))}", file=sys.stderr)
        return 1
    return 0


def one_line(text: str) -> str:
    """The text with what a terminal would not print as a character written as Python escapes it; it may come from a file."""
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


def parser() -> argparse.ArgumentParser:
    """All commands; each stands in a file of its own."""
    top = argparse.ArgumentParser(prog="seesaw", description="GAN research with the balance of the players as an axis.")
    top.add_argument("--version", action="version", version=version_line())
    commands = top.add_subparsers(
        required=True,
        metavar=" | ".join(module.__name__.rpartition(".")[2] for module in COMMANDS),
    )
    for command in COMMANDS:
        command.add(commands)
    return top
