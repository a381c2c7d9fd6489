"""One image: the bytes of a file to pixels. numpy and Pillow only: the workers of a preparation import nothing heavier."""

import hashlib
import io
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
from PIL import ExifTags, Image, ImageColor, UnidentifiedImageError

from seesaw.data.prepare import mend
from seesaw.data.prepare.limits import LARGEST_FILE, SMALLEST_SIDE, check_size
from seesaw.data.prepare.limits import BadImage as BadImage
from seesaw.data.prepare.planes import NPY, deep_grey, placed, read_array, read_pages, rounded
from seesaw.functional.resolution import Resolution, Size, size_of

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

SUFFIXES = (*COMMON, *RARE, NPY)

MODES = {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}
"""Pillow's modes by the number of channels."""

MOST_CHANNELS = 8

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


@dataclass(frozen=True)
class Decoding:
    """What is made of an image.

    Args:
        resolution: of the result, a number or `HxW`. It is kept as a number where it is a square's.
        channels: 1 (grey), 2 (grey with alpha), 3 (RGB), 4 (RGBA), or more, of arrays and of TIFFs with so many pages.
        crop: `center` takes a central rectangle of the resolution's shape; `random` one at a place that the image's name
            decides, see `decode`; `none` squeezes the whole image into that shape.
        background: a colour as CSS writes it (`white`, `#202020`), seen where an image is transparent. Channels 2 and 4 keep
            the alpha.
        side: width of the rectangle in pixels before the resize; None: the largest rectangle. Of a square it is the side.
        center: the pixel (x, y) about which `crop=center` takes the rectangle, columns x - side // 2 and on, rows
            likewise; None: the middle. ProGAN's CelebA-128 is side 128 about (89, 121) (Karras et al. 2018).
        depth: bits of a pixel and channel of the result. With 16, grey pictures, arrays and pages keep all of their bits.

    Raises:
        ValueError: a value is not one of the allowed ones.
    """

    resolution: Resolution
    channels: int
    crop: Crop = "center"
    background: str = "white"
    side: int | None = None
    center: tuple[int, int] | None = None
    depth: int = 8

    def __post_init__(self) -> None:
        object.__setattr__(self, "resolution", self.size.label)
        if not 1 <= self.channels <= MOST_CHANNELS:
            raise ValueError(f"channels must be from 1 to {MOST_CHANNELS}, not {self.channels}")
        if self.depth not in (8, 16):
            raise ValueError(f"depth must be 8 or 16, not {self.depth}")
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

    @property
    def size(self) -> Size:
        """Height and width of the result."""
        return size_of(self.resolution)

    @property
    def dtype(self) -> type[np.generic]:
        """Of the result."""
        return np.uint8 if self.depth == 8 else np.uint16

    def decisive(self) -> dict[str, Any]:
        """The fields that name a prepared set. The usual depth is left out: sets were prepared before there was another."""
        return {key: value for key, value in asdict(self).items() if (key, value) != ("depth", 8)}


def describe_decoding(how: Mapping[str, Any]) -> str:
    """How images are brought to their shape, in words, by the fields of a `Decoding`."""
    size = f"resized to {how['resolution']} px"
    kind = "square" if isinstance(how["resolution"], int) else "rectangle"
    if how["crop"] == "none":
        return f"squeezed into the {kind} and {size}"
    side = f"{kind} of {how['side']} px" if how["side"] else f"largest {kind}"
    about = f" about {tuple(how['center'])}" if how["center"] else ""
    place = f"central {side}{about}" if how["crop"] == "center" else f"{side} at a random place"
    return f"cropped to the {place}, {size}"


def decode(content: bytes, name: str, how: Decoding) -> np.ndarray:
    """One image as uint8 (channels, H, W), or uint16 with depth 16: read by `read_picture`, or as planes where it is an array or
    a TIFF of so many grey pages, cropped, and resized bilinearly with antialiasing. Colours are weighted by their alpha.

    A random crop is drawn once, when the set is prepared, and is the same in all epochs and on all machines: its place
    comes from the SHA-256 of `name`. BigGAN's code (Brock et al. 2019) draws it anew each epoch where it reads single
    files, and prepares its HDF5 files with the central crop.

    Args:
        content: all bytes of the file.
        name: of the image in its set.
        how: what to make of it.

    Raises:
        BadImage: as `read_picture`, the picture does not hold the rectangle, or it has not so many channels or bits.
        Exception: any error that Pillow raises.
    """
    planes = _planes(content, name, how.channels)
    if planes is not None:
        return placed(planes, _box(planes.shape[2], planes.shape[1], name, how), how.size, how.depth)
    if how.channels not in MODES or (how.depth > 8 and how.channels > 1):
        n, bits = how.channels, "" if how.depth == 8 else " of 16 bits"
        raise BadImage(f"a picture; {n} channels{bits} are read of .npy files and of TIFFs with {n} grey pages")
    image = read_picture(content, MODES[how.channels] if how.depth == 8 else "F", how.background, name)
    # cropped before the resize, not by its `box`: that lets pixels from outside in at the edges
    image = image.crop(_box(image.width, image.height, name, how))
    pixels = np.asarray(image.resize(how.size[::-1], Image.Resampling.BILINEAR))
    pixels = pixels if how.depth == 8 else rounded(pixels, how.depth)
    return pixels.reshape(*how.size, how.channels).transpose(2, 0, 1)


