"""Films read back: by Pillow, and by ffmpeg."""

import sys
from collections.abc import Iterator
from pathlib import Path

import imageio_ffmpeg
import numpy as np
import pytest
from PIL import Image
from small_disks import can_mount, small_disk

from seesaw.errors import UserError
from seesaw.latents.video import check_film, enlarged, write_film


def frames(count: int, height: int = 8, width: int = 12, colours: bool = True) -> Iterator[np.ndarray]:
    """A bright column that moves from left to right on noise, one frame unlike the next."""
    for k in range(count):
        frame = np.random.default_rng(k).integers(0, 60, (height, width, 3) if colours else (height, width), np.uint8)
        frame[:, k % width] = 255
        yield frame


def read_mp4(path: Path) -> np.ndarray:
    reader = imageio_ffmpeg.read_frames(path)
    width, height = next(reader)["size"]
    return np.stack([np.frombuffer(data, np.uint8).reshape(height, width, 3) for data in reader])


def read_animation(path: Path) -> np.ndarray:
    found = []
    with Image.open(path) as film:
        for k in range(film.n_frames):
            film.seek(k)
            found.append(np.asarray(film.convert("RGB")))
    return np.stack(found)


@pytest.mark.parametrize("colours", [True, False])
def test_an_mp4_has_every_frame_enlarged(tmp_path: Path, colours: bool) -> None:
    out = tmp_path / "new" / "a.mp4"
    assert write_film(frames(9, colours=colours), out, 10, 9) == 9
    found = read_mp4(out)
    assert found.shape == (9, 176, 264, 3)  # 12 px times 22
    meta = next(imageio_ffmpeg.read_frames(out))
    assert (meta["fps"], meta["codec"]) == (10, "h264")
    assert meta["pix_fmt"].startswith("yuv420p")
    for k, frame in enumerate(found):
        assert frame[..., 0].mean(0).reshape(12, 22).mean(1).argmax() == k
    assert list(out.parent.iterdir()) == [out]


def test_odd_sides_of_an_mp4_are_made_even(tmp_path: Path) -> None:
    out = tmp_path / "a.mp4"
    write_film(frames(3, 301, 257), out, 10, 3)
    assert read_mp4(out).shape == (3, 302, 258, 3)


def test_a_webp_has_every_frame_without_a_loss(tmp_path: Path) -> None:
    out = tmp_path / "a.webp"
    write_film(frames(7), out, 20, 7)
    assert np.array_equal(read_animation(out), np.stack([enlarged(f) for f in frames(7)]))
    with Image.open(out) as film:
        film.load()
        assert (film.info["loop"], film.info["duration"]) == (0, 50)


def test_a_gif_has_every_frame_and_grey_without_a_loss(tmp_path: Path) -> None:
    out = tmp_path / "a.gif"
    write_film(frames(7, colours=False), out, 20, 7)
    expected = np.stack([enlarged(f)[..., None].repeat(3, 2) for f in frames(7, colours=False)])
    assert np.array_equal(read_animation(out), expected)
    write_film(frames(7), out, 20, 7)
    coloured = read_animation(out)
    assert len(coloured) == 7
    assert np.abs(coloured.astype(float) - np.stack([enlarged(f) for f in frames(7)])).mean() < 8  # 256 colours


def test_a_contact_sheet_has_the_frames_row_by_row(tmp_path: Path) -> None:
    out = tmp_path / "a.png"
    assert write_film(frames(6), out, 20, 6, columns=3) == 6
    sheet = np.asarray(Image.open(out))
    cell = enlarged(next(frames(1)), 64)
    h, w = cell.shape[:2]
    assert sheet.shape == (2 * (h + 2) + 2, 3 * (w + 2) + 2, 3)
    for k, frame in enumerate(frames(6)):
        top, left = 2 + k // 3 * (h + 2), 2 + k % 3 * (w + 2)
        assert np.array_equal(sheet[top : top + h, left : left + w], enlarged(frame, 64))


def test_a_contact_sheet_of_many_frames_has_a_hundred_with_both_ends(tmp_path: Path) -> None:
    assert write_film(frames(251), tmp_path / "a.png", 20, 251) == 100
    sheet = np.asarray(Image.open(tmp_path / "a.png"))
    first, *_, last = (enlarged(f, 64) for f in frames(251))
    h, w = first.shape[:2]
    assert np.array_equal(sheet[2 : 2 + h, 2 : 2 + w], first)
    rows = (sheet.shape[0] - 2) // (h + 2)
    columns = (sheet.shape[1] - 2) // (w + 2)
    top, left = 2 + (rows - 1) * (h + 2), 2 + (99 - (rows - 1) * columns) * (w + 2)
    assert np.array_equal(sheet[top : top + h, left : left + w], last)


def test_small_frames_are_enlarged_by_whole_factors_and_large_ones_stay() -> None:
    small = next(frames(1, 32, 32))
    assert enlarged(small).shape == (256, 256, 3)
    assert np.array_equal(enlarged(small)[4::8, 4::8], small)
    assert enlarged(next(frames(1, 100, 90))).shape == (300, 270, 3)
    assert enlarged(next(frames(1, 256, 90))).shape == (256, 90, 3)


def test_mistakes_are_found_before_anything_is_computed(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UserError, match=r"--out a\.avi: the name must end in one of \.mp4, \.gif, \.webp, \.png"):
        check_film(Path("a.avi"), 10)
    for fps in (0, -1, 61, float("nan")):
        with pytest.raises(UserError, match=r"--fps is .*; it must be from 0\.1 to 60"):
            check_film(Path("a.gif"), fps)
    monkeypatch.setitem(sys.modules, "imageio_ffmpeg", None)
    with pytest.raises(UserError, match=r"mp4 needs the extra `video`: pip install 'seesaw-gan\[video\]'; \.gif and \.webp"):
        check_film(Path("a.mp4"), 10)
    check_film(Path("a.webp"), 10)


@pytest.mark.skipif(not can_mount(), reason="mounting a small disk needs root")
@pytest.mark.parametrize("suffix", ["mp4", "gif", "webp", "png"])
def test_a_full_disk_is_one_sentence_and_leaves_no_part(tmp_path: Path, suffix: str) -> None:
    with small_disk(tmp_path / "disk", 8) as disk:
        out = disk / f"a.{suffix}"
        with pytest.raises(UserError, match=r"cannot be written: .*disk (is|may be) full"):
            write_film(frames(4, 200, 300), out, 10, 4)
        assert list(disk.iterdir()) == []


def test_a_failed_film_leaves_the_former_one(tmp_path: Path) -> None:
    def torn() -> Iterator[np.ndarray]:
        yield from frames(3)
        raise RuntimeError("no more")

    for suffix in ("mp4", "webp", "gif", "png"):
        out = tmp_path / f"a.{suffix}"
        out.write_bytes(b"former")
        with pytest.raises(RuntimeError, match="no more"):  # and not that the disk is full: the network failed
            write_film(torn(), out, 10, 9)
        assert out.read_bytes() == b"former"
    assert len(list(tmp_path.iterdir())) == 4
