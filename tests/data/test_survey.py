"""What a survey sees of folders and zips that a user may have, by files that Pillow wrote."""

import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from seesaw.data import survey as module
from seesaw.data.survey import evenly, sample, survey
from seesaw.errors import UserError


def picture(seed: int, size: tuple[int, int] = (40, 30)) -> Image.Image:
    """A smooth random picture, so that a JPEG of it looks like it."""
    colours = np.random.default_rng(seed).integers(0, 256, (5, 6, 3), dtype=np.uint8)
    return Image.fromarray(colours).resize(size, Image.Resampling.BICUBIC)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Grey, RGBA, turned, a TIFF whose directory lies at its end, a WebP, and one that is no image."""
    folder = tmp_path / "set"
    folder.mkdir()
    picture(0).convert("L").save(folder / "grey.png")
    picture(1).convert("RGBA").save(folder / "clear.png")
    exif = Image.Exif()
    exif[0x0112] = 6
    picture(2).save(folder / "turned.jpg", exif=exif)
    noise = np.random.default_rng(3).integers(0, 256, (300, 400, 3), dtype=np.uint8)
    Image.fromarray(noise).save(folder / "large.tif")
    Image.fromarray(noise).save(folder / "large.webp", lossless=True)
    (folder / "bad.png").write_bytes(b"no image at all")
    picture(5, (3, 3)).save(folder / "tiny.png")
    return folder


SIZES = {
    "grey.png": ((40, 30), "L"),
    "clear.png": ((40, 30), "RGBA"),
    "turned.jpg": ((30, 40), "RGB"),
    "large.tif": ((400, 300), "RGB"),
    "large.webp": ((400, 300), "RGB"),
}


def test_sizes_are_upright_and_bad_files_have_reasons(root: Path) -> None:
    assert (root / "large.webp").stat().st_size > module.HEAD < (root / "large.tif").stat().st_size
    found, _ = survey(str(root))
    assert found.heads == SIZES
    assert found.images == 7
    assert found.bad == {"bad.png": "not an image", "tiny.png": "3x3 pixels, 4 a side are needed"}
    assert (found.side, found.grey, found.classes) == (30, False, 0)


def test_a_zip_looks_like_its_folder(root: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "set.zip", "w") as archive:
        for file in root.iterdir():
            archive.write(file, f"inside/{file.name}", zipfile.ZIP_DEFLATED)
    found, _ = survey(str(tmp_path / "set.zip"))
    assert found.heads == {f"inside/{name}": head for name, head in SIZES.items()}
    assert len(found.bad) == 2


def test_a_set_without_one_readable_image_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="holds no images"):
        survey(str(tmp_path))
    (tmp_path / "a.jpg").write_bytes(b"<html>")
    with pytest.raises(UserError, match=r"none of its 1 images can be read, such as 'a.jpg' \(not an image\)"):
        survey(str(tmp_path))


def test_of_very_many_files_some_heads_are_read(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert evenly(list("abcdefg"), 3) == ["a", "c", "e"]
    assert evenly(list("abc"), 3) == ["a", "b", "c"]
    monkeypatch.setattr(module, "MOST_HEADS", 2)
    found, _ = survey(str(root))
    assert found.images == 7
    assert len(found.heads) + len(found.bad) == 2


def test_near_duplicates_are_copies_in_other_formats_and_sizes_and_not_plain_surfaces(tmp_path: Path) -> None:
    picture(0).save(tmp_path / "a.png")
    picture(0, (80, 60)).save(tmp_path / "b.jpg", quality=70)
    for seed in range(1, 30):
        picture(seed).save(tmp_path / f"{seed:02}.png")
    for colour in ("red", "blue", "white"):
        Image.new("RGB", (40, 30), colour).save(tmp_path / f"{colour}.png")
    found, tree = survey(str(tmp_path))
    assert tree is not None
    seen = sample(tree, found)
    assert seen.images == 34
    assert seen.pairs == [("a.png", "b.jpg")]
    assert seen.grey == 1  # the white one


def test_photographs_of_a_camera_are_sampled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for seed in range(10):
        picture(seed).save(tmp_path / f"{seed}.png")
    monkeypatch.setattr(module, "SAMPLED_PIXELS", 4 * 40 * 30)
    found, tree = survey(str(tmp_path))
    assert tree is not None
    assert sample(tree, found).images == 4
