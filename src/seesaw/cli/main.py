"""The command `seesaw train | prepare | sample | evaluate | compare | stylize | search`."""

import argparse
import os
import sys
from pathlib import Path
from typing import Any

from seesaw.cli.train import program
from seesaw.config.command_line import check_arguments, with_home
from seesaw.config.options import config_dir, groups
from seesaw.errors import UserError
from seesaw.training.error_messages import error_message, plain_notices, traces
from seesaw.training.run_folder import checkpoint_of


def main(argv: list[str] | None = None) -> int:
    """Returns the exit code; a user's mistake is one sentence on standard error and 1."""
    argv = sys.argv[1:] if argv is None else argv
    if argv[:1] == ["train"]:  # all that follows belongs to Hydra
        from seesaw.cli.train import main as train

        return train(argv[1:])
    top = parser()
    options, rest = top.parse_known_args(argv)
    if rest and (not hasattr(options, "overrides") or any(a.startswith("-") or "=" not in a for a in rest)):
        top.error(f"unrecognized arguments: {' '.join(rest)}")
    if rest:  # key=value may also stand behind the options, which argparse does not foresee
        options.overrides = [*options.overrides, *rest]
    plain_notices()
    try:
        if hasattr(options, "overrides"):
            options.overrides = with_home(options.overrides)
            check_arguments(options.overrides, groups(config_dir()))
        print(options.call(options), flush=True)
    except BrokenPipeError:  # `seesaw compare RUNS | head`: the reader has closed the pipe
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())  # else Python complains when it flushes at the end
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    except Exception as error:
        if traces():
            raise
        print(f"seesaw: {one_line(error_message(error, getattr(options, 'overrides', [])))}", file=sys.stderr)
        return 1
    return 0


def one_line(text: str) -> str:
    """The text with what a terminal would not print as a character written as Python escapes it; it may come from a file."""
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(prog="seesaw", description="GAN research with the balance of the players as an axis.")
    commands = top.add_subparsers(
        required=True, metavar="train | prepare | sample | evaluate | compare | stylize | search"
    )
    commands.add_parser("train", help="train a GAN: `seesaw train --help`", add_help=False)

    prepare = commands.add_parser(
        "prepare", help="decode a set of images once: `seesaw prepare data=celeba data.resolution=64`"
    )
    prepare.add_argument(
        "overrides", nargs="+", metavar="KEY=VALUE", help="as `train` takes them: data=celeba data.root=…"
    )
    prepare.add_argument("--levels", action="store_true", help="also every smaller power of two, for growing models")
    prepare.add_argument("--jobs", type=int, default=None, help="processes that decode (one a core)")
    prepare.set_defaults(call=call_prepare)

    sample = commands.add_parser("sample", help="a grid of a run's samples")
    of_a_run(sample)
    sample.add_argument("--count", type=int, default=None, help="images (64) or points (2,500)")
    sample.add_argument("--seed", type=int, default=0, help="key of the latents (0)")
    sample.add_argument("--class", dest="chosen", metavar="CLASS", default=None, help="a class by number or name (all)")
    sample.add_argument("--out", type=Path, default=Path("samples.png"), help="the PNG to write (samples.png)")
    sample.set_defaults(call=call_sample)

    evaluate = commands.add_parser("evaluate", help="a run's distance to its reals, with its protocol")
    of_a_run(evaluate)
    evaluate.add_argument("--n", type=int, default=None, help="samples to measure (as the run did)")
    evaluate.add_argument("--fid", metavar="FILE", default=None, help="measure FID and KID with these Inception weights; "
                          "`auto`: torch hub's cache, downloaded when missing")  # fmt: skip
    evaluate.set_defaults(call=call_evaluate)
    add_compare(commands)
    add_stylize(commands)
    add_search(commands)
    return top


def of_a_run(command: argparse.ArgumentParser) -> None:
    """The arguments of the commands that read a run."""
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


def add_compare(commands: Any) -> None:
    command = commands.add_parser("compare", help="runs beside each other: a table, compare.html, compare.png")
    command.add_argument("runs", nargs="+", type=Path, metavar="RUNS", help="run folders, or folders that hold runs")
    command.add_argument("--out", type=Path, metavar="FOLDER", default=None, help="where to write (beside the runs)")
    command.add_argument(
        "--metric", metavar="NAME", default=None, help="a column of metrics.csv (the runs' own distance)"
    )
    command.set_defaults(call=call_compare)


def add_stylize(commands: Any) -> None:
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
    command.set_defaults(call=call_stylize)


def add_search(commands: Any) -> None:
    command = commands.add_parser(
        "search", help="search the best values of a few keys: `seesaw search learning_rates data=digits kimg=20`"
    )
    command.add_argument("space", help="a ready space (src/seesaw/sweeps/spaces), or a YAML file of keys and ranges")
    command.add_argument("overrides", nargs="*", metavar="KEY=VALUE", help="as `train` takes them, for every trial")
    command.add_argument("--trials", type=int, default=20, help="how many, those of an earlier call included (20)")
    command.add_argument(
        "--out", type=Path, default=None, help="folder; the same command goes on in it (runs/search-…)"
    )
    command.add_argument(
        "--prune", choices=["median", "hyperband", "none"], default="median", help="which trials end early (median)"
    )
    command.add_argument("--seed", type=int, default=0, help="of the draws (0); seed=… is the runs'")
    command.set_defaults(call=call_search)


def call_search(options: argparse.Namespace) -> str:
    from seesaw.sweeps.search import search

    how = (options.trials, options.out, options.prune, options.seed)
    return search(options.space, options.overrides, *how, program())


def call_prepare(options: argparse.Namespace) -> str:
    from seesaw.cli.prepare import prepare_set

    return prepare_set(options.overrides, options.levels, options.jobs)


def call_stylize(options: argparse.Namespace) -> str:
    from seesaw.cli.stylize import stylize

    return stylize(options.content, options.style, options.out, options.size, options.iterations, options.overrides)


def call_sample(options: argparse.Namespace) -> str:
    if options.count is not None and options.count < 1:
        raise UserError(f"--count is {options.count}; it must be at least 1")
    if options.out.suffix.lower() != ".png":
        raise UserError(f"--out {options.out}: the name must end in .png")
    path = checkpoint_of(options.run, options.which)
    from seesaw.training.inference import sample

    how = (options.count, options.seed, options.raw, options.out, options.chosen)
    return sample(path, *how, options.overrides, options.packages)


def call_evaluate(options: argparse.Namespace) -> str:
    path = checkpoint_of(options.run, options.which)
    from seesaw.training.inference import evaluate

    how = (options.raw, options.n, options.fid)
    return evaluate(options.run, path, *how, options.overrides, options.packages)


def call_compare(options: argparse.Namespace) -> str:
    from seesaw.analysis.compare import compare

    return compare(options.runs, options.out, options.metric)
