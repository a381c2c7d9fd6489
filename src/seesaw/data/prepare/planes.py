"""Images as planes, which Pillow's pictures are not: NumPy's arrays, TIFFs with a page for each channel, grey of 16 bits.

A plane is float32 (H, W). numpy and Pillow only, as in `decode`. No array is unpickled, and none is larger than its file.
"""

import io
import math

import numpy as np
from PIL import Image, ImageColor

from seesaw.data.prepare.limits import BadImage, check_size

NPY = ".npy"
"""The suffix of an array."""

MOST = {"u1": 255, "u2": 65535, "f2": 1, "f4": 1, "f8": 1}
"""The value that stands for 1, by the kind and size of an array's numbers."""

GREY = ("1", "L", "F")
"""Pillow's modes of one channel, beside those of 16 and 32 bits, which begin with I."""


def read_array(content: bytes, channels: int) -> np.ndarray:
    """The planes of a .npy file, float32 (channels, H, W) in [0, 1].

    The array is (H, W, C), (C, H, W), or of one channel (H, W). Where both of the first two fit, channels last is taken.

    Args:
        content: all bytes of the file.
        channels: as many as the array must have.

    Raises:
        BadImage: it is no such array, a value is out of range, or the image is too small or too large.
    """
    array = _parsed(content)
    kind = f"{array.dtype.kind}{array.dtype.itemsize}"
    if kind not in MOST:
        raise BadImage(f"an array of {array.dtype}; uint8, uint16 and floats from 0 to 1 are read")
    if array.ndim == 2:
        array = array[None]
    elif array.ndim == 3 and array.shape[2] == channels:
        array = array.transpose(2, 0, 1)
    if array.ndim != 3 or len(array) != channels:
        shape = "x".join(map(str, array.shape))
        raise BadImage(f"an array of {shape}; with data.channels={channels} it is HxWx{channels} or {channels}xHxW")
    check_size(array.shape[2], array.shape[1])
    planes = array.astype(np.float32) / MOST[kind]
    least, most = planes.min(), planes.max()
    if not (least >= 0 and most <= 1):  # nan compares with nothing
        raise BadImage(f"values from {least:g} to {most:g}; floats must be from 0 to 1")
    return planes


def array_shape(content: bytes) -> tuple[int, int, int]:
    """Channels, height and width by the header of a .npy file: of three axes the channels' is the shorter of first and last.

    Raises:
        BadImage: it is no array of two or three axes.
    """
    shape, _, _ = _header(io.BytesIO(content))
    if len(shape) == 2:
        return (1, *shape)
    if len(shape) != 3:
        raise BadImage(f"an array of {len(shape)} axes; two or three are read")
    return (shape[2], *shape[:2]) if shape[2] <= shape[0] else (shape[0], *shape[1:])


def _header(file: io.BytesIO) -> tuple[tuple[int, ...], bool, np.dtype]:
    """Shape, whether columns come first, and kind of the numbers by the header of a .npy file."""
    try:
        version = np.lib.format.read_magic(file)
        read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        return read(file)
    except Exception as error:  # of bytes that are no header, almost any error comes
        raise BadImage(f"no array of NumPy ({' '.join(str(error).split())[:80]})") from error


def _parsed(content: bytes) -> np.ndarray:
    """The array of a .npy file by its header and the bytes behind it: nothing is unpickled or allocated by its word."""
    file = io.BytesIO(content)
    shape, by_columns, dtype = _header(file)
    if dtype.hasobject:
        raise BadImage("an array of Python's objects, which are never unpickled")
    if math.prod(shape) * dtype.itemsize != len(content) - file.tell():
        raise BadImage(f"{len(content) - file.tell()} bytes, and its header declares {math.prod(shape)} of {dtype}")
    return np.frombuffer(content, dtype, offset=file.tell()).reshape(shape, order="F" if by_columns else "C")


def read_pages(content: bytes, channels: int) -> np.ndarray | None:
    """The planes of a TIFF of so many grey pages, float32 (channels, H, W) in [0, 1]; None where it is another one.

    Raises:
        BadImage: the pages differ in size, a value is out of range, or the image is too small or too large.
        Exception: any error that Pillow raises.
    """
    planes = []
    with Image.open(io.BytesIO(content), formats=("TIFF",)) as tiff:
        check_size(*tiff.size)
        if getattr(tiff, "n_frames", 1) != channels:
            return None
        for page in range(channels):
            tiff.seek(page)
            if not (tiff.mode in GREY or tiff.mode.startswith("I")):
                return None
            check_size(*tiff.size)
            planes.append(_unit(tiff))
    if len({plane.shape for plane in planes}) > 1:
        raise BadImage("its pages differ in size")
    return np.stack(planes)


def _unit(page: Image.Image) -> np.ndarray:
    """A grey page, float32 (H, W) in [0, 1]: of 8 bits, of 16, or of floats, which must be in that range."""
    values = np.asarray(page.convert("L") if page.mode == "1" else page)
    if page.mode.startswith("I"):
        return values.clip(0, 65535).astype(np.float32) / 65535
    if page.mode != "F":
        return values.astype(np.float32) / 255
    least, most = values.min(), values.max()
    if not (least >= 0 and most <= 1):
        raise BadImage(f"values from {least:g} to {most:g}; floats must be from 0 to 1")
    return values


def deep_grey(image: Image.Image, background: str) -> Image.Image:
    """A grey picture of 16 bits as Pillow's mode F, from 0 to 65535. Where it is transparent it shows the background."""
    values = np.asarray(image).clip(0, 65535).astype(np.float32)
    if isinstance(clear := image.info.get("transparency"), int):  # the grey that a tRNS chunk names
        grey = ImageColor.getcolor(background, "L")
        values[values == clear] = 257 * (grey if isinstance(grey, int) else grey[0])
    return Image.fromarray(values)


def placed(planes: np.ndarray, box: tuple[int, int, int, int], size: tuple[int, int], depth: int) -> np.ndarray:
    """Planes (C, H, W) in [0, 1] cut to the box and resized as Pillow resizes floats, bilinear and antialiased.

    Args:
        planes: float32.
        box: left, upper, right and lower edge.
        size: height and width of the result.
        depth: bits of the result: uint8 or uint16, rounded.
    """
    made = [Image.fromarray(p).crop(box).resize(size[::-1], Image.Resampling.BILINEAR) for p in planes]
    return rounded(np.stack([np.asarray(p) for p in made]) * (2**depth - 1), depth)


def rounded(values: np.ndarray, depth: int) -> np.ndarray:
    """Floats to the nearest of uint8 or uint16, clipped."""
    return values.round().clip(0, 2**depth - 1).astype(np.uint8 if depth == 8 else np.uint16)
