"""Checks of a set's options that need no torch: they run before anything heavy is imported, and again when the set is built."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from seesaw.errors import UserError
from seesaw.functional.resolution import scales_of

SOURCES = "seesaw.data.sources."
OTHER_SHAPES = (f"{SOURCES}gaussians.", f"{SOURCES}style_pair.")
"""Sources that are no sets of images of one size."""


MOST_PASSES = 2000
"""Passes over a set that need no warning. The longest runs of published papers have some hundreds."""

FEWEST = 100
"""Images of the smallest sets of published papers (Zhao et al. 2020, "Differentiable Augmentation", section 4.3)."""


def check_exists(path: Path, option: str = "data.root") -> None:
    """Raise UserError where there is nothing at `path`, the value of `option`."""
    place = path.expanduser()
    try:
        if place.exists():
            return
    except OSError as error:  # such as a name that is too long
        raise UserError(f"{option}={str(path)!r} cannot be read: {error.strerror}") from error
    looked = f"(looked for {str(place.absolute())!r})"
    raise UserError(f"{option}={str(path)!r} does not exist {looked}: give the folder or the zip that holds the set")


def few_images(n: int, batch_size: int, kimg: float) -> str:
    """A sentence for the user where a set has few images for the batch or the length of a run; else "".

    Args:
        n: images of the set.
        batch_size: images of a batch.
        kimg: length of the run, in thousands of images.
    """
    passes, few = kimg * 1000 / n, []
    if n < batch_size:
        few.append(f"a batch of {batch_size} shows some of them twice")
    if passes > MOST_PASSES:
        few.append(f"{kimg:g} kimg show each {passes:,.0f} times")
    if n < FEWEST and not few:
        few.append(f"the smallest sets of published papers have {FEWEST}")
    if not few:
        return ""
    images = "1 image" if n == 1 else f"{n:,} images"
    return f"the set has only {images}: {' and '.join(few)}, so the networks may learn them by heart; add images or lower kimg"


def data_errors(data: Mapping[str, Any]) -> list[str]:
    """What is wrong with resolution and place of a set that seesaw knows: one sentence each.

    Args:
        data: the node of the group `data`, resolved.
    """
    target, resolution, root = str(data.get("_target_")), data.get("resolution"), data.get("root")
    errors: list[str] = []
    if not target.startswith(SOURCES) or target.startswith(OTHER_SHAPES):
        return errors
    try:
        if resolution is not None:  # a missing one is reported with the values
            scales_of(resolution)
    except ValueError as error:
        errors.append(f"data: {error}")
    try:
        if isinstance(root, str):
            check_exists(Path(root))
    except UserError as error:
        errors.append(str(error))
    return errors
