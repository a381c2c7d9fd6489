"""One's own images: a folder, nested as one likes, read into an `ImageSet`; bad files are skipped, counted, listed."""

import hashlib
import os
import warnings
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from stat import S_ISREG
from typing import Literal

import numpy as np
import torch
from PIL import ExifTags, Image, ImageColor
from torch import Tensor
from tqdm import tqdm

from seesaw.data.images import ImageSet, require_memory
from seesaw.types import UserError

Crop = Literal["center", "none"]

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif")
# Pillow opens no other format, whatever a file's name says: EPS, for one, would start Ghostscript.
FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "GIF")
SMALLEST_SIDE = 4
ORIENTATIONS: dict[object, Image.Transpose] = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""What brings an image upright, by the value of its EXIF orientation; 1 stands upright."""


class BadImage(Exception):
    """An image that cannot serve, with the reason."""


def folder(
    root: str,
    resolution: int,
    channels: int = 3,
    crop: Crop = "center",
    background: str = "white",
    max_bad: float = 0.05,
    cache_dir: str = "cache",
) -> ImageSet:
    """Read every jpg, jpeg, png, webp, bmp and gif (its first frame) below `root`, links to folders included.

    An image is turned as its EXIF tag says, laid on the background where it is transparent, brought to 8 bits and to
    grey or RGB, cropped and resized bilinearly with antialiasing. The order is that of the sorted paths. The names of
    the first-level sub-folders, sorted, become the labels if there are two or more and every image lies in one.

    Args:
        crop: `center` takes the largest central square; `none` squeezes the whole image into the square.
        background: a colour as CSS writes it (`white`, `#202020`), seen where an image is transparent.
        max_bad: the share of images, 0 ... 1, that may be unreadable, no regular files, shorter than 4 pixels on a side
            or larger than Pillow's limit for decompression bombs. They are skipped; a warning counts them and names the
            first, and a file in `cache_dir` lists all with the reasons.

    Raises:
        ValueError: crop, background or max_bad is not one of the allowed values.
        UserError: root is missing, no folder or holds no images; more than `max_bad` are bad; memory is too small.
    """
    check_options(crop, background, max_bad)
    top = Path(root).expanduser()
    paths = find_images(top)
    require_memory(len(paths), channels, resolution)
    images, reasons = _read_all(top, paths, resolution, channels, crop, background)
    bad = {path: reason for path, reason in zip(paths, reasons, strict=True) if reason}
    if bad:
        _report(bad, len(paths), top, max_bad, cache_dir)
        good = [i for i, reason in enumerate(reasons) if not reason]
        images, paths = images[good], [paths[i] for i in good]
    y, classes = _labels(paths)
    return ImageSet(images, f"folder {top.absolute().name}", y, classes)


def check_options(crop: str, background: str, max_bad: float) -> None:
    """Raise the ValueErrors of `folder` that need no file."""
    if crop not in ("center", "none"):
        raise ValueError(f"crop must be one of center, none, not {crop!r}")
    if not 0 <= max_bad <= 1:
        raise ValueError(f"max_bad must be a share from 0 to 1, not {max_bad}")
    try:
        ImageColor.getrgb(background)
    except ValueError:
        raise ValueError(f"background must be a colour such as white or #202020, not {background!r}") from None


def find_images(top: Path) -> list[str]:
    """Paths of all images below `top`, relative to it, sorted; hidden files and folders are left out.

    Links to folders are followed, and each folder is entered once however many links lead there, so loops end.
    """
    where = f"data.root={str(top)!r}"
    if not top.exists():
        raise UserError(f"{where} does not exist (looked for {str(top.absolute())!r}): give a folder of images")
    if not top.is_dir():
        raise UserError(f"{where} is a file: give the folder that holds the images")
    entered, found, others = set(), [], Counter[str]()
    for here, folders, files in os.walk(top, followlinks=True):
        status = os.stat(here)
        if (status.st_dev, status.st_ino) in entered:
            folders.clear()
            continue
        entered.add((status.st_dev, status.st_ino))
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in files:
            suffix = os.path.splitext(name)[1].lower()
            if suffix in SUFFIXES and not name.startswith("."):
                found.append(os.path.relpath(os.path.join(here, name), top))
            else:
                others[suffix or "no suffix"] += 1
    if not found:
        held = ", ".join(f"{count} of {suffix}" for suffix, count in others.most_common(3)) or "nothing at all"
        raise UserError(f"{where} holds no images, but {held}: {', '.join(SUFFIXES)} are read, in sub-folders too")
    return sorted(found)


def decode(path: Path, resolution: int, channels: int, crop: Crop, background: str) -> np.ndarray:
    """One image file as uint8 (channels, resolution, resolution).

    Raises:
        BadImage: the file is no regular one, or the picture is too small or too large.
        Exception: whatever Pillow finds wrong.
    """
    if not S_ISREG(path.stat().st_mode):  # a pipe would be waited for without end
        raise BadImage("not a regular file")
    with Image.open(path, formats=FORMATS) as opened:
        if min(opened.size) < SMALLEST_SIDE:
            raise BadImage(f"{opened.width}x{opened.height} pixels, {SMALLEST_SIDE} a side are needed")
        opened.load()
        image = _upright(opened)
        image = _to_8_bit(image, background).convert("RGB" if channels == 3 else "L")
    if crop == "center":  # before the resize, not by its `box`: that lets pixels from outside in at the edges
        side = min(image.size)
        left, upper = (image.width - side) // 2, (image.height - side) // 2
        image = image.crop((left, upper, left + side, upper + side))
    image = image.resize((resolution, resolution), Image.Resampling.BILINEAR)
    return np.asarray(image).reshape(resolution, resolution, channels).transpose(2, 0, 1)


def _upright(image: Image.Image) -> Image.Image:
    """Turned as its EXIF tag says. `ImageOps.exif_transpose` also writes the tags anew and fails on broken ones."""
    method = ORIENTATIONS.get(image.getexif().get(ExifTags.Base.Orientation))
    return image if method is None else image.transpose(method)


def _to_8_bit(image: Image.Image, background: str) -> Image.Image:
    """Any of Pillow's modes as one of 8 bits a channel without transparency."""
    if image.mode.startswith("I"):  # 16-bit grey; `convert` would clip it at 255
        return Image.fromarray((np.asarray(image).clip(0, 65535) / 257).round().astype(np.uint8))
    if image.has_transparency_data:
        image = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", image.size, background), image)
    return image


