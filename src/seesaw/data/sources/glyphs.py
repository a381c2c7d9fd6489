"""Letters and digits from the fonts of this machine: classes, any resolution, no download."""

from functools import cached_property
from typing import Unpack

from seesaw.data.holdout import Parts, divide
from seesaw.data.images import ImageSet
from seesaw.data.module import Common
from seesaw.data.prepare.decode import Decoding
from seesaw.data.prepare.prepared import open_prepared
from seesaw.data.prepare.tree import Found
from seesaw.data.prepare.write import Plan, prepare
from seesaw.data.sources.fonts import ALPHABETS, Alphabet, Fonts, find_fonts
from seesaw.data.sources.glyph_tree import Colours, Drawing, GlyphTree
from seesaw.data.sources.image_files import ImageFiles
from seesaw.functional.resolution import size_of

LEAST_SIDE = 128
"""Pixels at which letters are drawn at least, twice the resolution otherwise: hinting for small sizes would bend them."""


class Glyphs(ImageFiles):
    """Letters, drawn by Pillow from the fonts of this machine, `count` times in each font with variations of size, place, angle
    and weight that the seed keys. The classes are the letters.

    Fonts that lack a letter, and symbol fonts, are left out and counted. Number and content hash of the fonts stand in the name
    of the set, and so in every protocol: two machines with other fonts have other sets. `holdout` holds out whole families of
    fonts, so no held-out letter has a sibling of another style in training.

    The images are drawn once and kept as any prepared set.

    Args:
        alphabet: upper (26 classes), lower (26), digits (10), letters (52) or alphanumeric (62).
        count: images of each letter in each font, 1 to 1000.
        colours: black (on white), or random: any colour on a background of two, with a least contrast.
        variation: how much size, place, angle and weight vary, from 0 to 1.
        glyph_seed: of all draws; not the run's seed, so that all runs share the set.
        root: a folder of fonts that stands in the place of this machine's; None: the folders of the system and matplotlib's.
        common: see `seesaw.data.module.Common`.

    Raises:
        ValueError: an option is out of range.
    """

    def __init__(
        self,
        alphabet: Alphabet = "upper",
        count: int = 10,
        colours: Colours = "black",
        variation: float = 1.0,
        glyph_seed: int = 0,
        root: str | None = None,
        **common: Unpack[Common],
    ) -> None:
        super().__init__(root or "", 0.0, **common)
        if alphabet not in ALPHABETS:
            raise ValueError(f"alphabet must be one of {', '.join(ALPHABETS)}, not {alphabet!r}")
        if colours not in ("black", "random"):
            raise ValueError(f"colours must be black or random, not {colours!r}")
        if not 1 <= count <= 1000:
            raise ValueError(f"count must be from 1 to 1000, not {count}")
        if not 0 <= variation <= 1:
            raise ValueError(f"variation must be from 0 to 1, not {variation}")
        self.alphabet, self.letters, self.count = alphabet, ALPHABETS[alphabet], count
        self.font_folder = root
        self.decoding = Decoding(self.resolution, self.channels, "none")
        self.drawing = Drawing(max(2 * max(size_of(self.resolution)), LEAST_SIDE), colours, variation, glyph_seed)

    @cached_property
    def fonts(self) -> Fonts:
        """The fonts that have the alphabet. UserError where there are none."""
        return find_fonts(self.letters, self.font_folder)

    def find(self) -> Found:
        place = "the fonts of this machine" if self.font_folder is None else self.font_folder
        tree = GlyphTree(place, self.fonts.found, self.letters, self.count, self.drawing)
        return Found(tree, [self.letters.index(name[0]) for name in tree.names], list(self.letters))

    def plan(self) -> Plan:
        fonts = f"{len(self.fonts.found)} fonts {self.fonts.digest}"
        self.name, self.beside = f"glyphs {self.alphabet} of {fonts}", [self.fonts.describe()]
        tree, y, names = self.find()
        return Plan(self.name, tree, self.decoding, y, names, self.max_bad)

    def load(self) -> ImageSet:
        return open_prepared(prepare(self.plan(), self.cache_dir))

    def divide(self) -> Parts:
        return divide(self.loaded, self.holdout, (f"font {name.split('/')[1]}" for name in self.loaded.image_keys()))
