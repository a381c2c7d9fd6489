"""`seesaw film`: a film of a run's training, from the grids of samples in its folder. numpy and Pillow only."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from seesaw.errors import UserError
from seesaw.latents.video import write_film
from seesaw.training.grids import grids_of as grids_of_run
from seesaw.training.grids import pixels_of

BAND, TEXT = 28, 18
"""Pixels of the band that has the time, and of its letters."""

MOST_PIXELS = 4096 * 4096


def film(run: Path, out: Path, fps: float, hold: float) -> str:
    """Write the film: each grid of `<run>/samples` in the order of training, with its kimg above it.

    Args:
        run: the run folder.
        out: the film; its suffix is one of `seesaw.latents.video.SUFFIXES`.
        fps: grids a second.
        hold: seconds that the last one stays.

    Returns:
        The line to print.

    Raises:
        UserError: there are no grids, one cannot be read, or the film cannot be written.
    """
    grids = grids_of(run)
    stay = 0 if out.suffix.lower() == ".png" else max(0, round(hold * fps) - 1)
    count = len(grids) + stay
    written = write_film(frames(grids, stay), out, fps, count)
    return f"{out}: {written} frames of {len(grids)} grids, from {grids[0][0]:g} to {grids[-1][0]:g} kimg of {run}"


def grids_of(run: Path) -> list[tuple[float, Path]]:
    """The grids of a run with their kimg, in the order of training."""
    if not run.is_dir():
        raise UserError(f"{run}: there is no such run folder" if not run.exists() else f"{run} is a file; give a run folder")
    found = [(images / 1000, path) for images, path in grids_of_run(run)]
    if not found:
        raise UserError(f"{run} holds no grids of samples: a run writes them into samples/ each sample_kimg")
    return found


def frames(grids: list[tuple[float, Path]], stay: int) -> Iterator[np.ndarray]:
    """The grids with their times, all of the size of the largest, uint8 (H, W, 3); the last one `stay` times more."""
    sizes = [size_of(path) for _, path in grids]
    width, height = max(w for w, _ in sizes), max(h for _, h in sizes)
    last = f"{grids[-1][0]:g}"
    digits = len(last.partition(".")[2])
    for k, (kimg, path) in enumerate(grids):
        frame = framed(path, width, height, f"{kimg:.{digits}f} kimg")
        for _ in range(1 + (stay if k == len(grids) - 1 else 0)):
            yield frame


def size_of(path: Path) -> tuple[int, int]:
    """Width and height of a grid. Raises UserError where it cannot be read."""
    try:
        with Image.open(path, formats=("PNG",)) as picture:
            if picture.width * picture.height > MOST_PIXELS:
                raise UserError(f"{path} has more than {MOST_PIXELS:,} pixels; it is no grid of a run")
            return picture.size
    except OSError as error:
        raise UserError(f"{path} is not a picture that can be read") from error


def framed(path: Path, width: int, height: int, text: str) -> np.ndarray:
    """A grid, enlarged by a whole factor where it is smaller, in the middle of a frame below a band with the text."""
    try:
        picture = Image.fromarray(pixels_of(path)).convert("RGB")
    except OSError as error:
        raise UserError(f"{path} is not a picture that can be read") from error
    factor = max(1, min(width // picture.width, height // picture.height))
    picture = picture.resize((picture.width * factor, picture.height * factor), Image.Resampling.NEAREST)
    frame = Image.new("RGB", (width, height + BAND), (32, 32, 32))
    frame.paste(picture, ((width - picture.width) // 2, BAND + (height - picture.height) // 2))
    ImageDraw.Draw(frame).text((8, BAND // 2), text, fill=(255, 255, 255), anchor="lm", font=ImageFont.load_default(size=TEXT))
    return np.asarray(frame)
