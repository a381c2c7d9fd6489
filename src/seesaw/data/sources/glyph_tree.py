"""Letters drawn from fonts as the images of a tree: what `seesaw.data.prepare` takes for files. Imports no torch."""

import hashlib
import io
import math
from collections import Counter
from dataclasses import astuple, dataclass
from functools import lru_cache
from typing import Literal

import numpy as np
from PIL import Image, ImageDraw, ImageFont, ImageOps, features

from seesaw.data.prepare.tree import Tree
from seesaw.data.sources.fonts import Font
from seesaw.util import LUMA

Colours = Literal["black", "random"]

VERSION = 1
"""Of the drawing: a change of what is drawn raises it, so that sets are prepared anew."""

EM = 0.85
"""Size of the font as a part of the image's side."""
EXTENT = 0.72
"""A glyph's longer side at most, as a part of the image's: so that turned and moved it stays inside."""
SIZE, ANGLE, SHIFT, STROKE = 0.15, 12.0, 0.06, 0.03
"""The largest variation: of the size up and down, in degrees, of the place, and of the added weight (parts of the side)."""
CONTRAST = 0.33
"""Least difference of luma, 0 ... 1, between a letter and any point of its background."""


@dataclass(frozen=True)
class Drawing:
    """How letters are drawn.

    Args:
        side: pixels of the image, which is then reduced to the set's resolution.
        colours: `black` on white; `random`: any letter on a background that runs from one colour to another.
        variation: how much size, place, angle and weight vary, in [0, 1].
        seed: of all draws.
    """

    side: int
    colours: Colours = "black"
    variation: float = 1.0
    seed: int = 0


class GlyphTree(Tree):
    """`count` images of each letter in each font, called `A/DejaVu Sans/Bold 003.bmp`: letter, family, style and number.

    An image is a function of the font's content, the letter, the number and `how` alone, so other fonts change nothing.
    """

    def __init__(self, place: str, fonts: tuple[Font, ...], letters: str, count: int, how: Drawing) -> None:
        self.how, self.left_out = how, Counter[str]()
        self.drawn = {
            f"{letter}/{font.family}/{font.style} {k:03d}.bmp": (font, letter, k)
            for letter in letters
            for font in fonts
            for k in range(count)
        }
        super().__init__(place, ((name, (0, self._key(*drawn))) for name, drawn in self.drawn.items()))

    def _key(self, font: Font, letter: str, k: int) -> int:
        made = (VERSION, features.version("freetype2"), font.digest, letter, k, astuple(self.how))
        return int.from_bytes(hashlib.sha256(repr(made).encode()).digest()[:8], "big")

    def read(self, name: str, most: int | None = None) -> bytes:
        """The image as a BMP file, which takes no time to pack."""
        font, letter, k = self.drawn[name]
        key = hashlib.sha256(repr((self.how.seed, font.family, font.style, letter, k)).encode()).digest()
        file = io.BytesIO()
        draw(font.path, letter, self.how, np.random.default_rng(int.from_bytes(key[:8], "big"))).save(file, "BMP")
        return file.getvalue()


def draw(path: str, letter: str, how: Drawing, random: np.random.Generator) -> Image.Image:
    """One letter of the font in the file `path`, RGB, `how.side` pixels a side."""
    size, turn, right, down, weight = random.uniform(-1, 1, 5) * how.variation
    stroke = round(STROKE * how.side * max(weight, 0.0))
    em = EM * how.side * (1 + SIZE * size)
    shape = ink(path, letter, round(em), stroke)
    if (extent := max(shape.size)) > EXTENT * how.side:
        shape = ink(path, letter, max(int(em * EXTENT * how.side / extent), 1), stroke)
    mask = Image.new("L", (how.side, how.side), 0)
    mask.paste(shape, ((how.side - shape.width) // 2, (how.side - shape.height) // 2))
    moved = (SHIFT * how.side * right, SHIFT * how.side * down)
    mask = mask.rotate(ANGLE * turn, Image.Resampling.BICUBIC, translate=tuple(map(round, moved)))
    if how.colours == "black":
        return ImageOps.invert(mask).convert("RGB")
    colour, paper = colours(how.side, random)
    paper.paste(colour, mask=mask)
    return paper


def ink(path: str, letter: str, size: int, stroke: int) -> Image.Image:
    """What a letter covers, L, without any margin; Pillow's own box is as wide as the letter's advance."""
    font = truetype(path, size)
    left, upper, right, lower = map(int, font.getbbox(letter, stroke_width=stroke))
    mask = Image.new("L", (right - left + 2, lower - upper + 2), 0)
    ImageDraw.Draw(mask).text((1 - left, 1 - upper), letter, fill=255, font=font, stroke_width=stroke)
    return mask.crop(mask.getbbox())


@lru_cache(maxsize=256)
def truetype(path: str, size: int) -> ImageFont.FreeTypeFont:
    """The font at a size. The basic layout is the same on all systems; Raqm is not on each."""
    return ImageFont.truetype(path, size, layout_engine=ImageFont.Layout.BASIC)


def colours(side: int, random: np.random.Generator) -> tuple[tuple[int, int, int], Image.Image]:
    """The colour of a letter, and a background that runs from one colour to another in any direction."""
    first, second = random.uniform(0, 1, (2, 3))
    second = (first + second) / 2
    theta = random.uniform(0, 2 * math.pi)
    along = np.linspace(-0.5, 0.5, side)
    t = along[None, :] * math.cos(theta) + along[:, None] * math.sin(theta)
    t = ((t - t.min()) / (t.max() - t.min()))[..., None]
    tried = np.concatenate(
        [random.uniform(0, 1, (64, 3)), [[0, 0, 0], [1, 1, 1]]]
    )  # one of the last two always has a third
    distance = np.minimum(*(np.abs((tried - ground) @ np.asarray(LUMA)) for ground in (first, second)))
    red, green, blue = (round(255 * value) for value in tried[np.argmax(distance >= CONTRAST)])
    background = (255 * (first * (1 - t) + second * t)).round().astype(np.uint8)
    return (red, green, blue), Image.fromarray(background)
