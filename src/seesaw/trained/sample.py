"""`seesaw sample`: a grid of a run's samples as a PNG."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from seesaw.trained.label import class_number
from seesaw.trained.load import load
from seesaw.trained.picture import how_many
from seesaw.trained.trained import Trained
from seesaw.training.pictures import save_png, sheet


def sample(
    path: Path,
    count: int | None,
    seed: int,
    raw: bool,
    out: Path,
    chosen: str | None = None,
    overrides: Sequence[str] = (),
    packages: Sequence[str] = (),
    psi: float | None = None,
) -> str:
    """Write a PNG of samples of a checkpoint.

    Args:
        path: the checkpoint.
        count: how many; None: 64 images or 2,500 points; of a model with labels a row for each class.
        seed: key of the latents, and of the labels where no class is chosen.
        raw: the raw generator instead of its average. out: the file to write.
        chosen: number or name of the class to sample; None: of a model with labels all classes.
        overrides: see `seesaw.training.inference.configured`. packages: see `load`.
        psi: see `Trained.sample`; None: nothing is truncated.

    Returns: the line to print.
    """
    run = load(path, packages=packages, raw=raw)
    label = class_number(chosen, run.classes, run.class_names)
    n, label, columns = how_many(run, count, label)
    reals = reals_behind(run, overrides)
    save_png(sheet(run.sample(n, seed, label, psi), reals, columns), out)
    kinds = ("" if chosen is None else f" of class {chosen}") + ("" if psi is None else f" truncated by psi {psi:g}")
    kinds += f" of the {'raw' if raw else 'averaged'} generator of {path} at {run.images_shown / 1000:g} kimg"
    return f"{out}: {n} samples{kinds}"


def reals_behind(run: Trained, overrides: Sequence[str] = ()) -> Any:
    """What the samples are drawn over: of points the real ones; None of images. Overrides are checked in any case."""
    if not run.points and not overrides:
        return None
    from seesaw.training import inference

    return inference.reals_of(run.config, run.path, overrides, run.packages, build=run.points)
