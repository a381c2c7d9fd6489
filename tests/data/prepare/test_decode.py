"""One image to pixels: every kind, every crop, each reason why one is bad; compared with Pillow's and torchvision's own ways."""

import hashlib
import io
import re
import struct
import subprocess
import sys
import warnings
import zlib
from pathlib import Path

import numpy as np
import pytest
import torchvision
from hostile import BAD, GOOD, chunk, encoded, halves, orientation, sixteen_bits, with_chunks
from PIL import Image, ImageOps
from torchvision.transforms import functional as F

from seesaw.data.prepare.decode import LARGEST_FILE, BadImage, Decoding, decode
from seesaw.data.prepare.tree import open_tree


def random_pixels(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)


def numbered_columns(width: int, height: int) -> bytes:
    """An image whose red is the column and whose green is the row of each pixel."""
    rows, columns = np.mgrid[:height, :width]
    return encoded(Image.fromarray(np.stack([columns, rows, rows], -1).astype(np.uint8)))


@pytest.mark.parametrize("name", GOOD)
def test_each_kind_of_image_is_read_as_one_sees_it(name: str) -> None:
    content, left, right = GOOD[name]
    pixels = decode(content, name, Decoding(16, 3))
    assert pixels.shape == (3, 16, 16)
    assert pixels.dtype == np.uint8
    tolerance = 12 if name.lower().endswith(("jpg", "jpeg")) else 1
    assert np.abs(pixels[:, 8, 1].astype(int) - left).max() <= tolerance
    assert np.abs(pixels[:, 8, -2].astype(int) - right).max() <= tolerance


OTHER_SUFFIXES = {
    "JPEG": (".jfif", ".jpe", ".JFIF"), "PNG": (".apng",), "BMP": (".dib",), "TIFF": (".tif", ".tiff"),
    "PPM": (".ppm", ".pnm"), "TGA": (".tga",), "QOI": (".qoi",), "PCX": (".pcx",), "AVIF": (".avif",),
    "JPEG2000": (".jp2", ".j2k"),
}  # fmt: skip


@pytest.mark.parametrize(("kind", "suffix"), [(kind, s) for kind, suffixes in OTHER_SUFFIXES.items() for s in suffixes])
def test_what_pillow_reads_is_read_under_its_usual_suffixes(kind: str, suffix: str, tmp_path: Path) -> None:
    (tmp_path / f"picture{suffix}").write_bytes(encoded(halves((255, 0, 0), (0, 0, 255)), kind))
    tree = open_tree(tmp_path)
    pixels = decode(tree.read(tree.names[0]), tree.names[0], Decoding(16, 3)).astype(int)
    assert np.abs(pixels[:, 8, 1] - (255, 0, 0)).max() <= 12
    assert np.abs(pixels[:, 8, -2] - (0, 0, 255)).max() <= 12


def test_a_rare_format_is_opened_under_its_own_suffix_alone() -> None:
    content = encoded(halves((255, 0, 0), (0, 0, 255)), "TIFF")
    with pytest.raises(BadImage, match="not an image"):
        decode(content, "picture.tga", Decoding(16, 3))


def test_sixteen_bits_of_grey_are_rounded_to_eight() -> None:
    values = np.random.default_rng(0).integers(0, 65536, (16, 16), dtype=np.uint16)
    found = decode(encoded(Image.fromarray(values)), "a.png", Decoding(16, 1))[0]
    assert np.abs(found - values / 257).max() <= 0.5


def test_the_transparent_grey_of_sixteen_bits_is_exact() -> None:
    """Greys that are equal in 8 bits stay apart."""
    content = with_chunks(sixteen_bits(0, (40,), (200,)), chunk(b"tRNS", struct.pack(">H", 40 * 257 + 1)))
    assert decode(content, "a.png", Decoding(16, 3, background="#0000ff"))[:, 8, 1].tolist() == [40, 40, 40]
    content = with_chunks(sixteen_bits(0, (40,), (200,)), chunk(b"tRNS", struct.pack(">H", 40 * 257)))
    assert decode(content, "a.png", Decoding(16, 3, background="#0000ff"))[:, 8, 1].tolist() == [0, 0, 255]


TEXT = zlib.compress(bytes(2_000_000))


