"""Letters from fonts: which fonts serve, what is drawn, and what stays equal when other fonts come."""

import shutil
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import pytest
import torch
from PIL import Image, ImageFont

from seesaw.data.holdout import Subset
from seesaw.data.sources import glyph_tree
from seesaw.data.sources.fonts import ALPHABETS, find_fonts, is_named
from seesaw.data.sources.glyph_tree import CONTRAST, Drawing, colours, draw
from seesaw.data.sources.glyphs import Glyphs
from seesaw.errors import UserError
from seesaw.training.preflight import compose_checked
from seesaw.util import LUMA

FONTS = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
LETTERS = ALPHABETS["alphanumeric"]


def folder_of(place: Path, *names: str) -> str:
    place.mkdir(parents=True, exist_ok=True)
    for name in names:
        shutil.copy(FONTS / f"{name}.ttf", place)
    return str(place)


def glyphs(cache: Path, root: str, **options: Any) -> Glyphs:
    usual: dict[str, Any] = {"resolution": 16, "channels": 1, "batch_size": 8, "count": 2, "alphabet": "digits"}
    return Glyphs(root=root, cache_dir=str(cache), **usual | options)


def test_matplotlibs_fonts_of_letters_serve_and_those_of_symbols_are_counted() -> None:
    fonts = find_fonts(LETTERS, str(FONTS))
    families = {font.family for font in fonts.found}
    assert {"DejaVu Sans", "DejaVu Serif", "STIXGeneral", "cmr10", "cmtt10"} <= families
    assert not families & {"cmex10", "cmsy10", "Last Resort High-Efficiency", "STIXNonUnicode", "DejaVu Sans Display"}
    assert fonts.left_out["of symbols"] >= 3
    assert fonts.left_out["without all letters"] >= 10
    assert "cmsy10" in {font.family for font in find_fonts("ABC", str(FONTS)).found}, "its capitals are letters"
    assert len(fonts.found) + sum(fonts.left_out.values()) == len(list(FONTS.glob("*.ttf")))


