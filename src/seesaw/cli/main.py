"""The command `seesaw`: train, rerun, fork, advise, prepare, sample, interpolate, mix, project, directions, nearest, film,
export, preview, evaluate, certify, compare, stylize, search, new, completion."""

import argparse
import os
import sys
from pathlib import Path

from seesaw.cli import (
    advise,
    certify,
    compare,
    completion,
    directions,
    evaluate,
    export,
    film,
    fork,
    interpolate,
    mix,
    nearest,
    new,
    prepare,
    preview,
    project,
    rerun,
    sample,
    search,
    stylize,
    train,
)
from seesaw.cli.streams import prepare_streams
from seesaw.cli.train import version_line
from seesaw.config.command_line import check_arguments, for_hydra
from seesaw.config.own import all_groups, own_configuration
from seesaw.errors import UserError
from seesaw.training.error_messages import error_message, plain_notices, wants_trace
from seesaw.training.signals import ended_by_signals
from seesaw.util import remove_temporary_of

COMMANDS = (
    *(train, rerun, fork, advise, prepare),
    *(sample, interpolate, mix, project, directions, nearest, film, export),
    *(preview, evaluate, certify, compare, stylize, search, new, completion),
)
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
    if any(argument.partition("=")[0] == "--config-dir" for argument in rest):
        top.error(f"seesaw {argv[0]} takes no --config-dir: it reads the configuration that the run or checkpoint holds")
    if rest and (not hasattr(options, "overrides") or any(a.startswith("-") or "=" not in a for a in rest)):
        top.error(f"unrecognized arguments: {' '.join(rest)}")
    if rest:  # key=value may also stand behind the options, which argparse does not foresee
        options.overrides = [*options.overrides, *rest]
    plain_notices()
    try:
        with own_configuration(getattr(options, "config_dir", None)), ended_by_signals():
            return answer(options)
    except UserError as error:  # there is no such folder
        if wants_trace():
            raise
        print(f"seesaw: {error}", file=sys.stderr)
        return 1


def answer(options: argparse.Namespace) -> int:
    """Run the command of these arguments; returns the exit code."""
    try:
        if hasattr(options, "overrides"):
            options.overrides = for_hydra(options.overrides)
            check_arguments(options.overrides, all_groups())
        expand_home(options)
        if (out := getattr(options, "out", None)) is not None:
            remove_temporary_of(Path(out))
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


def expand_home(options: argparse.Namespace) -> None:
    """Paths that begin with `~`, which no shell expands in `--out=~/x.png`."""
    if isinstance(getattr(options, "out", None), str):
        options.out = os.path.expanduser(options.out)
    for name, value in vars(options).items():
        if isinstance(value, Path):
            setattr(options, name, value.expanduser())
        elif isinstance(value, list) and all(isinstance(one, Path) for one in value):
            setattr(options, name, [one.expanduser() for one in value])


def one_line(text: str) -> str:
    """The text with what a terminal would not print as a character written as Python escapes it; it may come from a file."""
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


def parser() -> argparse.ArgumentParser:
    """All commands; each stands in a file of its own."""
    top = argparse.ArgumentParser(prog="seesaw", description="GAN research with the balance of the players as an axis.")
    top.add_argument("--version", action="version", version=version_line())
    commands = top.add_subparsers(
        required=True,
        title="commands",
        metavar="COMMAND",
    )
    for command in COMMANDS:
        command.add(commands)
    return top
