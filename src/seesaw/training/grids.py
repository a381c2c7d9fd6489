"""The grids of samples in a run folder, found by their names and read. numpy and Pillow only."""

import re
from pathlib import Path

import numpy as np
from PIL import Image

NAME = re.compile(r"(\d+)(?:_(\d{3}))?")
"""Name of a grid of the averaged generator: thousands of images shown, and where pictures are closer together, the images beyond
them."""


def grids_of(run_dir: Path) -> list[tuple[int, Path]]:
    """Images shown, in whole thousands where the name has no more, and the file of each grid, in the order of training."""
    files = (run_dir / "samples").glob("*.png")
    named = ((NAME.fullmatch(path.stem), path) for path in files)
    return sorted((1000 * int(found[1]) + int(found[2] or 0), path) for found, path in named if found)


def pixels_of(path: Path) -> np.ndarray:
    """A grid as 8 bits, uint8 (H, W) or (H, W, 3). Raises OSError where it cannot be read."""
    try:
        with Image.open(path, formats=("PNG",)) as picture:
            deep = np.asarray(picture if picture.mode in ("L", "RGB") or picture.mode.startswith("I") else picture.convert("RGB"))
    except (SyntaxError, ValueError) as error:
        raise OSError(f"{path} is no PNG") from error
    return deep.astype(np.uint8) if deep.dtype == np.uint8 else (deep / 257).round().astype(np.uint8)
