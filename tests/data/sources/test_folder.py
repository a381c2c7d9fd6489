import shutil
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
import torchvision
from hostile import RED, halves
from PIL import Image

from seesaw.data.images import ImageSet
from seesaw.data.sources import folder as module
from seesaw.data.sources.celeba import CelebA
from seesaw.data.sources.ffhq import FFHQ
from seesaw.data.sources.folder import Folder
from seesaw.data.sources.image_files import LAUNCHED, LISTED
from seesaw.errors import Notice
from seesaw.training import launcher
from seesaw.types import UserError


def folder(root: str, resolution: int, channels: int = 3, **options: object) -> ImageSet:
    """The set through its data module; its cache lies beside the root unless another is given."""
    cache = {"cache_dir": str(Path(root).parent / "cache")} | options
    return Folder(root, resolution=resolution, channels=channels, batch_size=8, **cache).reals  # type: ignore[arg-type]


def read(root: Path, tmp_path: Path, **options: object) -> torch.Tensor:
    return folder(str(root), 16, cache_dir=str(tmp_path / "cache"), **options).images  # type: ignore[arg-type]


def sides(images: torch.Tensor) -> list[tuple[list[int], list[int]]]:
    """Colours left and right in the middle row of each image."""
    return [(image[:, 8, 1].tolist(), image[:, 8, -2].tolist()) for image in images]


def test_images_stand_in_the_order_of_their_paths(tmp_path: Path) -> None:
    for name, colour in {"b/1.png": 20, "a/2.png": 11, "a/10.png": 10, "c.png": 30}.items():
        (tmp_path / "root" / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (16, 16), colour).save(tmp_path / "root" / name)
    assert read(tmp_path / "root", tmp_path, channels=1)[:, 0, 0, 0].tolist() == [10, 11, 20, 30]
    first = folder(str(tmp_path / "root"), 16)
    assert first.identity == folder(str(tmp_path / "root"), 16).identity
    assert first.description == "folder root 4x3x16x16"
    assert (first.y, first.classes) == (None, 0), "one image lies in no sub-folder"


def test_pictures_that_are_not_read_are_counted_and_named(tmp_path: Path) -> None:
    (tmp_path / "root").mkdir()
    for name in ("a.jpg", "b.jfif", "c.tif"):
        Image.new("RGB", (16, 16)).save(tmp_path / "root" / name)
    for name in ("d.heic", "e.HEIC", "f.svg", "notes.txt", "README"):
        (tmp_path / "root" / name).write_text("no image that is read")
    with pytest.warns(Notice, match=r"data.root='.*root' also holds 3 files that are not read: 2 of .heic, 1 of .svg"):
        assert len(folder(str(tmp_path / "root"), 16)) == 3
    (tmp_path / "plain").mkdir()
    Image.new("RGB", (16, 16)).save(tmp_path / "plain" / "a.jpg")
    (tmp_path / "plain" / "labels.csv").write_text("a file that no one takes for a picture gives no notice")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        folder(str(tmp_path / "plain"), 16)


def test_the_description_counts_what_was_read_skipped_and_left_out(tmp_path: Path) -> None:
    (tmp_path / "root" / ".hidden").mkdir(parents=True)
    for k in range(4):
        Image.new("RGB", (16, 20)).save(tmp_path / "root" / f"{k}.png")
    (tmp_path / "root" / "notes.txt").write_text("no image")
    (tmp_path / "root" / "3.png").write_bytes(b"no image")
    options = {"resolution": 16, "channels": 3, "batch_size": 8, "cache_dir": str(tmp_path / "cache"), "max_bad": 0.5}
    with pytest.warns(Notice, match="1 of 4"):
        description = Folder(str(tmp_path / "root"), **options).description  # type: ignore[arg-type]
    assert description == (
        "folder root 3x3x16x16: 3 of 4 images read, 1 skipped; cropped to the central largest square, resized to 16 px; "
        "other files not read: 1 of .txt; 1 hidden folder left out"
    )
    assert Folder(str(tmp_path / "root"), **options).description == description, "also where it was prepared before"  # type: ignore[arg-type]
    with pytest.warns(Notice, match="1 of 4"):
        description = Folder(str(tmp_path / "root"), "none", **options).description  # type: ignore[arg-type]
    assert "; squeezed into the square and resized to 16 px;" in description


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
    assert folder(str(tmp_path / "root" / "cats"), 16).classes == 0, "one sub-folder makes no classes"


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


