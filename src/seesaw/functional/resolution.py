"""Heights and widths of images: a base grid times a power of two. Imports no torch: the processes that decode images use it.

`data.resolution` is a number, the side of a square, or `HxW`, height x width in pixels: `96x160` is 3x5 times 2^5. Every net of
images begins (G) and ends (D) at the base grid, and doubles or halves from there; a square of a power of two has the grid 4x4.
"""

import re
from functools import lru_cache
from typing import NamedTuple

Resolution = int | str
"""The side of a square, or `HxW`."""

BASE_SIDES = (3, 16)
"""The sides of a base grid. From 3 on a 3x3 convolution has a centre; up to 16 the shapes go from 3:16 to 16:3, 9:16 included."""

WRITTEN = re.compile(r"(\d{1,5})x(\d{1,5})|(\d{1,5})", re.ASCII)


class Size(NamedTuple):
    """Height and width in pixels."""

    height: int
    width: int

    @property
    def label(self) -> Resolution:
        """As a configuration has it: a number for a square, else `HxW`."""
        return self.height if self.height == self.width else f"{self.height}x{self.width}"


class Scales(NamedTuple):
    """The sizes of an image from its base grid on, each twice the one before.

    Args:
        base: the smallest.
        doublings: how often it is doubled up to the image.
    """

    base: Size
    doublings: int

    def at(self, depth: int) -> Size:
        """The size after so many doublings of the base grid."""
        return Size(self.base.height << depth, self.base.width << depth)


def size_of(resolution: Resolution) -> Size:
    """Height and width of a resolution, whatever models and sets can do with it.

    Raises:
        ValueError: it is neither a number from 1 on nor `HxW`.
    """
    match = None if isinstance(resolution, bool) else WRITTEN.fullmatch(str(resolution))
    height, width, side = (int(part or 0) for part in match.groups()) if match else (0, 0, 0)
    if min(height, width) < 1 and side < 1:
        raise ValueError(f"resolution is {resolution}; it must be a number of pixels, or height x width such as 96x160")
    return Size(side or height, side or width)


@lru_cache(maxsize=256)
def scales_of_size(height: int, width: int) -> Scales:
    """The scales of an image of this size. Its base grid is the smallest from which doubling leads to the image and that has no
    side below 3; of 4x4 and less it is the image itself."""
    doublings = 0
    while not (height % 2 or width % 2) and min(height, width) >= 2 * BASE_SIDES[0]:
        height, width, doublings = height // 2, width // 2, doublings + 1
    return Scales(Size(height, width), doublings)


def scales_of(resolution: Resolution, low: int = 8, high: int = 1024, doublings: int = 1) -> Scales:
    """The scales of a resolution that a net or a set takes.

    Args:
        resolution: see the module.
        low: the least side in pixels.
        high: the largest.
        doublings: at least so many.

    Raises:
        ValueError: a side is out of range, or the resolution is no base grid of 3 to 16 a side times a power of two.
    """
    size = size_of(resolution)
    scales = scales_of_size(*size)
    if low <= min(size) and max(size) <= high and fits(scales, doublings):
        return scales
    least, most = BASE_SIDES
    raise ValueError(
        f"resolution is {resolution}; its sides must be from {low} to {high} pixels, and a base grid of {least} to {most} a side "
        f"times a power of two, written as a number or height x width; the nearest is {nearest(size, low, high, doublings)}"
    )


def fits(scales: Scales, doublings: int) -> bool:
    """Whether the base grid's sides are in range, and it is doubled at least so often."""
    return max(scales.base) <= BASE_SIDES[1] and min(scales.base) >= BASE_SIDES[0] and scales.doublings >= doublings


def nearest(size: Size, low: int, high: int, doublings: int) -> Resolution:
    """The allowed resolution whose sides differ least from those of `size`, summed; see `scales_of`."""
    wanted = Size(*(min(max(side, low), high) for side in size))
    found = [
        side
        for k in range(doublings, high.bit_length())
        for height in sides(wanted.height, k)
        for width in sides(wanted.width, k)
        if low <= min(side := Size(height, width)) and max(side) <= high and fits(scales_of_size(*side), doublings)
    ]
    return min(found, key=lambda s: (abs(s.height - size.height) + abs(s.width - size.width), s)).label


def sides(pixels: int, k: int) -> set[int]:
    """Sides of a base grid times 2^k about so many pixels: the next below and above, within the range."""
    least, most = BASE_SIDES
    return {min(max(n, least), most) << k for n in (pixels >> k, (pixels >> k) + 1, least, most)}
