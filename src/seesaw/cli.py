"""`seesaw train | prepare | sample | evaluate`: what one does with sets and runs from the shell."""

import argparse
import sys
from pathlib import Path

from seesaw.errors import UserError


def main(argv: list[str] | None = None) -> int:
    """Returns the exit code; a user's mistake is one sentence on standard error and 1."""
    argv = sys.argv[1:] if argv is None else argv
    if argv[:1] == ["train"]:  # all that follows belongs to Hydra
        from seesaw.run.entry import main as train

        return train(argv[1:])
    options = parser().parse_args(argv)
    try:
        print(options.call(options))
    except UserError as error:
        print(f"seesaw: {error}", file=sys.stderr)
        return 1
    return 0


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(prog="seesaw", description="GAN research with the balance of the players as an axis.")
    commands = top.add_subparsers(required=True, metavar="train | prepare | sample | evaluate")
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
    sample.add_argument("--out", type=Path, default=Path("samples.png"), help="the PNG to write (samples.png)")
    sample.set_defaults(call=call_sample)

    evaluate = commands.add_parser("evaluate", help="a run's distance to its reals, with its protocol")
    of_a_run(evaluate)
    evaluate.add_argument("--n", type=int, default=None, help="samples to measure (as the run did)")
    evaluate.add_argument("--fid", metavar="FILE", default=None, help="measure FID and KID with these Inception weights; "
                          "`auto`: torch hub's cache, downloaded when missing")  # fmt: skip
    evaluate.set_defaults(call=call_evaluate)
    return top


def of_a_run(command: argparse.ArgumentParser) -> None:
    command.add_argument("run", type=Path, help="run folder, or a checkpoint file")
    command.add_argument(
        "--which", choices=["last", "best"], default="last", help="which checkpoint of the folder (last)"
    )
    command.add_argument("--raw", action="store_true", help="the raw generator instead of its average")


def call_prepare(options: argparse.Namespace) -> str:
    from seesaw.run.entry import told, traces
    from seesaw.run.mistakes import plain_notices
    from seesaw.run.preparing import prepare_set

    plain_notices()
    try:
        return prepare_set(options.overrides, options.levels, options.jobs)
    except Exception as error:
        if traces():
            raise
        raise UserError(told(error, options.overrides)) from None


def call_sample(options: argparse.Namespace) -> str:
    from seesaw.run.using import sample

    return sample(options.run, options.which, options.count, options.seed, options.raw, options.out)


def call_evaluate(options: argparse.Namespace) -> str:
    from seesaw.run.using import evaluate

    return evaluate(options.run, options.which, options.raw, options.n, options.fid)