def _planes(content: bytes, name: str, channels: int) -> np.ndarray | None:
    """The planes of an array, or of a TIFF with a page for each of several channels; None of other images."""
    if len(content) > LARGEST_FILE:
        raise BadImage(f"more than {LARGEST_FILE >> 20} MiB")
    suffix = os.path.splitext(name)[1].lower()
    if suffix == NPY:
        return read_array(content, channels)
    return read_pages(content, channels) if channels > 1 and RARE.get(suffix) == "TIFF" else None


def read_picture(content: bytes, mode: str, background: str = "white", name: str = "") -> Image.Image:
    """The picture in a file (of a gif the first frame), upright, of 8 bits. A mode without alpha is laid on the background where
    it is transparent.

    Args:
        content: all bytes of the file.
        mode: of the result, L, LA, RGB or RGBA; or F, grey from 0 to 65535 of as many bits as the file has.
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
        return _opened(content, formats, background, mode)
    except (OSError, ValueError):
        if content.startswith(mend.PNG_START) and len(shorter := mend.without_texts(content)) < len(content):
            return _opened(shorter, formats, background, mode)
        if not content.startswith(mend.JPEG_START) or mend.lacks_scans(content):
            raise
        pictures = (_opened(ended, formats, background, mode) for ended in mend.ended(content))
        whole = next(pictures)
        if any(picture.tobytes() != whole.tobytes() for picture in pictures):
            raise
        return whole


def _opened(content: bytes, formats: tuple[str, ...], background: str, mode: str) -> Image.Image:
    """The picture in this mode, upright."""
    try:
        opening = Image.open(io.BytesIO(content), formats=formats)
    except UnidentifiedImageError as error:  # Pillow's words hold an address in memory, another one each time
        raise BadImage(f"not an image ({', '.join(formats)} are read)") from error
    with opening as opened:
        check_size(*opened.size)
        opened.load()
        image = _upright(opened)
    if mode == "F":
        return deep_grey(image, background) if image.mode.startswith("I") else _deeper(_to_8_bit(image, background))
    return _to_8_bit(image, None if mode.endswith("A") else background).convert(mode)


def _deeper(image: Image.Image) -> Image.Image:
    """Grey from 0 to 65535 of a picture of 8 bits."""
    return Image.fromarray(np.asarray(image.convert("L")).astype(np.float32) * 257)


def _box(width: int, height: int, name: str, how: Decoding) -> tuple[int, int, int, int]:
    """Left, upper, right and lower edge of the rectangle that is cut out of an image: the whole where nothing is cropped."""
    if how.crop == "none":
        return 0, 0, width, height
    across = how.side or min(width, _scaled(height, how.size.width, how.size.height))
    down = _scaled(across, how.size.height, how.size.width)
    down = down if how.side else min(down, height)  # rounded, it may be one pixel more
    if how.crop == "random":
        drawn = hashlib.sha256(name.encode(errors="surrogatepass")).digest()
        left = int.from_bytes(drawn[:8], "big") % max(width - across + 1, 1)
        upper = int.from_bytes(drawn[8:16], "big") % max(height - down + 1, 1)
    elif how.center is None:
        left, upper = (width - across) // 2, (height - down) // 2
    else:
        left, upper = how.center[0] - across // 2, how.center[1] - down // 2
    if min(left, upper) < 0 or left + across > width or upper + down > height:
        about = "" if how.center is None else f" about {how.center}"
        shape = f"square of {across}" if across == down else f"rectangle {across} wide and {down} high"
        raise BadImage(f"{width}x{height} pixels hold no {shape}{about}")
    return left, upper, left + across, upper + down


def _scaled(pixels: int, over: int, under: int) -> int:
    """pixels * over / under, rounded, at least 1."""
    return max((2 * pixels * over + under) // (2 * under), 1)


def _upright(image: Image.Image) -> Image.Image:
    """Turned upright by the EXIF tag. `ImageOps.exif_transpose` also writes the tags anew and fails on broken ones."""
    method = ORIENTATIONS.get(image.getexif().get(ExifTags.Base.Orientation))
    return image if method is None else image.transpose(method)


def _to_8_bit(image: Image.Image, background: str | None) -> Image.Image:
    """Any of Pillow's modes as one of 8 bits a channel, laid on the background; None: with its alpha.

    16-bit grey is rounded. Of 16-bit RGB, grey with alpha and RGBA Pillow itself keeps the upper 8 bits.
    """
    if image.mode.startswith("I"):  # 16-bit grey; `convert` would clip it at 255
        values, clear = np.asarray(image), image.info.get("transparency")
        image = Image.fromarray((values.clip(0, 65535) / 257).round().astype(np.uint8))
        if isinstance(clear, int):  # the grey that a tRNS chunk names
            image.putalpha(Image.fromarray(np.where(values == clear, 0, 255).astype(np.uint8)))
    if image.has_transparency_data:
        image = image.convert("RGBA")
        if background is None:
            return image
        return Image.alpha_composite(Image.new("RGBA", image.size, background), image)
    return image
