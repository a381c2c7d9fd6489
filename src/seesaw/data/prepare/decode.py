"""One image: the bytes of a file to pixels. numpy and Pillow only: the workers of a preparation import nothing heavier."""

import hashlib
import io
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from PIL import ExifTags, Image, ImageColor, UnidentifiedImageError

from seesaw.data.prepare import mend

Crop = Literal["center", "random", "none"]

FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "GIF")
"""The formats that are opened however a file is called."""

COMMON = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".jfif", ".jpe", ".mpo", ".apng")
"""Their suffixes."""

RARE = {
    ".dib": "DIB", ".tif": "TIFF", ".tiff": "TIFF", ".ppm": "PPM", ".pgm": "PPM", ".pbm": "PPM", ".pnm": "PPM", ".tga": "TGA",
    ".qoi": "QOI", ".pcx": "PCX", ".avif": "AVIF", ".jp2": "JPEG2000", ".j2k": "JPEG2000", ".jpf": "JPEG2000", ".jpx": "JPEG2000",
}  # fmt: skip
"""Formats that are opened under these suffixes alone. Pillow opens no other: EPS, for one, would start Ghostscript."""

SUFFIXES = (*COMMON, *RARE)

SMALLEST_SIDE = 4
LARGEST_FILE = 256 << 20
"""Bytes of a file that are still read."""

MOST_PIXELS = 89_478_485
"""Pillow's own limit for decompression bombs, a quarter of a GiB of RGB. Kept here, since a program may lift Pillow's."""

