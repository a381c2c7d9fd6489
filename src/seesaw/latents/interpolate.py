"""`seesaw interpolate`: a film from latent to latent."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from seesaw.errors import UserError
from seesaw.functional.latents import How, path
from seesaw.latents.frames import frames_of
from seesaw.latents.model import Chosen, LatentModel, open_model
from seesaw.latents.video import write_film

MOST_FRAMES = 100_000
"""Of a film: about an hour."""

LARGEST = 64 << 20
"""Bytes of a file of latents that are still read."""


@dataclass(frozen=True)
class Way:
    """The way through the latents.

    Args:
        seeds: of the key frames, each the image of `seesaw sample --count 1 --seed S`. Not used with `files`.
        files: .npy files of latents, as `seesaw project` writes them; of each file all rows are key frames.
        space: z or w; None: w where the model has it.
        how: slerp or linear; None: slerp in z and linear in w.
        frames: from one key frame to the next.
        loop: whether the film returns to its first key frame.
    """

    seeds: Sequence[int]
    files: Sequence[Path] = ()
    space: str | None = None
    how: How | None = None
    frames: int = 30
    loop: bool = False


def interpolate(chosen: Chosen, way: Way, out: Path, fps: float) -> str:
    """Write the film; returns the line to print.

    Args:
        chosen: the checkpoint.
        way: the way through the latents.
        out: the film; its suffix is one of `seesaw.latents.video.SUFFIXES`.
        fps: frames a second.

    Raises:
        UserError: the model has no w, a file of latents does not fit, or the film cannot be written.
    """
    model = open_model(chosen)
    keys = model_keys(model, way)
    if (count := len(keys) * way.frames) > MOST_FRAMES:
        raise UserError(f"{len(keys)} key frames with --frames {way.frames} are {count:,} frames; at most {MOST_FRAMES:,}")
    space = "w" if keys.ndim == 3 else "z"
    how: How = way.how or ("linear" if space == "w" else "slerp")
    latents = path(keys, way.frames, how, way.loop)
    columns = way.frames + (len(keys) == 2 and not way.loop)  # a row from each key frame to the next
    written = write_film(frames_of(model.stream(latents)), out, fps, len(latents), columns)
    part = f"{written} of {len(latents)}" if written < len(latents) else f"{written}"
    back = " and back to the first" if way.loop else ""
    return f"{out}: {part} frames through {len(keys)} key frames{back}, {how} in {space}, of {model.described()}"


def model_keys(model: LatentModel, way: Way) -> Tensor:
    """The key frames, z (K, z_dim) or w (K, layers, w_dim)."""
    if way.files:
        keys = torch.cat(same_space([model.checked(read_latents(file), str(file)) for file in way.files], way.files))
        if len(keys) < 2:
            raise UserError(f"{way.files[0]} holds one latent; a film needs two key frames at least: give more files")
        if way.space == "z" and keys.ndim == 3:
            raise UserError(f"--space z: {way.files[0]} holds w; leave --space out")
    else:
        keys = model.of_seeds(way.seeds)
    wanted = way.space or ("w" if model.has_w and not way.files else None)
    return model.w(keys) if wanted == "w" and keys.ndim == 2 else keys


def same_space(latents: list[Tensor], files: Sequence[Path]) -> list[Tensor]:
    """The latents. Raises UserError where some are z and some w."""
    for found, file in zip(latents, files, strict=True):
        if found.ndim != latents[0].ndim:
            raise UserError(f"{file} and {files[0]} hold latents of different spaces, z and w; give those of one")
    return latents


def read_latents(file: Path) -> Tensor:
    """The latents of a .npy file, float32 (K, z_dim) or (K, layers, w_dim); one alone may lack its first axis. Nothing in it is
    executed.

    Raises:
        UserError: the file cannot be read, or holds no finite numbers.
    """
    try:
        if file.stat().st_size > LARGEST:
            raise ValueError(f"it is larger than {LARGEST >> 20} MiB")
        with open(file, "rb") as opened:
            if opened.read(6) != b"\x93NUMPY":  # else numpy takes it for a pickle, and advises to run it
                raise ValueError("it is no .npy file")
        values = np.load(file, allow_pickle=False)
        if not isinstance(values, np.ndarray) or values.dtype.kind != "f" or values.ndim not in (1, 2, 3):
            raise ValueError("it holds no latents, which are floats of one to three axes")
    except (OSError, ValueError, EOFError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else " ".join(str(error).split())[:120]
        raise UserError(f"{file} cannot be read as latents: {reason}; give a .npy file of `seesaw project`") from error
    if values.size == 0 or not np.isfinite(values).all():
        raise UserError(f"{file} holds no latents: {'it is empty' if values.size == 0 else 'some are not finite'}")
    return torch.from_numpy(np.atleast_2d(values).astype(np.float32))
