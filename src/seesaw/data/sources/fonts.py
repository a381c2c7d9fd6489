"""The fonts of this machine that have all letters of an alphabet. Imports no torch."""

import hashlib
import os
import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from PIL import ImageFont

from seesaw.data.checks import check_exists
from seesaw.errors import UserError

DIGITS = "0123456789"
UPPER = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
Alphabet = Literal["upper", "lower", "digits", "letters", "alphanumeric"]
ALPHABETS: dict[str, str] = {
    "upper": UPPER,
    "lower": UPPER.lower(),
    "digits": DIGITS,
    "letters": UPPER + UPPER.lower(),
    "alphanumeric": DIGITS + UPPER + UPPER.lower(),
}
"""The letters of each alphabet, in the order of their classes."""

SUFFIXES = (".ttf", ".otf", ".ttc", ".otc")

NAMES_OF_DIGITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
"""Names of the digits' glyphs in Adobe's glyph list; a letter's glyph has the letter as its name."""
UNNAMED = re.compile(r"|\.null|uni[0-9a-f]{8}|(glyph|gid|cid|index|g)[-_]?\d+", re.IGNORECASE)
"""Names that say nothing of the glyph; FreeType's reader gives `uni` and 8 digits where a font names none."""

TRIED = 32
"""Pixels of an em at which a font's letters are tried."""
LEAST_DISTINCT = 0.8
"""Share of an alphabet whose glyphs must differ. I, l and O, 0 may look alike; of a font of last resort all do."""

INSTALL = "such as Debian's fonts-dejavu, fonts-liberation or fonts-urw-base35"


@dataclass(frozen=True)
class Font:
    """One font file (of a collection its first font), by its own names.

    Args:
        path: of the file.
        family, style: as the font calls itself, such as `DejaVu Sans` and `Bold Oblique`.
        digest: of the content, 16 hexadecimal digits.
    """

    path: str
    family: str
    style: str
    digest: str


@dataclass(frozen=True)
class Fonts:
    """The fonts that serve, sorted by family and style, and why the others do not: reason -> number of files."""

    found: tuple[Font, ...]
    left_out: Counter[str]

    @property
    def digest(self) -> str:
        """A hash of the content of all that serve, 8 hexadecimal digits."""
        return hashlib.sha256("".join(font.digest for font in self.found).encode()).hexdigest()[:8]

    def describe(self) -> str:
        """How many there are, and how many were left out for which reason."""
        families = len({font.family for font in self.found})
        text = f"{len(self.found)} fonts of {families} families, content {self.digest}"
        reasons = ", ".join(f"{count} {reason}" for reason, count in sorted(self.left_out.items()))
        return f"{text}; {sum(self.left_out.values())} font files left out ({reasons})" if reasons else text


def find_fonts(letters: str, root: str | None = None) -> Fonts:
    """The fonts that have a glyph of its own for each of `letters`.

    Symbol fonts are recognised by the names of their glyphs, and fonts of last resort by glyphs that are all alike. Of two files
    with one family and style, such as matplotlib's and the system's DejaVu, the first by content hash counts.

    Args:
        letters: that are needed.
        root: a folder that is searched with its sub-folders; None: the font folders of this system and matplotlib's own.

    Raises:
        UserError: there is no such font, or no such folder.
    """
    found: dict[tuple[str, str], Font] = {}
    left_out: Counter[str] = Counter()
    paths = system_fonts() if root is None else fonts_below(Path(root).expanduser())
    files = {hashlib.sha256(Path(path).read_bytes()).hexdigest()[:16]: path for path in sorted(paths, reverse=True)}
    left_out["twice"] += len(paths) - len(files)
    for digest, path in sorted(files.items()):
        font, reason = read_font(path, digest, letters)
        if font is None:
            left_out[reason] += 1
        elif (font.family, font.style) in found:
            left_out["twice"] += 1
        else:
            found[font.family, font.style] = font
    fonts = Fonts(tuple(found[names] for names in sorted(found)), +left_out)
    if not found:
        where = "this machine" if root is None else f"data.root={root!r}"
        reasons = ", ".join(f"{count} {reason}" for reason, count in sorted(fonts.left_out.items())) or "none at all"
        raise UserError(
            f"data=glyphs: of the font files of {where} ({', '.join(SUFFIXES)}) none has all of {letters} ({reasons}): install "
            f"fonts, {INSTALL}, or give a folder with some by data.root=…"
        )
    return fonts


def system_fonts() -> list[str]:
    """The font files of this system's folders and of matplotlib, which brings DejaVu, STIX and Computer Modern."""
    import matplotlib
    from matplotlib import font_manager

    own = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
    return sorted({*font_manager.findSystemFonts(), *fonts_below(own)})


def fonts_below(folder: Path) -> list[str]:
    """The font files in a folder and its sub-folders. UserError where there is none of that name."""
    check_exists(folder)
    found = (os.path.join(place, name) for place, _, names in os.walk(folder) for name in names)
    return sorted(path for path in found if os.path.splitext(path)[1].lower() in SUFFIXES)


def read_font(path: str, digest: str, letters: str) -> tuple[Font | None, str]:
    """The font in a file, or None and why it does not serve."""
    from matplotlib.ft2font import FT2Font

    try:
        face = FT2Font(path)
        glyphs = face.get_charmap()
        if any(ord(letter) not in glyphs for letter in letters):
            return None, "without all letters"
        if not all(is_named(face.get_glyph_name(glyphs[ord(letter)]), letter) for letter in letters):
            return None, "of symbols"
        drawn = [bytes(ImageFont.truetype(path, TRIED).getmask(letter)) for letter in letters]
    except Exception:  # FreeType and matplotlib raise many kinds for a damaged file, or one of bitmaps
        return None, "unreadable"
    if not all(any(pixels) for pixels in drawn) or len(set(drawn)) < LEAST_DISTINCT * len(letters):
        return None, "of symbols"
    return Font(path, printable(face.family_name), printable(face.style_name), digest), ""


def is_named(name: str, letter: str) -> bool:
    """Whether a glyph's name is that of the letter, or none; a suffix such as `.lining` does not count."""
    stem = name.partition(".")[0] if not name.startswith(".") else name
    usual = NAMES_OF_DIGITS[int(letter)] if letter in DIGITS else letter
    return stem in (usual, f"uni{ord(letter):04X}", f"u{ord(letter):04X}") or UNNAMED.fullmatch(name) is not None


def printable(name: str) -> str:
    """A name as a part of an image's path."""
    return "".join(c if c.isprintable() and c not in "/\\" else "_" for c in name) or "_"
