"""Arrays, TIFFs of many pages and grey of 16 bits to pixels; compared with numpy, torch's resize and the values written."""

import io
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch.nn.functional import interpolate

from seesaw.data.prepare.decode import BadImage, Decoding, decode
from seesaw.data.prepare.tree import open_tree
from seesaw.data.sources.folder import Folder
from seesaw.errors import UserError

RNG = np.random.default_rng(0)
FLOATS = RNG.random((16, 24, 5), dtype=np.float32)
BYTES = RNG.integers(0, 256, (16, 24, 5), dtype=np.uint8)
WORDS = RNG.integers(0, 65536, (16, 24, 5), dtype=np.uint16)


def npy(array: np.ndarray, **options: bool) -> bytes:
    file = io.BytesIO()
    np.save(file, array, **options)
    return file.getvalue()


def tiff(pages: list[np.ndarray]) -> bytes:
    file, (first, *rest) = io.BytesIO(), [Image.fromarray(page) for page in pages]
    first.save(file, format="TIFF", save_all=True, append_images=rest)
    return file.getvalue()


@pytest.mark.parametrize("depth", [8, 16])
@pytest.mark.parametrize("array", [FLOATS, FLOATS.astype(np.float64), FLOATS.astype(np.float16), BYTES, WORDS], ids=str)
def test_arrays_keep_their_values(array: np.ndarray, depth: int) -> None:
    """Channels last and first, C's order and Fortran's, both byte orders: the value of [0, 1] rounded to the depth."""
    unit = array / {"u1": 255, "u2": 65535}.get(array.dtype.str[1:], 1)
    expected = np.rint(unit.astype(np.float64) * (2**depth - 1)).transpose(2, 0, 1)
    how = Decoding("16x24", 5, depth=depth)
    for same in (
        array,
        np.asfortranarray(array),
        array.transpose(2, 0, 1),
        array.astype(array.dtype.newbyteorder(">")),
    ):
        found = decode(npy(same), "a.npy", how)
        assert found.shape == (5, 16, 24)
        assert found.dtype == (np.uint8 if depth == 8 else np.uint16)
        assert np.abs(found - expected).max() <= (0 if array.dtype.kind == "u" else 1)  # a half may round either way


def test_an_array_without_channels_is_grey() -> None:
    assert np.array_equal(decode(npy(BYTES[..., 0]), "a.npy", Decoding("16x24", 1))[0], BYTES[..., 0])


@pytest.mark.parametrize("crop", ["center", "none"])
def test_arrays_are_resized_as_torch_resizes(crop: str) -> None:
    """The middle of 40 x 60 for 16 x 16 is the square of 40; torch's antialiased bilinear filter is Pillow's."""
    array = RNG.random((40, 60, 6), dtype=np.float32)
    part = array[:, 10:50] if crop == "center" else array
    x = torch.from_numpy(part.copy()).permute(2, 0, 1)[None]
    expected = interpolate(x, (16, 16), mode="bilinear", antialias=True, align_corners=False)[0]
    found = decode(npy(array), "a.npy", Decoding(16, 6, crop=crop, depth=16))  # type: ignore[arg-type]
    np.testing.assert_allclose(found / 65535, expected.numpy(), atol=2e-4)


@pytest.mark.parametrize(("content", "reason"), [
    (npy(BYTES[..., :4]), "an array of 16x24x4; with data.channels=5 it is HxWx5 or 5xHxW"),
    (npy(BYTES.astype(np.int64)), "an array of int64; uint8, uint16 and floats from 0 to 1 are read"),
    (npy(FLOATS * 255), "floats must be from 0 to 1"),
    (npy(np.full_like(FLOATS, np.nan)), "floats must be from 0 to 1"),
    (npy(np.array([pickle.dumps], dtype=object), allow_pickle=True), "never unpickled"),
    (npy(BYTES)[:-7], "bytes, and its header declares 1920 of uint8"),
    (npy(BYTES) + b"more", "bytes, and its header declares 1920 of uint8"),
    (npy(BYTES).replace(b"(16, 24, 5)", b"(1<<60,2,)"), "no array of NumPy"),
    (npy(BYTES).replace(b"(16, 24, 5)", b"(9**9, 5, )"), "no array of NumPy"),
    (npy(BYTES).replace(b"(16, 24, 5)", b"(16,999999)"), "its header declares 15999984 of uint8"),
    (npy(BYTES[:3]), "24x3 pixels, 4 a side are needed"),
    (b"text", "no array of NumPy"),
    (b"", "no array of NumPy"),
])  # fmt: skip
def test_what_is_no_array_of_five_channels_has_a_reason(content: bytes, reason: str) -> None:
    with pytest.raises(BadImage, match=reason):
        decode(content, "a.npy", Decoding("16x24", 5))


