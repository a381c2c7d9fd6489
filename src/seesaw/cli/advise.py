"""`seesaw advise data.root=…`: what a set of one's own images is like, what training would choose for it, and what that takes."""

import argparse
import math
import textwrap
from collections import Counter
from typing import Any

from seesaw.cli.own_options import add_config_dir
from seesaw.config.command_line import key_of
from seesaw.errors import UserError

COLUMNS = 80
LABEL = 13
BAR = 30
"""Characters of the longest bar of the histogram."""


def add(commands: Any) -> None:
    """Add the command to the parser of `seesaw`."""
    command = commands.add_parser(
        "advise", help="what your images are like, and how to train on them: `seesaw advise data.root=…`"
    )
    command.add_argument(
        "overrides",
        nargs="+",
        metavar="KEY=VALUE",
        help="data.root=… and others as `train` takes them; data=folder is assumed",
    )
    add_config_dir(command)
    command.set_defaults(call=call)


def call(options: argparse.Namespace) -> str:
    """Look at the set, choose, measure a few batches; returns the lines to print."""
    from seesaw.config.advice import SETS, advise, is_wanted
    from seesaw.config.compose import compose
    from seesaw.data.survey import sample, survey

    overrides = list(options.overrides)
    if not any(key_of(one) == "data" for one in overrides):
        overrides = ["data=folder", *overrides]
    cfg, _ = compose(overrides)
    if cfg.data.get("_target_") not in SETS:
        raise UserError(
            "seesaw advise is for a folder or zip of your own images: leave data=… out and give data.root=…"
        )
    checked_names(overrides)
    found, tree = survey(cfg.data.root)
    lines = survey_lines(found)
    if tree is not None:
        lines += sample_lines(sample(tree, found))
    advice = advise(cfg, overrides) if is_wanted(cfg, overrides) else None
    lines += choice_lines(advice)
    chosen = overrides + (advice.overrides if advice is not None else [])
    return "\n".join([*lines, *cost_lines(chosen, found.images), "", *command_lines(chosen)])


def checked_names(overrides: list[str]) -> None:
    """UserError where the overrides are wrong, as training would report it, before anything is read."""
    from seesaw.config.compose import compose
    from seesaw.training.preflight import check_names

    cfg, choices = compose(overrides)
    check_names(cfg, overrides, choices)


def line(label: str, text: str) -> list[str]:
    """The text under its label, wrapped to 80 columns."""
    return textwrap.wrap(
        text, COLUMNS, initial_indent=f"{label:<{LABEL}}", subsequent_indent=" " * LABEL, break_long_words=False,
        break_on_hyphens=False,
    ) or [label]  # fmt: skip


def survey_lines(found: Any) -> list[str]:
    """Counts, a histogram of sizes, aspect ratios, modes, class folders."""
    heads = len(found.heads)
    seen = f", the heads of {heads:,} looked at, evenly spaced" if heads + len(found.bad) < found.images else ""
    lines = line("images", f"{found.images:,} in {found.place}{seen}")
    if found.prepared:
        return lines + line(
            "prepared", f"{found.prepared[0]} px, {found.prepared[1]} channels; its files are not looked at"
        )
    if found.bad:
        name, reason = next(iter(found.bad.items()))
        lines += line(
            "bad", f"{len(found.bad):,} cannot be read, such as {name} ({reason}); data.max_bad is the share allowed"
        )
    lines += histogram(found.sides)
    lines += line("aspect", aspects([size for size, _ in found.heads.values()]))
    lines += line("modes", ", ".join(f"{mode} {count:,}" for mode, count in found.modes.most_common()))
    if any(mode in ("RGBA", "LA", "PA") for mode in found.modes):
        lines += line("", "what is transparent is laid on white: data.background=…")
    if found.classes:
        lines += line("classes", f"{found.classes:,} folders; data.labels=true passes them to models that take labels")
    return lines