def test_a_font_of_last_resort_is_found_out_by_its_glyphs_even_without_names(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    root = folder_of(tmp_path, "LastResortHE-Regular", "cmr10")
    monkeypatch.setattr("seesaw.data.sources.fonts.is_named", lambda name, letter: True)
    assert [font.family for font in find_fonts("ABC", root).found] == ["cmr10"]


@pytest.mark.parametrize(
    ("name", "letter", "fits"),
    [
        ("A", "A", True),
        ("seven", "7", True),
        ("seven.lining", "7", True),
        ("uni0041", "A", True),
        ("glyph00036", "A", True),
        ("uni00000024", "A", True),
        ("", "A", True),
        ("turnstileright", "a", False),
        ("a", "A", False),
        ("a12", "A", False),
    ],
)
def test_names_of_glyphs(name: str, letter: str, fits: bool) -> None:
    assert is_named(name, letter) is fits


def test_damaged_files_and_second_copies_are_counted(tmp_path: Path) -> None:
    root = Path(folder_of(tmp_path / "fonts", "cmr10", "DejaVuSans"))
    shutil.copy(root / "cmr10.ttf", root / "again.otf")
    (root / "torn.ttf").write_bytes((root / "cmr10.ttf").read_bytes()[:2000])
    (root / "readme.txt").write_text("no font")
    fonts = find_fonts("ABC", str(root))
    assert fonts.left_out == {"twice": 1, "unreadable": 1}
    assert "2 fonts of 2 families" in fonts.describe()
    assert "2 font files left out (1 twice, 1 unreadable)" in fonts.describe()


def test_no_font_is_one_sentence_with_what_to_install(tmp_path: Path) -> None:
    root = folder_of(tmp_path, "cmex10", "DejaVuSansDisplay")
    with pytest.raises(
        UserError, match=r"none has all of 0123456789 \(1 of symbols, 1 without all letters\): install fonts"
    ):
        find_fonts(ALPHABETS["digits"], root)
    with pytest.raises(UserError, match="does not exist"):
        find_fonts("ABC", str(tmp_path / "nowhere"))


def test_without_variation_the_letter_is_pillows_own_in_the_middle() -> None:
    path, how = str(FONTS / "DejaVuSans.ttf"), Drawing(128, variation=0.0)
    drawn = 255 - np.asarray(draw(path, "E", how, np.random.default_rng(0)).convert("L"))
    font = ImageFont.truetype(path, round(glyph_tree.EM * 128), layout_engine=ImageFont.Layout.BASIC)
    core = font.getmask("E")
    mask = np.asarray(core).reshape(core.size[::-1])
    mask = mask[mask.any(1)][:, mask.any(0)]
    rows, columns = np.nonzero(drawn)
    assert abs(columns.min() + columns.max() - 127) <= 2
    assert abs(rows.min() + rows.max() - 127) <= 2
    cut = drawn[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
    assert np.array_equal(cut, mask)


class Extreme:
    """In the place of a random generator: every variation at its most, to one side."""

    def __init__(self, sign: float) -> None:
        self.sign = sign

    def uniform(self, low: float, high: float, size: int) -> np.ndarray:
        return np.array([1.0, self.sign, self.sign, 1.0, 1.0])


@pytest.mark.parametrize("sign", [-1.0, 1.0])
def test_every_letter_stays_inside_under_the_largest_variation(sign: float) -> None:
    random: Any = Extreme(sign)
    for font in ("DejaVuSans-BoldOblique", "cmtt10", "STIXGeneralBolIta"):
        for letter in LETTERS:
            drawn = np.asarray(draw(str(FONTS / f"{font}.ttf"), letter, Drawing(128), random).convert("L"))
            edges = np.concatenate([drawn[0], drawn[-1], drawn[:, 0], drawn[:, -1]])
            assert (edges == 255).all(), (font, letter)


def test_random_colours_keep_their_contrast_and_vary() -> None:
    found = [colours(64, np.random.default_rng(k)) for k in range(100)]
    weights = np.asarray(LUMA)
    gaps = [np.abs(np.asarray(paper) @ weights - np.asarray(ink) @ weights).min() / 255 for ink, paper in found]
    assert min(gaps) > CONTRAST - 0.01
    assert len({ink for ink, _ in found}) > 90


def test_labels_count_and_names_follow_the_alphabet(tmp_path: Path) -> None:
    root = folder_of(tmp_path / "fonts", "cmr10", "DejaVuSans", "DejaVuSans-Bold")
    data = glyphs(tmp_path / "cache", root, alphabet="letters", labels=True, classes=52)
    reals = data.reals
    assert reals.shape == (52 * 3 * 2, 1, 16, 16)
    assert reals.y is not None
    assert reals.y.bincount().tolist() == [6] * 52
    keys = reals.image_keys()
    assert all(ALPHABETS["letters"][y] == key[0] for y, key in zip(reals.y.tolist(), keys, strict=True))
    config = compose_checked(["data=glyphs", "data.alphabet=letters", "data.labels=true", "model=mlp", "metrics=none"])
    assert config["data"]["class_names"] == list(ALPHABETS["letters"])
    assert (config["data"]["classes"], config["data"]["holdout"]) == (52, 0.2)


def test_images_are_the_same_again_and_do_not_change_when_fonts_come(tmp_path: Path) -> None:
    root = folder_of(tmp_path / "fonts", "cmr10", "DejaVuSans")
    before = glyphs(tmp_path / "one", root)
    assert before.fingerprint == glyphs(tmp_path / "two", root).fingerprint
    assert "2 fonts" in before.reals.description
    made = (tmp_path / "one/prepared").glob("*")
    assert len(list(made)) == 2, "the set and its lock"
    folder_of(tmp_path / "fonts", "STIXGeneral")
    after = glyphs(tmp_path / "one", root)
    assert before.reals.name != after.reals.name
    images = {name: after.reals.gather(torch.tensor([k])) for k, name in enumerate(after.reals.image_keys())}
    for k, name in enumerate(before.reals.image_keys()):
        assert torch.equal(before.reals.gather(torch.tensor([k])), images[name])


@pytest.mark.parametrize("option", [{"glyph_seed": 1}, {"colours": "random"}, {"variation": 0.5}, {"count": 3}])
def test_each_option_makes_another_set(tmp_path: Path, option: dict[str, Any]) -> None:
    root = folder_of(tmp_path / "fonts", "cmr10")
    plans = [glyphs(tmp_path / "cache", root, **more).plan() for more in ({}, option)]
    assert plans[0].key != plans[1].key


def test_whole_families_are_held_out(tmp_path: Path) -> None:
    root = folder_of(tmp_path / "fonts", "cmr10", "DejaVuSans", "DejaVuSans-Bold", "STIXGeneral", "STIXGeneralBol")
    data = glyphs(tmp_path / "cache", root, holdout=0.2)
    assert isinstance(data.reals, Subset)
    assert isinstance(data.held_out, Subset)
    keys = data.loaded.image_keys()
    families = [{keys[row].split("/")[1] for row in part.rows.tolist()} for part in (data.reals, data.held_out)]
    assert families == [{"DejaVu Sans"}, {"STIXGeneral", "cmr10"}]
    assert "of 5 fonts" in data.reals.description
    assert "5 fonts of 3 families" in data.description


@pytest.mark.parametrize(
    ("option", "words"),
    [
        ({"alphabet": "greek"}, "alphabet must be one of upper, lower"),
        ({"count": 0}, "count must be from 1"),
        ({"variation": 1.5}, "variation must be from 0 to 1"),
        ({"colours": "red"}, "colours must be black or random"),
    ],
)
def test_options_out_of_range(tmp_path: Path, option: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        glyphs(tmp_path, str(FONTS), **option)


def test_colours_come_in_one_channel_or_three(tmp_path: Path) -> None:
    root = folder_of(tmp_path / "fonts", "cmr10")
    grey, rgb = (glyphs(tmp_path / "cache", root, colours="random", channels=c, count=1).reals for c in (1, 3))
    first = torch.tensor([0])
    luma = np.asarray(Image.fromarray(rgb.gather(first)[0].permute(1, 2, 0).numpy()).convert("L")).astype(int)
    assert np.abs(luma - grey.gather(first)[0, 0].numpy()).max() <= 2
