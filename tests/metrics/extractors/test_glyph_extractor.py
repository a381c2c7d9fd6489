"""The classifier of letters: what it recognises, and the alphabets it is asked about."""

import json
from pathlib import Path
from typing import Any

import matplotlib
import pytest
import torch

from seesaw.data.sources.fonts import ALPHABETS
from seesaw.data.sources.glyphs import Glyphs
from seesaw.metrics.extractors.base import WEIGHTS
from seesaw.metrics.extractors.glyphs import PARTS, GlyphExtractor
from seesaw.metrics.features import Features

FONTS = Path(matplotlib.get_data_path()) / "fonts" / "ttf"


@pytest.fixture(scope="module")
def letters(tmp_path_factory: pytest.TempPathFactory) -> Glyphs:
    """Each capital and digit of the alphabets once in each of matplotlib's fonts, in random colours."""
    how: dict[str, Any] = {"resolution": 32, "channels": 3, "batch_size": 8, "labels": True, "classes": 62, "holdout": None}
    return Glyphs("alphanumeric", 1, "random", root=str(FONTS), cache_dir=str(tmp_path_factory.mktemp("glyphs")), **how)


def test_the_parts_are_the_alphabets_in_the_order_of_the_classes() -> None:
    everything = ALPHABETS["alphanumeric"]
    assert {name: everything[part] for name, part in PARTS.items()} == ALPHABETS


def test_weights_ship_with_the_accuracy_on_families_that_they_did_not_see() -> None:
    assert (WEIGHTS / "glyphs.pt").stat().st_size < 500_000
    record = json.loads((WEIGHTS / "glyphs.json").read_text(encoding="utf-8"))
    assert record["command"].startswith("python tools/train_classifier.py glyphs")
    assert all(record[f"accuracy_held_out_{name}"] > 0.9 for name in ("digits", "upper", "lower"))


@pytest.mark.parametrize("alphabet", ["digits", "upper", "lower"])
def test_letters_are_recognised_among_those_of_their_alphabet(letters: Glyphs, alphabet: Any) -> None:
    reals, part = letters.reals, PARTS[alphabet]
    assert reals.y is not None
    rows = ((reals.y >= part.start) & (reals.y < part.stop)).nonzero().flatten()
    extractor = GlyphExtractor(alphabet)
    found = Features(extractor(reals.gather(rows)), extractor)
    assert found.assignment.modes == len(ALPHABETS[alphabet]) == found.probabilities.shape[1]
    torch.testing.assert_close(found.probabilities.sum(1), torch.ones(len(rows)))
    right = (found.assignment.mode == reals.y[rows] - part.start).float().mean()
    assert right > 0.93, "fonts of matplotlib, one image of each letter"
    assert (found.assignment.mode == (reals.y[rows] + 1) % len(ALPHABETS[alphabet])).float().mean() < 0.1


def test_an_unknown_alphabet_is_refused() -> None:
    with pytest.raises(ValueError, match="digits, upper, lower, letters, alphanumeric, not 'greek'"):
        GlyphExtractor("greek")  # type: ignore[arg-type]