def test_the_pages_of_a_tiff_are_channels() -> None:
    pages = [BYTES[..., k] for k in range(5)]
    assert np.array_equal(decode(tiff(pages), "a.tif", Decoding("16x24", 5)), np.stack(pages))
    deep = [WORDS[..., k] for k in range(5)]
    assert np.array_equal(decode(tiff(deep), "a.tiff", Decoding("16x24", 5, depth=16)), np.stack(deep))
    floats = [FLOATS[..., k] for k in range(2)]
    found = decode(tiff(floats), "a.tif", Decoding("16x24", 2, depth=16))
    np.testing.assert_allclose(found / 65535, np.stack(floats), atol=1e-5)
    first = decode(tiff(pages), "a.tif", Decoding("16x24", 1))  # as before: the first page
    assert np.array_equal(first[0], pages[0])


@pytest.mark.parametrize(("content", "name", "how", "reason"), [
    (tiff([BYTES[..., 0]] * 4), "a.tif", Decoding(16, 5), "a picture; 5 channels are read of .npy files and of TIFFs with 5"),
    (tiff([BYTES[..., 0]] * 4 + [BYTES[:8, :, 0]]), "a.tif", Decoding(16, 5), "its pages differ in size"),
    (tiff([FLOATS[..., 0] * 2] * 5), "a.tif", Decoding(16, 5), "floats must be from 0 to 1"),
    (tiff([BYTES[..., :3]]), "a.tif", Decoding(16, 3, depth=16), "a picture; 3 channels of 16 bits are read of .npy files"),
])  # fmt: skip
def test_pictures_of_other_channels_have_a_reason(content: bytes, name: str, how: Decoding, reason: str) -> None:
    with pytest.raises(BadImage, match=reason):
        decode(content, name, how)


def encoded(image: Image.Image, kind: str = "PNG") -> bytes:
    file = io.BytesIO()
    image.save(file, format=kind)
    return file.getvalue()


def test_grey_of_sixteen_bits_is_kept() -> None:
    values = WORDS[..., 0]
    for kind, name in (("PNG", "a.png"), ("TIFF", "a.tif")):
        content = encoded(Image.fromarray(values), kind)
        assert np.array_equal(decode(content, name, Decoding("16x24", 1, depth=16))[0], values)
    eight = encoded(Image.fromarray(BYTES[..., 0]))
    assert np.array_equal(decode(eight, "a.png", Decoding("16x24", 1, depth=16))[0], BYTES[..., 0] * np.uint16(257))


def test_alpha_is_kept_with_two_and_four_channels() -> None:
    rgba = encoded(Image.fromarray(BYTES[..., :4]))
    assert np.array_equal(decode(rgba, "a.png", Decoding("16x24", 4)).transpose(1, 2, 0), BYTES[..., :4])
    la = encoded(Image.fromarray(BYTES[..., :2], mode="LA"))
    assert np.array_equal(decode(la, "a.png", Decoding("16x24", 2)).transpose(1, 2, 0), BYTES[..., :2])
    opaque = decode(encoded(Image.fromarray(BYTES[..., :3])), "a.png", Decoding("16x24", 4))
    assert np.array_equal(opaque[:3].transpose(1, 2, 0), BYTES[..., :3])
    assert (opaque[3] == 255).all()


