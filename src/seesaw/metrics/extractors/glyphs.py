"""The classifier that ships for `data=glyphs`."""

from typing import Literal

from torch import Tensor

from seesaw.metrics.extractors.base import ShippedClassifier

Alphabet = Literal["upper", "lower", "digits", "letters", "alphanumeric"]
PARTS: dict[str, slice] = {
    "digits": slice(0, 10),
    "upper": slice(10, 36),
    "lower": slice(36, 62),
    "letters": slice(10, 62),
    "alphanumeric": slice(0, 62),
}
"""Of the 62 classes, in the order of `seesaw.data.sources.fonts`, those of an alphabet."""


class GlyphExtractor(ShippedClassifier):
    """The 64 last hidden features of a small classifier of 62 digits and letters, and the classes of one alphabet.

    It learned on many fonts, in black on white and in random colours, so it serves fonts that it has not seen: its accuracy on
    families of fonts held out stands in weights/glyphs.json, for each alphabet. Among the letters of one alphabet only: `c` and
    `C` look alike where sizes vary.

    Args:
        alphabet: as data.alphabet; probabilities are those among its letters.
    """

    def __init__(self, alphabet: Alphabet) -> None:
        if alphabet not in PARTS:
            raise ValueError(f"alphabet must be one of {', '.join(PARTS)}, not {alphabet!r}")
        self.part = PARTS[alphabet]
        super().__init__("glyphs", self.part.stop - self.part.start)

    def probabilities(self, features: Tensor) -> Tensor:
        return self.network.head(features.to(self.device))[:, self.part].softmax(1)