@pytest.mark.parametrize("chunks", [
    [chunk(b"zTXt", b"a\0\0" + TEXT)],
    [chunk(b"iTXt", b"a\0\1\0\0\0" + TEXT)],
    [chunk(b"iCCP", b"a\0\0" + TEXT)],
    [chunk(b"tEXt", b"a\0" + b"x" * 900_000)] * 80,
], ids=["zTXt", "iTXt", "iCCP", "tEXt"])  # fmt: skip
@pytest.mark.parametrize("before", [b"IDAT", b"IEND"])
def test_much_text_in_a_png_does_not_matter(chunks: list[bytes], before: bytes) -> None:
    content = encoded(Image.fromarray(random_pixels(16, 16)), exif=orientation(8))
    longer = with_chunks(content, *chunks, before=before)
    assert np.array_equal(decode(longer, "a.png", Decoding(16, 3)), decode(content, "a.png", Decoding(16, 3)))


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"restart_marker_blocks": 2}], ids=str)
def test_of_a_cut_jpeg_only_the_end_marker_may_be_missing(options: dict[str, object]) -> None:
    content = encoded(Image.fromarray(random_pixels(64, 64)), "JPEG", **options)
    whole = decode(content, "a.jpg", Decoding(64, 3))
    for cut in (1, 2):
        assert np.array_equal(decode(content[:-cut], "a.jpg", Decoding(64, 3)), whole)
    restarts = [k for k in range(700, len(content)) if content[k] == 0xFF and 0xD0 <= content[k + 1] <= 0xD7]
    scans = [k + more for k in range(700, len(content)) if content[k : k + 2] == b"\xff\xda" for more in (0, 2)]
    for end in (*(len(content) - cut for cut in (5, 8, 20, 100, 1000)), *restarts, *scans):
        with pytest.raises(OSError, match="truncated"):
            decode(content[:end], "a.jpg", Decoding(64, 3))


@pytest.mark.parametrize("strict", [True, False])
@pytest.mark.parametrize("name", BAD)
def test_each_bad_image_raises_its_reason(name: str, strict: bool) -> None:
    content, reason = BAD[name]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if strict:  # as the preparation reads
            warnings.simplefilter("error", Image.DecompressionBombWarning)
        with pytest.raises(Exception, match=f"(?s).*{re.escape(reason)}") as caught:
            decode(content, name, Decoding(16, 3))
    assert " at 0x" not in str(caught.value), "an address in memory: another text each time"


@pytest.mark.parametrize("value", range(1, 9))
def test_every_orientation_agrees_with_pillow(value: int) -> None:
    content = encoded(Image.fromarray(random_pixels(16, 16)), exif=orientation(value))
    expected = ImageOps.exif_transpose(Image.open(io.BytesIO(content)))
    assert np.array_equal(decode(content, "a.png", Decoding(16, 3)).transpose(1, 2, 0), np.asarray(expected))


@pytest.mark.parametrize(("height", "width"), [(178, 218), (90, 41), (33, 64)])
@pytest.mark.parametrize("crop", ["center", "none"])
def test_crop_and_resize_agree_with_torchvision(height: int, width: int, crop: str) -> None:
    pixels = random_pixels(height, width)
    image = F.pil_to_tensor(Image.fromarray(pixels))
    if crop == "center":
        side = min(height, width)
        top, left = (height - side) // 2, (width - side) // 2
        image = image[:, top : top + side, left : left + side]
    expected = F.resize(image, [16, 16], antialias=True).numpy().astype(int)
    found = decode(encoded(Image.fromarray(pixels)), "a.png", Decoding(16, 3, crop))  # type: ignore[arg-type]
    assert np.abs(found - expected).max() <= 1


@pytest.mark.parametrize("side", [178, 148, 140, 108])
def test_celebas_square_agrees_with_torchvisions_transforms(side: int) -> None:
    """CenterCrop and Resize, on the picture and, which is another implementation, on its tensor."""
    picture = Image.fromarray(random_pixels(218, 178))
    found = decode(encoded(picture), "000001.jpg", Decoding(64, 3, side=side)).astype(int)
    for image in (picture, F.pil_to_tensor(picture)):
        both = torchvision.transforms.Compose(
            [torchvision.transforms.CenterCrop(side), torchvision.transforms.Resize(64, antialias=True)]
        )
        expected = both(image) if image is not picture else F.pil_to_tensor(both(image))
        assert np.abs(found - expected.numpy()).max() <= 1


def test_a_square_about_a_given_pixel_is_that_of_progan() -> None:
    """Karras et al. 2018 take rows 121 - 64 ... 121 + 63 and columns 89 - 64 ... 89 + 63 of CelebA."""
    pixels = random_pixels(218, 178)
    found = decode(encoded(Image.fromarray(pixels)), "a.png", Decoding(128, 3, side=128, center=(89, 121)))
    assert np.array_equal(found, pixels[57:185, 25:153].transpose(2, 0, 1))


