"""Content and style photographs as files really are: turned, transparent, grey, torn, missing."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from seesaw.data.sources.style_pair import StylePair, read_photo, resized
from seesaw.errors import UserError


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    """100x60: left half red, right half blue."""
    image = Image.new("RGB", (100, 60), "blue")
    image.paste("red", (0, 0, 50, 60))
    image.save(tmp_path / "photo.png")
    return tmp_path / "photo.png"


def test_the_longer_side_has_the_size_and_the_style_its_part(photo: Path) -> None:
    pair = StylePair(str(photo), str(photo), size=80, style_size=0.5)
    content, style = pair.photos(80)
    assert content.shape == (1, 3, 48, 80)
    assert style.shape == (1, 3, 24, 40)
    assert pair.prepare().shape == (1, 3, 48, 80)
    torch.testing.assert_close(content[0, :, 5, 5], torch.tensor([1.0, -1.0, -1.0]))
    torch.testing.assert_close(content[0, :, 5, 75], torch.tensor([-1.0, -1.0, 1.0]))
    assert "80x48" in pair.description


def test_a_long_strip_keeps_sixteen_pixels() -> None:
    assert resized(Image.new("RGB", (1000, 10)), 64).shape == (1, 3, 16, 64)


@pytest.mark.parametrize(("orientation", "red"), [(1, (10, 30)), (3, (90, 30)), (6, (30, 10)), (8, (30, 90))])
def test_exif_rotation_is_honoured(photo: Path, orientation: int, red: tuple[int, int]) -> None:
    """Where a viewer shows the red half: 3 is upside down, 6 is to be turned right, 8 left."""
    with Image.open(photo) as image:
        exif = Image.Exif()
        exif[0x0112] = orientation
        image.save(photo.with_suffix(".jpg"), exif=exif, quality=95)
    upright = read_photo(str(photo.with_suffix(".jpg")), "data.content")
    assert upright.size == ((100, 60) if orientation in (1, 3) else (60, 100))
    r, _, b = upright.getpixel(red)  # type: ignore[misc]
    assert r > 200
    assert b < 60


@pytest.mark.parametrize(
    ("mode", "colour", "expected"),
    [("RGBA", (255, 0, 0, 0), (255, 255, 255)), ("L", 100, (100, 100, 100)), ("CMYK", (0, 255, 255, 0), (255, 0, 0)),
     ("I;16", 25700, (100, 100, 100)), ("LA", (0, 128), (127, 127, 127))],
)  # fmt: skip
def test_every_mode_becomes_rgb(tmp_path: Path, mode: str, colour: object, expected: tuple[int, ...]) -> None:
    path = tmp_path / ("x.jpg" if mode == "CMYK" else "x.png")
    Image.new(mode, (20, 20), colour).save(path)  # type: ignore[arg-type]
    pixel = read_photo(str(path), "data.style").getpixel((10, 10))
    np.testing.assert_allclose(pixel, expected, atol=3)  # type: ignore[arg-type]


def test_wrong_files_are_one_sentence(tmp_path: Path, photo: Path) -> None:
    with pytest.raises(UserError, match=r"^data\.style=.*none\.jpg: there is no such file$"):
        StylePair(str(photo), str(tmp_path / "none.jpg")).prepare()
    (tmp_path / "text.jpg").write_text("no image")
    with pytest.raises(UserError, match=r"^data\.content=.*text\.jpg cannot be used: not an image \(JPEG, PNG, WEBP"):
        StylePair(str(tmp_path / "text.jpg"), str(photo)).prepare()
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    Image.fromarray(noise).save(tmp_path / "torn.png")
    (tmp_path / "torn.png").write_bytes((tmp_path / "torn.png").read_bytes()[:2000])
    with pytest.raises(UserError, match=r"torn\.png cannot be decoded"):
        StylePair(str(tmp_path / "torn.png"), str(photo)).prepare()
    Image.new("RGB", (2, 30)).save(tmp_path / "thin.png")
    with pytest.raises(UserError, match="cannot be used: 2x30 pixels, 4 a side are needed"):
        StylePair(str(tmp_path / "thin.png"), str(photo)).prepare()


def test_wrong_numbers_are_named() -> None:
    with pytest.raises(ValueError, match="size must be from 64 to 4096, not 32"):
        StylePair("a", "b", size=32)
    with pytest.raises(ValueError, match=r"style_size must be from 0\.25 to 4, not 0"):
        StylePair("a", "b", style_size=0)
