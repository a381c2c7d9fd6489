"""What an image may be at most and at least, and the error where it is not. Imports nothing of seesaw."""

SMALLEST_SIDE = 4
LARGEST_FILE = 256 << 20
"""Bytes of a file that are still read."""

MOST_PIXELS = 89_478_485
"""Pillow's own limit for decompression bombs, a quarter of a GiB of RGB. Kept here, since a program may lift Pillow's."""


class BadImage(Exception):
    """An image that cannot serve, with the reason."""


def check_size(width: int, height: int) -> None:
    """Raise BadImage where an image is too small, or so large that it could be a decompression bomb."""
    if min(width, height) < SMALLEST_SIDE:
        raise BadImage(f"{width}x{height} pixels, {SMALLEST_SIDE} a side are needed")
    if width * height > MOST_PIXELS:
        raise BadImage(f"{width}x{height} pixels could be a decompression bomb, {MOST_PIXELS} are read at most")
