"""Frames as a film (mp4, gif, webp) or as a contact sheet (png). mp4 by the extra `video`."""

import itertools
import math
import os
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from seesaw.errors import UserError
from seesaw.latents.place import ELSEWHERE
from seesaw.util import atomic_write, disk_error, temporary_of

SUFFIXES = (".mp4", ".gif", ".webp", ".png")
"""png is the contact sheet."""

VISIBLE = 256
"""Pixels to which the longer side of small frames is enlarged, by the next whole factor."""

SHEET_CELL, SHEET_MOST = 64, 100
"""Of a contact sheet: pixels to which small frames are enlarged, and the most frames."""

INSTALL = "pip install 'seesaw-gan[video]'"

QUALITY = 16
"""x264's constant rate factor; 0 is lossless, 18 is called visually lossless, 23 is its default."""


def check_film(out: Path, fps: float) -> None:
    """Check the name and the speed of a film before anything is computed.

    Raises:
        UserError: the suffix is unknown, mp4 is wanted without the extra, or the speed is out of range.
    """
    if out.suffix.lower() not in SUFFIXES:
        raise UserError(f"--out {out}: the name must end in one of {', '.join(SUFFIXES)} (png: a sheet of the frames)")
    if not 0.1 <= fps <= 60:
        raise UserError(f"--fps is {fps:g}; it must be from 0.1 to 60")
    if out.suffix.lower() == ".mp4":
        try:
            import imageio_ffmpeg  # noqa: F401
        except ImportError as error:
            raise UserError(
                f"--out {out}: mp4 needs the extra `video`: {INSTALL}; .gif and .webp need nothing more"
            ) from error


def enlarged(frame: np.ndarray, least: int = VISIBLE) -> np.ndarray:
    """A frame whose longer side is at least `least`, by the smallest whole factor: every pixel is repeated, none is blended.

    Args:
        frame: uint8 (H, W) or (H, W, 3).
        least: pixels.
    """
    factor = max(1, math.ceil(least / max(frame.shape[:2])))
    return frame.repeat(factor, 0).repeat(factor, 1)


def write_film(frames: Iterable[np.ndarray], out: Path, fps: float, count: int, columns: int | None = None) -> int:
    """Write the frames, whole or not at all, in the form that the suffix of `out` names; small ones are enlarged.

    Args:
        frames: uint8 (H, W) or (H, W, 3), all of one size. They are taken one by one; a gif holds all of them in memory.
        out: the file.
        fps: frames a second.
        count: how many there are.
        columns: of a contact sheet; None makes it about square.

    Returns:
        How many frames were written: fewer than there are on a contact sheet of many.

    Raises:
        UserError: the file cannot be written.
    """
    suffix = out.suffix.lower()
    if suffix == ".png":
        return _write_sheet(frames, out, count, columns)
    shown = (enlarged(frame) for frame in frames)
    if suffix == ".mp4":
        _write_mp4(shown, out, fps, count)
    else:
        _write_animation(shown, out, fps)
    return count


def _write_animation(frames: Iterator[np.ndarray], out: Path, fps: float) -> None:
    """An endless gif, of at most 256 colours a frame, or a lossless webp."""
    pictures = (Image.fromarray(frame) for frame in frames)
    first = next(pictures)
    kind = {"format": "GIF"} if out.suffix.lower() == ".gif" else {"format": "WEBP", "lossless": True, "quality": 30}
    how = {"save_all": True, "append_images": pictures, "duration": max(round(1000 / fps), 1), "loop": 0}
    atomic_write(out, lambda file: first.save(file, **kind, **how), ELSEWHERE)  # type: ignore[arg-type]


def _write_mp4(frames: Iterator[np.ndarray], out: Path, fps: float, count: int) -> None:
    """H.264 as all browsers play it. Sides are made even, which its colours need, by repeating the last row or column."""
    import imageio_ffmpeg

    first = _even(next(frames))
    temporary = temporary_of(out)
    options = ["-crf", str(QUALITY), "-movflags", "+faststart"]
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        open(temporary, "wb").close()  # ffmpeg's own words for a place that cannot be written are many
        sink = imageio_ffmpeg.write_frames(
            temporary, first.shape[1::-1], fps=fps, codec="libx264", quality=None, macro_block_size=1,
            output_params=options, ffmpeg_log_level="quiet",
        )  # fmt: skip
        _by_ffmpeg(lambda: sink.send(None))
        for frame in itertools.chain([first], map(_even, frames)):
            _by_ffmpeg(partial(sink.send, np.ascontiguousarray(frame)))
        _by_ffmpeg(sink.close)
        written = _by_ffmpeg(lambda: imageio_ffmpeg.count_frames_and_secs(temporary)[0])
        if written != count:
            raise UserError(f"{out} cannot be written: ffmpeg wrote {written} of {count} frames; the disk may be full")
        os.replace(temporary, out)
    except OSError as error:
        why = disk_error(error) if error.errno else "ffmpeg failed; the disk may be full"
        raise UserError(f"{out} cannot be written: {why}") from error
    finally:
        temporary.unlink(missing_ok=True)


def _by_ffmpeg(call: Callable[[], Any]) -> Any:
    """What a call of ffmpeg gives. Where it gave up, its pipe is broken or it cannot read its own file: an OSError, so that the
    errors of a network that makes the frames stay what they are."""
    try:
        return call()
    except RuntimeError as error:
        raise OSError(str(error)) from error


def _even(frame: np.ndarray) -> np.ndarray:
    """The frame in RGB with even sides."""
    colours = frame if frame.ndim == 3 else frame[:, :, None].repeat(3, 2)
    down, across = (side % 2 for side in colours.shape[:2])
    return np.pad(colours, ((0, down), (0, across), (0, 0)), mode="edge") if down or across else colours


def _write_sheet(frames: Iterable[np.ndarray], out: Path, count: int, columns: int | None) -> int:
    """At most 100 frames, evenly spaced with the first and the last, row by row on grey."""
    step = np.linspace(0, count - 1, min(count, SHEET_MOST)).round().astype(int)
    wanted = set(step.tolist())
    cells = [enlarged(frame, SHEET_CELL) for k, frame in enumerate(frames) if k in wanted]
    from seesaw.latents.frames import save_sheet  # with torch, which the other forms do without

    save_sheet(cells, out, columns if columns and count <= SHEET_MOST else None)
    return len(cells)