ORIENTATIONS: dict[object, Image.Transpose] = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""What turns an image upright, by the value of its EXIF orientation; 1 stands upright."""


class BadImage(Exception):
    """An image that cannot serve, with the reason."""


@dataclass(frozen=True)
class Decoding:
    """What is made of an image.

    Args:
        resolution: height and width of the result.
        channels: 1 (grey) or 3 (RGB).
        crop: `center` takes a central square; `random` one at a place that the image's name decides, see `decode`; `none`
            squeezes the whole image into the square.
        background: a colour as CSS writes it (`white`, `#202020`), seen where an image is transparent.
        side: pixels of the square's side before the resize; None: the shorter side of the image.
        center: the pixel (x, y) about which `crop=center` takes a square of `side`, columns x - side // 2 and on, rows
            likewise; None: the middle. ProGAN's CelebA-128 is side 128 about (89, 121) (Karras et al. 2018).

    Raises:
        ValueError: a value is not one of the allowed ones.
    """

    resolution: int
    channels: int
    crop: Crop = "center"
    background: str = "white"
    side: int | None = None
    center: tuple[int, int] | None = None

    def __post_init__(self) -> None:
        if self.resolution < 1:
            raise ValueError(f"resolution must be at least 1, not {self.resolution}")
        if self.channels not in (1, 3):
            raise ValueError(f"channels must be 1 or 3, not {self.channels}")
        if self.crop not in ("center", "random", "none"):
            raise ValueError(f"crop must be one of center, random, none, not {self.crop!r}")
        try:
            ImageColor.getrgb(self.background)
        except ValueError:
            raise ValueError(f"background must be a colour such as white or #202020, not {self.background!r}") from None
        if self.side is not None and (self.side < SMALLEST_SIDE or self.crop == "none"):
            raise ValueError(f"side must be null with crop=none, else at least {SMALLEST_SIDE}, not {self.side}")
        if self.center is not None and (self.side is None or self.crop != "center" or min(self.center) < 0):
            raise ValueError(f"center must be two pixels from 0 on, with a side and crop=center, not {self.center}")


def describe_decoding(how: Mapping[str, Any]) -> str:
    """How images are brought to a square, in words, by the fields of a `Decoding`."""
    size = f"resized to {how['resolution']} px"
    if how["crop"] == "none":
        return f"squeezed into the square and {size}"
    side = f"square of {how['side']} px" if how["side"] else "largest square"
    about = f" about {tuple(how['center'])}" if how["center"] else ""
    place = f"central {side}{about}" if how["crop"] == "center" else f"{side} at a random place"
    return f"cropped to the {place}, {size}"


def decode(content: bytes, name: str, how: Decoding) -> np.ndarray:
    """One image as uint8 (channels, resolution, resolution): read by `read_picture`, cropped, and resized bilinearly with
    antialiasing.

    A random crop is drawn once, when the set is prepared, and is the same in all epochs and on all machines: its place
    comes from the SHA-256 of `name`. BigGAN's code (Brock et al. 2019) draws it anew each epoch where it reads single
    files, and prepares its HDF5 files with the central crop.

    Args:
        content: all bytes of the file.
        name: of the image in its set.
        how: what to make of it.

    Raises:
        BadImage: as `read_picture`, or the picture does not hold the square.
        Exception: any error that Pillow raises.
    """
    image = read_picture(content, "RGB" if how.channels == 3 else "L", how.background, name)
    if how.crop != "none":  # before the resize, not by its `box`: that lets pixels from outside in at the edges
        image = image.crop(_square(image.width, image.height, name, how))
    image = image.resize((how.resolution, how.resolution), Image.Resampling.BILINEAR)
    return np.asarray(image).reshape(how.resolution, how.resolution, how.channels).transpose(2, 0, 1)


def read_picture(content: bytes, mode: str, background: str = "white", name: str = "") -> Image.Image:
    """The picture in a file (of a gif the first frame), upright, laid on the background where it is transparent, of 8 bits.

    Args:
        content: all bytes of the file.
        mode: of the result, L or RGB.
        background: a colour as CSS writes it.
        name: of the file; its suffix allows one of the formats of `RARE`.

    Raises:
        BadImage: the file is too large or no image, or the picture is too small or too large.
        Exception: any error that Pillow raises.
    """
    if len(content) > LARGEST_FILE:
        raise BadImage(f"more than {LARGEST_FILE >> 20} MiB")
    rare = RARE.get(os.path.splitext(name)[1].lower())
    formats = FORMATS if rare is None else (*FORMATS, rare)
    try:
        return _opened(content, formats, background).convert(mode)
    except (OSError, ValueError):
        if content.startswith(mend.PNG_START) and len(shorter := mend.without_texts(content)) < len(content):
            return _opened(shorter, formats, background).convert(mode)
        if not content.startswith(mend.JPEG_START) or mend.lacks_scans(content):
            raise
        pictures = (_opened(ended, formats, background).convert(mode) for ended in mend.ended(content))
        whole = next(pictures)
        if any(picture.tobytes() != whole.tobytes() for picture in pictures):
            raise
        return whole


def _opened(content: bytes, formats: tuple[str, ...], background: str) -> Image.Image:
    """The picture of 8 bits, upright, without transparency."""
    try:
        opening = Image.open(io.BytesIO(content), formats=formats)
    except UnidentifiedImageError as error:  # Pillow's words hold an address in memory, another one each time
        raise BadImage(f"not an image ({', '.join(formats)} are read)") from error
    with opening as opened:
        width, height = opened.size
        if min(width, height) < SMALLEST_SIDE:
            raise BadImage(f"{width}x{height} pixels, {SMALLEST_SIDE} a side are needed")
        if width * height > MOST_PIXELS:
            raise BadImage(f"{width}x{height} pixels could be a decompression bomb, {MOST_PIXELS} are read at most")
        opened.load()
        return _to_8_bit(_upright(opened), background)


def _square(width: int, height: int, name: str, how: Decoding) -> tuple[int, int, int, int]:
    """Left, upper, right and lower edge of the square that is cut out of an image."""
    side = how.side or min(width, height)
    if how.crop == "random":
        drawn = hashlib.sha256(name.encode(errors="surrogatepass")).digest()
        left = int.from_bytes(drawn[:8], "big") % max(width - side + 1, 1)
        upper = int.from_bytes(drawn[8:16], "big") % max(height - side + 1, 1)
    elif how.center is None:
        left, upper = (width - side) // 2, (height - side) // 2
    else:
        left, upper = how.center[0] - side // 2, how.center[1] - side // 2
    if min(left, upper) < 0 or left + side > width or upper + side > height:
        about = "" if how.center is None else f" about {how.center}"
        raise BadImage(f"{width}x{height} pixels hold no square of {side}{about}")
    return left, upper, left + side, upper + side


def _upright(image: Image.Image) -> Image.Image:
    """Turned upright by the EXIF tag. `ImageOps.exif_transpose` also writes the tags anew and fails on broken ones."""
    method = ORIENTATIONS.get(image.getexif().get(ExifTags.Base.Orientation))
    return image if method is None else image.transpose(method)


def _to_8_bit(image: Image.Image, background: str) -> Image.Image:
    """Any of Pillow's modes as one of 8 bits a channel without transparency.

    16-bit grey is rounded. Of 16-bit RGB, grey with alpha and RGBA Pillow itself keeps the upper 8 bits.
    """
    if image.mode.startswith("I"):  # 16-bit grey; `convert` would clip it at 255
        values, clear = np.asarray(image), image.info.get("transparency")
        image = Image.fromarray((values.clip(0, 65535) / 257).round().astype(np.uint8))
        if isinstance(clear, int):  # the grey that a tRNS chunk names
            image.putalpha(Image.fromarray(np.where(values == clear, 0, 255).astype(np.uint8)))
    if image.has_transparency_data:
        image = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", image.size, background), image)
    return image
