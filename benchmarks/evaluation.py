"""What an evaluation of the default run costs: CPU seconds by its distances alone, and what the figures beside them add.

A part of `make bench`. The model is the default one as it starts; its samples and features cost what a trained one's do.
"""

from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from fid import cpu, spread

from seesaw.config.assemble import assemble
from seesaw.metrics.drift import COUNT
from seesaw.training.build import construct
from seesaw.training.callbacks.players import player_figures
from seesaw.training.preflight import compose_checked

DISTANCES = ("frechet_digits", "kernel_digits", "valid_modes_digits", "valid_digits", "recognised_digits")
"""What an evaluation measured before version 0.3."""


def callback(config: dict[str, Any], data: Any, folder: Path, names: tuple[str, ...] = ()) -> Any:
    """The evaluation with these measures, prepared; all without names."""
    node = assemble(config)["metrics"]
    node["measures"] = {name: one for name, one in node["measures"].items() if not names or name in names}
    made = construct(node, "metrics")
    made.evaluator.prepare(data.reals, folder)
    return made


def measure(rounds: int) -> dict[str, Any]:
    """CPU seconds of an evaluation and its parts, in turns."""
    config = compose_checked(["threads=1"])
    nodes = assemble(config)
    model, data = construct(nodes["model"], "model"), construct(nodes["data"], "data")
    data.prepare()
    with TemporaryDirectory() as folder:
        few, whole = (callback(config, data, Path(folder), names) for names in (DISTANCES, ()))
        calls: dict[str, Callable[[], object]] = {
            "distances": lambda: few.measure(model, "ema"),
            f"{COUNT} fixed images": lambda: few.fixed(model, "ema"),
            "all metrics, with their fixed images": lambda: whole.measure(model, "ema"),
            "players": lambda: player_figures(data, model),
        }
        for call in calls.values():
            call()
        times = [{name: cpu(call) for name, call in calls.items()} for _ in range(rounds)]
    for turn in times:
        before = turn["distances"] + turn[f"{COUNT} fixed images"]
        turn["added"] = turn["all metrics, with their fixed images"] + turn["players"] - before
    return {name: spread([turn[name] for turn in times]) for name in times[0]}


def table(found: dict[str, Any]) -> str:
    """Markdown, a line a part."""
    lines = ["| CPU seconds of an evaluation of the default run | median (range) |", "|---|---|"]
    lines += [
        f"| {name} | {each['median']:.3g} ({each['least']:.3g} to {each['most']:.3g}) |"
        for name, each in found.items()
        if isinstance(each, dict)
    ]
    return "\n".join(lines)