@pytest.mark.parametrize("how", [
    Decoding(16, 3, side=178),
    Decoding(16, 3, side=178, crop="random"),
    Decoding(16, 3, side=32, center=(15, 30)),
    Decoding(16, 3, side=32, center=(89, 103)),
    Decoding(16, 3, side=32, center=(163, 30)),
    Decoding(16, 3, side=32, center=(89, 15)),
])  # fmt: skip
def test_an_image_that_does_not_hold_the_square_is_bad(how: Decoding) -> None:
    with pytest.raises(BadImage, match=rf"178x118 pixels hold no square of {how.side}"):
        decode(encoded(Image.new("RGB", (178, 118))), "a.png", how)


def test_the_place_of_a_random_crop_comes_from_the_name_alone() -> None:
    content, how = numbered_columns(200, 50), Decoding(50, 3, "random")
    starts = []
    for k in range(300):
        pixels = decode(content, f"{k}.png", how)
        start = int(pixels[0, 0, 0])
        assert np.array_equal(pixels[0], np.tile(np.arange(start, start + 50), (50, 1))), "a window of the image"
        assert np.array_equal(pixels[1], np.tile(np.arange(50)[:, None], (1, 50))), "of its whole height"
        assert start == int(hashlib.sha256(f"{k}.png".encode()).hexdigest()[:16], 16) % 151
        starts.append(start)
    assert min(starts) < 5
    assert max(starts) > 145
    assert 75 - 10 < np.mean(starts) < 75 + 10  # 4 standard errors of a uniform draw
    assert np.array_equal(decode(content, "7.png", how), decode(content, "7.png", how))
    decode(content, "no text \udcff.png", how)


def test_a_random_crop_of_a_given_side_moves_both_ways() -> None:
    content = numbered_columns(200, 200)
    corners = [decode(content, str(k), Decoding(32, 3, "random", side=32))[:2, 0, 0] for k in range(200)]
    assert np.min(corners, axis=0).max() < 10
    assert np.max(corners, axis=0).min() > 158
    assert abs(np.corrcoef(np.array(corners, dtype=float).T)[0, 1]) < 0.3, "rows and columns are drawn apart"


def test_background_and_grey() -> None:
    content = encoded(halves((255, 0, 0, 255), (0, 0, 0, 0), "RGBA"))
    found = decode(content, "a.png", Decoding(16, 3, background="#0000ff"))
    assert found[:, 8, [1, 14]].T.tolist() == [[255, 0, 0], [0, 0, 255]]
    grey = decode(content, "a.png", Decoding(16, 1))
    assert grey.shape == (1, 16, 16)
    assert grey[0, 8, [1, 14]].tolist() == [76, 255]  # 0.299 * 255


def test_a_file_beyond_the_limit_is_bad() -> None:
    content = GOOD["rgb.bmp"][0]
    with pytest.raises(BadImage, match="more than 256 MiB"):
        decode(content + bytes(LARGEST_FILE + 1 - len(content)), "a.bmp", Decoding(16, 3))


@pytest.mark.parametrize(("options", "message"), [
    ({"resolution": 0}, "resolution is 0; it must be a number of pixels, or height x width such as 96x160"),
    ({"depth": 12}, "depth must be 8 or 16, not 12"),
    ({"channels": 9}, "channels must be from 1 to 8, not 9"),
    ({"crop": "centre"}, "crop must be one of center, random, none, not 'centre'"),
    ({"background": "whyte"}, "background must be a colour such as white or #202020, not 'whyte'"),
    ({"side": 2}, "side must be null with crop=none, else at least 4, not 2"),
    ({"side": 64, "crop": "none"}, "side must be null with crop=none, else at least 4, not 64"),
    ({"center": (89, 121)}, r"center must be two pixels .* with a side and crop=center, not \(89, 121\)"),
    ({"center": (-1, 121), "side": 64}, r"center must be two pixels from 0 on"),
    ({"center": (89, 121), "side": 64, "crop": "random"}, "with a side and crop=center"),
])  # fmt: skip
def test_impossible_options_are_named(options: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Decoding(**({"resolution": 16, "channels": 3} | options))  # type: ignore[arg-type]


def test_workers_need_no_torch() -> None:
    program = "import sys, seesaw.data.prepare.workers, seesaw.data.sources.faces; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program]).returncode == 0