def write(root: Path, *names: str) -> Path:
    for number, name in enumerate(names):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (20, 24), (number, 0, 0)).save(root / name)
    return root


def test_a_prepared_set_is_opened_without_its_files(tmp_path: Path) -> None:
    root = write(tmp_path / "root", "a/1.png", "b/2.png", "b/3.png")
    before = folder(str(root), 16)
    shutil.rmtree(root)
    (there,) = (tmp_path / "cache" / "prepared").glob("*/")
    after = folder(str(there), 16, cache_dir="unused")
    assert (after.identity, after.description, after.classes) == (before.identity, before.description, before.classes)
    assert torch.equal(after.images, before.images)
    assert after.y is not None
    assert after.y.tolist() == [0, 1, 1]
    for options, message in {
        (("resolution", 32),): "prepared with resolution=16, not 32: give data.resolution=16",
        (("resolution", 16), ("crop", "none")): "prepared with crop=center, not none: give data.crop=center",
        (("resolution", 16), ("channels", 1)): "prepared with channels=3, not 1",
    }.items():
        with pytest.raises(UserError, match=message):
            folder(str(there), **dict(options))  # type: ignore[arg-type]
    with pytest.raises(UserError, match=r"is a prepared set \(folder root\), which data=folder opens"):
        FFHQ(str(there), resolution=16, channels=3, batch_size=8).prepare()


@pytest.mark.parametrize("content", ["[1, 2]", "{}", '{"shape": ["a", 1, 1, 1], "version": 1}', "[" * 100_000, ""])
def test_a_foreign_index_file_is_ignored(content: str, tmp_path: Path) -> None:
    (write(tmp_path / "root", "1.png") / "index.json").write_text(content)
    assert len(folder(str(tmp_path / "root"), 16)) == 1


def test_a_started_process_of_a_run_does_not_list_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first process hands the folder on by its environment; others list by themselves, and so does who asks for more."""
    assert LAUNCHED in vars(launcher).values()
    monkeypatch.delenv(LISTED, raising=False)
    monkeypatch.setenv(LISTED, "{}")
    listed: list[Path] = []
    monkeypatch.setattr(module, "open_tree", lambda path, real=module.open_tree: listed.append(path) or real(path))
    root = write(tmp_path / "root", "1.png", "2.png")

    def count(**options: object) -> int:
        listed.clear()
        folder(str(root), 16, **options)
        return len(listed)

    assert (count(), count()) == (1, 1), "a process that nobody started trusts nobody"
    monkeypatch.setenv(LAUNCHED, "{}")
    assert (count(), count(crop="none"), count(crop="none"), count(cache_dir=str(tmp_path / "else"))) == (0, 1, 0, 1)
    for prepared in (tmp_path / "cache" / "prepared").glob("*/images-16.npy"):
        prepared.unlink()
    assert count() == 1


def test_another_part_of_celeba_is_another_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "img_align_celeba", "000001.jpg", "162771.jpg")
    monkeypatch.setenv(LISTED, "{}")
    monkeypatch.setenv(LAUNCHED, "{}")
    common = {"resolution": 16, "channels": 3, "batch_size": 1, "cache_dir": str(tmp_path / "cache"), "side": 20}
    with pytest.warns(UserWarning, match="is it whole"):
        sizes = [len(CelebA(str(tmp_path), split, **common).prepare()) for split in ("all", "train", "all")]  # type: ignore[arg-type]
    assert sizes == [2, 1, 2]