def _read_all(
    top: Path, paths: list[str], resolution: int, channels: int, crop: Crop, background: str
) -> tuple[Tensor, list[str]]:
    """All images, and for each the reason why it is bad, or "". Threads serve, since Pillow decodes outside the GIL."""
    images = np.zeros((len(paths), channels, resolution, resolution), dtype=np.uint8)

    def read(i: int) -> str:
        try:
            images[i] = decode(top / paths[i], resolution, channels, crop, background)
        except Exception as error:  # a hostile file makes Pillow raise nearly anything, SyntaxError included
            return " ".join(str(error).split()) or type(error).__name__
        return ""

    with warnings.catch_warnings(), ThreadPoolExecutor() as pool:
        warnings.filterwarnings("ignore", module="PIL")
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        progress = tqdm(pool.map(read, range(len(paths))), "reading images", len(paths), leave=False, disable=None)
        reasons = list(progress)
    return torch.from_numpy(images), reasons


def _report(bad: dict[str, str], total: int, top: Path, max_bad: float, cache_dir: str) -> None:
    """List the bad images in a file; warn, or raise where they are too many. Names are written as Python literals,
    since they may hold line breaks or bytes that are no text.
    """
    text = "".join(f"{path!r}: {reason}\n" for path, reason in bad.items())
    content = f"{len(bad)} of {total} images below {str(top.absolute())!r} were skipped:\n{text}"
    digest = hashlib.sha256(content.encode(errors="backslashreplace")).hexdigest()[:16]
    listed = Path(cache_dir).expanduser() / f"bad_images-{digest}.txt"
    listed.parent.mkdir(parents=True, exist_ok=True)
    listed.write_text(content, encoding="utf-8", errors="backslashreplace")
    first = ", ".join(f"{path!r} ({reason})" for path, reason in list(bad.items())[:3])
    summary = f"{len(bad)} of {total} images below data.root={str(top)!r} cannot be used: {first}"
    summary += ", ..." if len(bad) > 3 else ""
    if len(bad) > max_bad * total or len(bad) == total:
        allowed = f"data.max_bad={max_bad} allows {int(max_bad * total)}"
        raise UserError(f"{summary}; {allowed}; the whole list is in {listed}")
    warnings.warn(f"{summary}; they are skipped, the whole list is in {listed}", stacklevel=3)


def _labels(paths: list[str]) -> tuple[Tensor, int] | tuple[None, None]:
    first = [path.split(os.sep)[0] if os.sep in path else "" for path in paths]
    names = sorted(set(first))
    if len(names) < 2 or "" in names:
        return None, None
    numbers = {name: number for number, name in enumerate(names)}
    return torch.tensor([numbers[name] for name in first]), len(names)
