import os
import struct
import time
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
import torchvision
from PIL import Image, ImageOps

from seesaw.data.files import Folder
from seesaw.data.images import ImageSet
from seesaw.types import UserError

RED, GREEN, BLUE, WHITE = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)


def halves(left: tuple[int, ...], right: tuple[int, ...], mode: str = "RGB", size: int = 16) -> Image.Image:
    image = Image.new(mode, (size, size), left)
    image.paste(right, (size // 2, 0, size, size))
    return image


def folder(root: str, resolution: int, channels: int = 3, **options: object) -> ImageSet:
    """The set through its data module; its cache lies beside the root unless it is told."""
    cache = {"cache_dir": str(Path(root).parent / "cache")} | options
    return Folder(root, resolution=resolution, channels=channels, batch_size=8, **cache).reals  # type: ignore[arg-type]


def read(root: Path, tmp_path: Path, **options: object) -> torch.Tensor:
    return folder(str(root), 16, cache_dir=str(tmp_path / "cache"), **options).images  # type: ignore[arg-type]


def sides(images: torch.Tensor) -> list[tuple[list[int], list[int]]]:
    """Colours left and right in the middle row of each image."""
    return [(image[:, 8, 1].tolist(), image[:, 8, -2].tolist()) for image in images]


def near(found: list[int], expected: tuple[int, ...], tolerance: int) -> bool:
    return max(abs(a - b) for a, b in zip(found, expected, strict=True)) <= tolerance


GOOD = {
    "rgb.png": (lambda p: halves(RED, BLUE).save(p), RED, BLUE),
    "lossy.jpg": (lambda p: halves(RED, BLUE).save(p, quality=95, subsampling=0), RED, BLUE),
    "UPPER.JPEG": (lambda p: halves(RED, BLUE).save(p, quality=95, subsampling=0), RED, BLUE),
    "rgb.bmp": (lambda p: halves(RED, BLUE).save(p), RED, BLUE),
    "rgb.webp": (lambda p: halves(RED, BLUE).save(p, lossless=True), RED, BLUE),
    "cmyk.jpg": (lambda p: halves((0, 255, 255, 0), (255, 255, 0, 0), "CMYK").save(p, quality=95), RED, BLUE),
    "rgba.png": (lambda p: halves((*RED, 255), (0, 0, 0, 0), "RGBA").save(p), RED, WHITE),
    "half.png": (lambda p: halves((*RED, 255), (0, 0, 0, 128), "RGBA").save(p), RED, (127, 127, 127)),
    "la.png": (lambda p: halves((0, 255), (0, 0), "LA").save(p), (0, 0, 0), WHITE),
    "grey.png": (lambda p: halves((10,), (200,), "L").save(p), (10, 10, 10), (200, 200, 200)),
    "bits.png": (lambda p: halves((0,), (255,), "L").convert("1").save(p), (0, 0, 0), WHITE),
    "sixteen.png": (
        lambda p: Image.fromarray(np.repeat([[257 * 40] * 8 + [65535] * 8], 16, 0).astype(np.uint16)).save(p),
        (40, 40, 40), WHITE,
    ),
    "palette.png": (lambda p: halves(RED, BLUE).convert("P", palette=1).save(p), RED, BLUE),
    "clear.png": (lambda p: palette_with_hole().save(p, transparency=1), RED, WHITE),
    "moving.gif": (
        lambda p: halves(RED, BLUE).save(p, save_all=True, append_images=[halves(GREEN, GREEN)] * 3), RED, BLUE,
    ),
    "turned.jpg": (lambda p: turned().save(p, quality=95, subsampling=0, exif=orientation(8)), RED, BLUE),
    "broken_exif.jpg": (lambda p: turned().save(p, quality=95, subsampling=0, exif=broken_exif()), RED, BLUE),
    "späte Größe 日本.png": (lambda p: halves(RED, BLUE).save(p), RED, BLUE),
    "line\nbreak.png": (lambda p: halves(RED, BLUE).save(p), RED, BLUE),
}  # fmt: skip


def palette_with_hole() -> Image.Image:
    image = halves((0,), (1,), "P")
    image.putpalette([*RED, *BLUE])
    return image


def turned() -> Image.Image:
    """What a camera held upright stores: the picture lies on its side, the tag says how to raise it."""
    return halves(RED, BLUE).transpose(Image.Transpose.ROTATE_270)


def orientation(value: int) -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = value
    return exif


def broken_exif() -> bytes:
    """The orientation, readable, beside a number of bits per sample that Pillow cannot write again."""
    tags = struct.pack("<HHHII", 2, 0x0112, 3, 1, 8) + struct.pack("<HHII", 0x0102, 4, 1, 2**32 - 1)
    return b"Exif\0\0II*\0\x08\0\0\0" + tags + bytes(4)


def png_header(width: int, height: int) -> bytes:
    """A PNG that claims a size and holds next to nothing."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0" * 64)) + chunk(b"IEND", b"")
    )


def truncated(path: Path) -> None:
    rng = np.random.default_rng(0)
    Image.fromarray(rng.integers(0, 256, (64, 64, 3), dtype=np.uint8)).save(path)
    path.write_bytes(path.read_bytes()[:1500])


BAD = {
    "truncated.jpg": truncated,
    "zero.jpg": lambda p: p.write_bytes(b""),
    "text.png": lambda p: p.write_text("not a picture"),
    "postscript.png": lambda p: p.write_text("%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 16 16\n"),
    "tiff.png": lambda p: Image.new("RGB", (16, 16)).save(p, format="TIFF"),
    "dot.png": lambda p: Image.new("RGB", (1, 1)).save(p),
    "line.png": lambda p: Image.new("RGB", (20_000, 1)).save(p),
    "bomb.png": lambda p: p.write_bytes(png_header(12_000, 12_000)),  # between Pillow's warning and its error
    "big bomb.png": lambda p: p.write_bytes(png_header(60_000, 60_000)),
    "pipe.png": os.mkfifo,
    "dangling.png": lambda p: p.symlink_to("nowhere.png"),
    "bad\nname.gif": lambda p: p.write_bytes(b"GIF89a"),
}


@pytest.mark.parametrize("name", GOOD)
def test_each_kind_of_image_is_read_as_one_sees_it(tmp_path: Path, name: str) -> None:
    (tmp_path / "root").mkdir()
    save, left, right = GOOD[name]
    save(tmp_path / "root" / name)
    found_left, found_right = sides(read(tmp_path / "root", tmp_path))[0]
    tolerance = 12 if name.lower().endswith(("jpg", "jpeg")) else 1
    assert near(found_left, left, tolerance), (found_left, left)
    assert near(found_right, right, tolerance), (found_right, right)


@pytest.mark.parametrize("value", range(1, 9))
def test_every_orientation_agrees_with_pillow(tmp_path: Path, value: int) -> None:
    (tmp_path / "root").mkdir()
    pixels = np.random.default_rng(0).integers(0, 256, (16, 16, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "root" / "a.png", exif=orientation(value))
    expected = ImageOps.exif_transpose(Image.open(tmp_path / "root" / "a.png"))
    found = read(tmp_path / "root", tmp_path)[0].permute(1, 2, 0).numpy()
    assert np.array_equal(found, np.asarray(expected))


def hostile_tree(root: Path) -> None:
    (root / "deep" / "er").mkdir(parents=True)
    for name, (save, _, _) in GOOD.items():
        save(root / "deep" / name)
    for name, make in BAD.items():
        make(root / "deep" / "er" / name)
    (root / "deep" / "loop").symlink_to(root)
    (root / "deep" / "er" / "loop").symlink_to("..")
    (root / "deep" / "._rgb.png").write_bytes(b"what other systems leave behind")
    (root / "deep" / "notes.txt").write_text("not an image")


def test_a_hostile_tree_is_read_without_its_bad_files(tmp_path: Path) -> None:
    hostile_tree(tmp_path / "root")
    before = sorted(str(path) for path in tmp_path.rglob("*"))
    begin = time.perf_counter()
    with pytest.warns(UserWarning, match=f"{len(BAD)} of {len(BAD) + len(GOOD)} images") as caught:
        images = read(tmp_path / "root", tmp_path, max_bad=0.5)
    assert time.perf_counter() - begin < 20
    assert len(caught) == 1, [str(warning.message) for warning in caught]
    assert len(str(caught[0].message).splitlines()) == 1
    assert len(images) == len(GOOD)
    (listed,) = (tmp_path / "cache").glob("bad_images-*.txt")
    lines = listed.read_text(encoding="utf-8").splitlines()
    assert len(lines) == 1 + len(BAD)
    for name in BAD:
        assert any(repr(f"deep/er/{name}") in line for line in lines), name
    reasons = {"dot.png": "1x1 pixels", "line.png": "20000x1", "pipe.png": "not a regular file", "bomb.png": "bomb DOS"}
    for name, reason in reasons.items():
        assert any(line.startswith(repr(f"deep/er/{name}")) and reason in line for line in lines), name
    after = sorted(str(path) for path in tmp_path.rglob("*"))
    assert [path for path in after if not path.startswith(str(tmp_path / "cache"))] == before


def test_images_stand_in_the_order_of_their_paths(tmp_path: Path) -> None:
    for name, colour in {"b/1.png": 20, "a/2.png": 11, "a/10.png": 10, "c.png": 30}.items():
        (tmp_path / "root" / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (16, 16), colour).save(tmp_path / "root" / name)
    assert read(tmp_path / "root", tmp_path, channels=1)[:, 0, 0, 0].tolist() == [10, 11, 20, 30]
    first = folder(str(tmp_path / "root"), 16)
    assert first.identity == folder(str(tmp_path / "root"), 16).identity
    assert first.description == "folder root 4x3x16x16"
    assert (first.y, first.classes) == (None, None), "one image lies in no sub-folder"


def test_sub_folders_become_labels(tmp_path: Path) -> None:
    for name in ("cats/x/1.png", "cats/2.png", "dogs/1.png", "newts/bad.png"):
        (tmp_path / "root" / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (16, 16)).save(tmp_path / "root" / name)
    (tmp_path / "root" / "newts" / "bad.png").write_bytes(b"")
    with pytest.warns(UserWarning, match="1 of 4"):
        reals = folder(str(tmp_path / "root"), 16, max_bad=0.3, cache_dir=str(tmp_path / "cache"))
    assert reals.y.tolist() == [0, 0, 1]
    assert reals.y.dtype == torch.int64
    assert reals.classes == 3, "a class without a good image keeps its number: labels do not hang on broken files"
    (tmp_path / "root" / "cats" / "2.png").unlink()
    assert folder(str(tmp_path / "root" / "cats"), 16).classes is None, "one sub-folder tells nothing"


def test_crop_and_resize_agree_with_torchvision(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    (tmp_path / "root").mkdir()
    pictures = [Image.fromarray(rng.integers(0, 256, (h, w, 3), dtype=np.uint8)) for h, w in [(178, 218), (90, 41)]]
    for number, picture in enumerate(pictures):
        picture.save(tmp_path / "root" / f"{number}.png")
    for crop in ("center", "none"):
        for found, picture in zip(read(tmp_path / "root", tmp_path, crop=crop), pictures, strict=True):
            image = torchvision.transforms.functional.pil_to_tensor(picture)
            if crop == "center":
                height, width = image.shape[1:]
                side = min(height, width)
                top, left = (height - side) // 2, (width - side) // 2
                image = image[:, top : top + side, left : left + side]
            expected = torchvision.transforms.functional.resize(image, [16, 16], antialias=True)
            assert (found.int() - expected.int()).abs().max() <= 1


def test_background_and_grey(tmp_path: Path) -> None:
    (tmp_path / "root").mkdir()
    halves((*RED, 255), (0, 0, 0, 0), "RGBA").save(tmp_path / "root" / "a.png")
    assert sides(read(tmp_path / "root", tmp_path, background="#0000ff")) == [([255, 0, 0], [0, 0, 255])]
    assert sides(read(tmp_path / "root", tmp_path, channels=1)) == [([76], [255])]  # 0.299 * 255


def test_more_bad_images_than_allowed_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "root").mkdir()
    for number in range(10):
        Image.new("RGB", (16, 16)).save(tmp_path / "root" / f"{number}.png")
    for number in range(2):
        (tmp_path / "root" / f"{number}.png").write_bytes(b"")
    with pytest.warns(UserWarning, match="2 of 10"):
        assert len(read(tmp_path / "root", tmp_path, max_bad=0.2)) == 8
    with pytest.raises(
        UserError, match=r"2 of 10 images of data.root='.*'0.png'.*data.max_bad=0.19 allows 1"
    ) as caught:
        read(tmp_path / "root", tmp_path, max_bad=0.19)
    assert Path(str(caught.value).split("list is in ")[1]).is_file()
    for path in (tmp_path / "root").iterdir():
        path.write_bytes(b"")
    with pytest.raises(UserError, match="10 of 10"):
        read(tmp_path / "root", tmp_path, max_bad=1.0)


def test_missing_file_and_empty_folders_are_explained(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"data.root='.*absent' does not exist"):
        folder(str(tmp_path / "absent"), 16)
    (tmp_path / "file.png").write_bytes(b"")
    with pytest.raises(UserError, match=r"file.png' is a file, but no zip: give the folder or"):
        folder(str(tmp_path / "file.png"), 16)
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match=r"empty' holds no images, but nothing at all: \.jpg, "):
        folder(str(tmp_path / "empty"), 16)
    (tmp_path / "empty" / "faces.zip").write_bytes(b"")
    (tmp_path / "empty" / "read me").write_bytes(b"")
    with pytest.raises(UserError, match=r"1 of \.zip, 1 of no suffix: .*give the zip itself"):
        folder(str(tmp_path / "empty"), 16)


@pytest.mark.parametrize(("option", "message"), [
    ({"crop": "centre"}, "crop must be one of center, random, none, not 'centre'"),
    ({"background": "whyte"}, "not 'whyte'"),
    ({"max_bad": 5}, "max_bad must be a share from 0 to 1, not 5"),
])  # fmt: skip
def test_impossible_options_are_named(option: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        folder("unread", 16, **option)  # type: ignore[arg-type]