def test_colours_are_weighted_by_their_alpha() -> None:
    """Half of the pixels red and opaque, half of them blue and clear: the smaller image is red, half transparent."""
    pixels = np.zeros((64, 64, 4), dtype=np.uint8)
    pixels[::2], pixels[1::2] = (255, 0, 0, 255), (0, 0, 255, 0)
    found = decode(encoded(Image.fromarray(pixels)), "a.png", Decoding(8, 4))[:, 2:-2, 2:-2].astype(int)
    assert np.abs(found - np.array([255, 0, 0, 128])[:, None, None]).max() <= 3


@pytest.mark.parametrize(("width", "height", "box"), [
    (178, 218, (0, 55, 178, 162)), (300, 100, (66, 0, 233, 100)), (160, 96, (0, 0, 160, 96)), (7, 100, (0, 48, 7, 52)),
])  # fmt: skip
def test_the_largest_central_rectangle_is_cut_out(width: int, height: int, box: tuple[int, int, int, int]) -> None:
    """Of 96x160: 178 wide it is 107 high, and 100 high 167 wide."""
    rows, columns = np.mgrid[:height, :width]
    image = Image.fromarray(np.stack([columns % 256, rows % 256, columns // 256], -1).astype(np.uint8))
    found = decode(encoded(image), "a.png", Decoding("96x160", 3))
    expected = image.crop(box).resize((160, 96), Image.Resampling.BILINEAR)
    assert np.array_equal(found.transpose(1, 2, 0), np.asarray(expected))


def test_a_rectangle_of_a_given_width_that_does_not_fit_is_named() -> None:
    content = encoded(Image.new("RGB", (178, 100)))
    with pytest.raises(BadImage, match="178x100 pixels hold no rectangle 178 wide and 107 high"):
        decode(content, "a.png", Decoding("96x160", 3, side=178))


def test_arrays_beside_pictures_are_not_images(tmp_path: Path) -> None:
    Image.new("RGB", (16, 16)).save(tmp_path / "a.png")
    (tmp_path / "a.npy").write_bytes(npy(BYTES))
    tree = open_tree(tmp_path)
    assert (tree.names, dict(tree.others)) == (["a.png"], {".npy": 1})
    (tmp_path / "a.png").unlink()
    assert open_tree(tmp_path).names == ["a.npy"]


def test_a_prepared_set_of_sixteen_bits_has_its_levels(tmp_path: Path) -> None:
    (tmp_path / "set").mkdir()
    values = RNG.integers(0, 65536, (5, 24, 40), dtype=np.uint16)
    for k, image in enumerate(values):
        Image.fromarray(image).save(tmp_path / "set" / f"{k}.png")
    data = Folder(
        str(tmp_path / "set"), depth=16, resolution="24x40", channels=1, batch_size=2, cache_dir=str(tmp_path)
    )
    assert (data.reals.shape, data.reals.images.dtype, data.size, data.depth) == (
        (5, 1, 24, 40),
        torch.uint16,
        (24, 40),
        16,
    )
    assert np.array_equal(data.reals.images[:, 0].numpy(), values)
    small = data.reals.level(6).images[:, 0].numpy()
    expected = values.reshape(5, 6, 4, 10, 4).mean((2, 4))
    assert np.abs(small - expected).max() <= 0.5 + 1e-2
    (folder,) = (tmp_path / "prepared").glob("folder set-24x40x1-*/")
    assert sorted(path.name for path in folder.glob("images-*")) == ["images-24x40.npy", "images-6x10.npy"]
    assert np.load(folder / "images-6x10.npy").dtype == np.uint16
    again = Folder(str(folder), resolution="24x40", channels=1, batch_size=2, cache_dir=str(tmp_path))
    with pytest.raises(UserError, match=r"was prepared with depth=16, not 8: give data\.depth=16"):
        again.prepare()


def test_the_usual_depth_names_sets_as_before() -> None:
    """The fields of which the names of sets of 8 bits were made before there were others."""
    assert list(Decoding(64, 3).decisive()) == ["resolution", "channels", "crop", "background", "side", "center"]
    assert Decoding("64x64", 3).decisive() == Decoding(64, 3).decisive()
    assert Decoding(64, 1, depth=16).decisive()["depth"] == 16