def histogram(sides: list[int]) -> list[str]:
    """How many images lie between two powers of two with their shorter side."""
    if min(sides) == max(sides):
        return line("shorter side", f"{sides[0]} px")
    bins = Counter(side.bit_length() - 1 for side in sides)
    most, rows = max(bins.values()), []
    for k in range(min(bins), max(bins) + 1):
        bar = "#" * -(-bins[k] * BAR // most)
        rows.append(f"{f'{1 << k} to {(2 << k) - 1} px':<16} {bins[k]:>8,}  {bar}")
    return [f"{label:<{LABEL}}{row}" for label, row in zip(["shorter side", *[""] * len(rows)], rows, strict=False)]


def aspects(sizes: list[tuple[int, int]]) -> str:
    """Shares of square, wide and tall images, and the extremes of width / height."""
    ratios = sorted(width / height for width, height in sizes)
    wide, tall = (sum(r > 1.05 for r in ratios), sum(r < 1 / 1.05 for r in ratios))
    parts = {"square": len(ratios) - wide - tall, "wide": wide, "tall": tall}
    shares = ", ".join(f"{count / len(ratios):.0%} {name}" for name, count in parts.items() if count)
    if ratios[0] == ratios[-1]:
        return shares
    cut = "; data.crop=center cuts the ends off" if wide + tall else ""
    return f"{shares}; width / height {ratios[0]:.2f} to {ratios[-1]:.2f}{cut}"


def sample_lines(found: Any) -> list[str]:
    """Near-duplicates, and grey images that are stored with colours."""
    if not found.images:
        return line("near-copies", "not looked for: no file is a picture that can be compared")
    text = f"none among {found.images:,} images compared"
    if found.pairs:
        one, other = found.pairs[0]
        text = f"{len(found.pairs):,} pairs among {found.images:,} images compared, such as {one} and {other}"
    lines = line("near-copies", text)
    if found.grey == found.images:
        lines += line("", "all of these are grey, though stored with colours: data.channels=1 trains faster")
    return lines


def choice_lines(advice: Any) -> list[str]:
    """What training would choose."""
    if advice is None:
        return line("choices", "none, since a model or an experiment was given")
    lines: list[str] = []
    for choice in advice.choices:
        label = "" if lines else "choices"
        lines += line(label, f"{choice.override}: {choice.why}")
    return lines


def cost_lines(overrides: list[str], images: int) -> list[str]:
    """R1's gamma by two published heuristics, memory and time."""
    from seesaw.metrics.clock import in_words
    from seesaw.training.cost import measure
    from seesaw.training.preflight import compose_checked

    config = compose_checked(overrides)
    cost = measure(config, images)
    batches = config["kimg"] * 1000 / config["batch_size"]
    count = " and ".join(f"{player} {n:,}" for player, n in cost.parameters.items())
    mib = 2**20
    return [
        *line("R1's gamma", gamma_text(config)),
        *line(
            "memory",
            f"{count} parameters; {cost.weights / mib:,.0f} MiB of weights, gradients and optimisers, about "
            f"{cost.activations / mib:,.0f} MiB of activations in float32; the set {cost.images / mib:,.0f} MiB",
        ),
        *line(
            "time",
            f"{cost.seconds:.2f} s for a batch of {config['batch_size']} on this CPU, as busy as it is; about "
            f"{in_words(cost.seconds * batches)} for kimg={config['kimg']:g}, without metrics",
        ),
    ]


def gamma_text(config: dict[str, Any]) -> str:
    """The configuration's gamma beside both heuristics."""
    from seesaw.config.advice import stylegan2_gamma, stylegan3_gamma
    from seesaw.functional.resolution import size_of

    resolution, batch = config["data"]["resolution"], config["batch_size"]
    side = math.prod(size_of(resolution)) ** 0.5
    two, three = stylegan2_gamma(side, batch), stylegan3_gamma(side)
    r1 = config.get("penalty", {}).get("r1")
    own = f"{r1['gamma']:g}; " if r1 and isinstance(r1.get("gamma"), int | float) else ""
    ratio = max(two, three) / min(two, three)
    return (
        f"{own}at {resolution} px and batch {batch} StyleGAN2-ADA's rule gives {two:.3g} and StyleGAN3's table (of batch 32) "
        f"{three:.3g}, {ratio:.2g} times apart: try x4 and /4 too"
    )


def command_lines(overrides: list[str]) -> list[str]:
    """The command to copy, alone on its line."""
    from seesaw.cli.train import program
    from seesaw.config.advice import command

    return [command(program(), overrides)]
