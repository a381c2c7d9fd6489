"""Many samples as files, read back by numpy, Pillow and seesaw's own data."""

import csv
import io
import json
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from small_disks import can_mount, small_disk
from tiny_run import tiny_run, write_run

from seesaw.cli.main import main as seesaw
from seesaw.data.prepare.decode import Decoding, decode
from seesaw.latents import bulk
from seesaw.latents.bulk import class_folders, encoded
from seesaw.latents.model import LatentModel
from seesaw.training.inference import restore
from seesaw.training.preflight import compose_checked

UNMEASURED = ("metrics=none", "logger=none", "trainer=cpu")


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """plain: 8x8 grey; labels: with ten classes; points: of the plane."""
    folder = tmp_path_factory.mktemp("runs")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        tiny_run(folder / "plain")
        tiny_run(folder / "labels", "data.labels=true")
        write_run(folder / "points", compose_checked(["model=mlp_points", "data=gaussians_ring", *UNMEASURED]))
        yield folder


def expected(run: Path, count: int, seed: int = 0, y: int | None = None) -> np.ndarray:
    """The samples (count, C, H, W) as the restored model gives them itself."""
    model = restore(run / "checkpoints/last.ckpt").model
    return torch.cat([x.cpu() for x in model.sample(count, seed, y=y)]).numpy()


def err_of(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    capsys.readouterr()
    assert seesaw(arguments) == 1
    err = capsys.readouterr().err
    assert len(err.splitlines()) == 1, err
    return err


def test_a_folder_holds_the_samples_of_the_grid(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert seesaw(["sample", str(here / "plain"), "--count", "5", "--seed", "3", "--out", "some"]) == 0
    assert "some: 5 samples; the averaged generator" in capsys.readouterr().out
    files = sorted(p.name for p in Path("some").iterdir())
    assert files == [f"{k:06d}.png" for k in range(5)]
    found = np.stack([np.asarray(Image.open(f"some/{name}")) for name in files])
    assert np.array_equal(found, expected(here / "plain", 5, 3)[:, 0])
    assert [p.name for p in Path().iterdir()] == ["some"]


def test_a_zip_holds_the_same_files_and_is_the_same_each_time(here: Path) -> None:
    for name in ("a.zip", "b.zip"):
        assert seesaw(["sample", str(here / "plain"), "--count", "5", "--seed", "3", "--out", name]) == 0
    assert Path("a.zip").read_bytes() == Path("b.zip").read_bytes()
    with zipfile.ZipFile("a.zip") as archive:
        found = np.stack([np.asarray(Image.open(io.BytesIO(archive.read(n)))) for n in sorted(archive.namelist())])
    assert np.array_equal(found, expected(here / "plain", 5, 3)[:, 0])


def test_an_array_is_channels_last(here: Path) -> None:
    assert seesaw(["sample", str(here / "plain"), "--count", "5", "--out", "a.npy", "--raw"]) == 0
    model = restore(here / "plain/checkpoints/last.ckpt").model
    raw = torch.cat(list(model.sample(5, 0, ema=False))).cpu().numpy()
    found = np.load("a.npy", allow_pickle=False)
    assert (found.shape, found.dtype) == ((5, 8, 8, 1), np.uint8)
    assert np.array_equal(found.transpose(0, 3, 1, 2), raw)
    assert not Path("a.labels.npy").exists()


def test_points_are_an_array_of_floats_and_no_images(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert seesaw(["sample", str(here / "points"), "--count", "300", "--out", "p.npy"]) == 0
    found = np.load("p.npy")
    assert (found.shape, found.dtype) == ((300, 2), np.float32)
    assert np.array_equal(found, expected(here / "points", 300)[:, :, 0, 0])
    for out in ("p.zip", "p"):
        assert "points of the plane are no images" in err_of(["sample", str(here / "points"), "--out", out], capsys)


def test_classes_stand_in_folders_and_in_a_list(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert seesaw(["sample", str(here / "labels"), "--count", "30", "--out", "all"]) == 0
    assert seesaw(["sample", str(here / "labels"), "--count", "30", "--out", "all.zip"]) == 0
    assert seesaw(["sample", str(here / "labels"), "--count", "30", "--out", "all.npy"]) == 0
    y = np.load("all.labels.npy")
    assert len(np.unique(y)) > 5
    with open("all/labels.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [int(row["class"]) for row in rows] == y.tolist()
    assert all(row["file"] == f"{row['class']}/{k:06d}.png" for k, row in enumerate(rows))
    pixels = np.stack([np.asarray(Image.open(f"all/{row['file']}")) for row in rows])
    assert np.array_equal(pixels, np.load("all.npy")[..., 0])
    assert np.array_equal(pixels, expected(here / "labels", 30)[:, 0])
    with zipfile.ZipFile("all.zip") as archive:
        assert set(archive.namelist()) == {"labels.csv", *(row["file"] for row in rows)}
    assert seesaw(["sample", str(here / "labels"), "--count", "4", "--class", "7", "--out", "seven"]) == 0
    assert sorted(p.parent.name for p in Path("seven").glob("*/*.png")) == ["7"] * 4


def test_what_was_written_is_a_data_set_again(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`data=folder` reads folder and zip with their classes, and leaves the list out."""
    for out in ("set", "set.zip"):
        assert seesaw(["sample", str(here / "labels"), "--count", "30", "--out", out]) == 0
        prepared = ["data=folder", f"data.root={out}", "data.resolution=8", "data.channels=1", "data.labels=true"]
        assert seesaw(["prepare", *prepared, "cache_dir=cache"]) == 0
        assert "30" in capsys.readouterr().out


@pytest.mark.parametrize("channels", range(1, 9))
@pytest.mark.parametrize("depth", [8, 16])
def test_an_image_of_any_kind_is_read_back_as_it_was(channels: int, depth: int) -> None:
    kind = torch.uint8 if depth == 8 else torch.uint16
    values = np.random.default_rng(channels).integers(0, 2**depth, (channels, 8, 12))
    image = torch.from_numpy(values.astype(f"u{depth // 8}"))
    assert image.dtype == kind
    content, suffix = encoded(image)
    assert suffix == (".png" if channels == 1 or (channels <= 4 and depth == 8) else ".npy")
    how = Decoding("8x12", channels, background="white", depth=depth)
    found = decode(content, f"x{suffix}", how)
    if channels in (2, 4) and suffix == ".png":  # colours are weighted by their alpha, so they are read without a resize
        found = np.asarray(Image.open(io.BytesIO(content))).transpose(2, 0, 1)
    assert np.array_equal(found, values)


def test_samples_of_16_bits_and_several_channels_are_written_whole(here: Path) -> None:
    for k in range(4):
        Path("deep").mkdir(exist_ok=True)
        np.save(f"deep/{k}.npy", np.random.default_rng(k).integers(0, 65536, (8, 8, 5)).astype(np.uint16))
    deep = ["data=folder", "data.root=deep", "data.channels=5", "data.depth=16", "data.resolution=8", "model=mlp"]
    write_run(Path("run"), compose_checked([*deep, *UNMEASURED]))
    assert seesaw(["sample", "run", "--count", "3", "--out", "a.npy"]) == 0
    assert seesaw(["sample", "run", "--count", "3", "--out", "f"]) == 0
    found = np.load("a.npy")
    assert (found.shape, found.dtype) == ((3, 8, 8, 5), np.uint16)
    assert np.array_equal(found, np.stack([np.load(f"f/{k:06d}.npy") for k in range(3)]))
    assert (found > 255).any()


def test_many_samples_are_never_all_in_memory(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Chunks are asked for one by one, each after the files of the one before are written."""
    monkeypatch.setattr(bulk, "CHUNK", 4)
    events = list[str]()
    images, encode = LatentModel.images, bulk.encoded
    monkeypatch.setattr(
        LatentModel, "images", lambda self, z, y=None: [events.append(f"made {len(z)}"), images(self, z, y)][1]
    )
    monkeypatch.setattr(bulk, "encoded", lambda image: [events.append("file"), encode(image)][1])
    assert seesaw(["sample", str(here / "plain"), "--count", "10", "--out", "a.zip"]) == 0
    assert events == ["made 1", "made 4", *["file"] * 4, "made 4", *["file"] * 4, "made 2", *["file"] * 2]


def test_names_of_classes_are_folders_only_where_they_are_safe() -> None:
    assert class_folders(3, ["cat", "dog", "red fox"]) == ["cat", "dog", "red fox"]
    for names in (["..", "b", "c"], ["a/b", "b", "c"], ["a", "A", "c"], ["a", "b"], [], ["", "b", "c"], ["/etc", "b", "c"]):
        assert class_folders(3, names) == ["0", "1", "2"]
    assert class_folders(11, [])[:2] == ["00", "01"]  # sorted by name they keep their numbers
    assert class_folders(11, [str(k) for k in range(11)])[10] == "10"


def test_mistakes_are_one_sentence_and_leave_nothing(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = str(here / "plain")
    Path("full").mkdir()
    Path("full/mine.txt").write_text("mine")
    Path("file").write_text("mine")
    for arguments, words in (
        (["--count", "0"], "--count is 0; it must be from 1 to 10000"),
        (["--count", "1000000000"], "--count is 1000000000; it must be from 1 to 10000"),
        (["--count", "10000000000", "--out", "a.npy"], "--count is 10000000000; it must be from 1 to 1000000"),
        (["--out", "a.jpg"], "--out a.jpg: the name must end in .png, .zip or .npy, or be that of a folder"),
        (["--out", "full"], "--out full: the folder is not empty"),
        (["--out", "file"], "--out file: a file stands there"),
        (["--out", "a.npy", "--class", "3"], "--class 3: this model takes no labels"),
        (["--out", "a.npy", "--psi", "0.5"], "this model has no intermediate latents w"),
    ):
        assert words in err_of(["sample", run, *arguments], capsys)
    assert sorted(p.name for p in Path().iterdir()) == ["file", "full"]
    assert Path("full/mine.txt").read_text() == "mine"


@pytest.mark.skipif(not can_mount(), reason="mounting a small disk needs root")
def test_a_full_disk_is_one_sentence_and_leaves_no_part(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with small_disk(Path("disk"), 16):
        for out in ("disk/a.npy", "disk/a.zip", "disk/folder"):
            err = err_of(["sample", str(here / "plain"), "--count", "500", "--out", out], capsys)
            assert f"{out} cannot be written: the disk is full; choose another place by --out" in err
            assert list(Path("disk").iterdir()) == []


def test_a_command_on_labels_says_which_class_it_shows(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = str(here / "labels")
    assert seesaw(["interpolate", run, "--frames", "2", "--seeds", "0,1", "--out", "a.png"]) == 0
    assert "class 0 (choose another by --class)" in capsys.readouterr().out
    assert seesaw(["nearest", run, "--count", "2", "--by", "pixels", "--class", "4", "--out", "n.png"]) == 0
    assert capsys.readouterr().out.strip().endswith("class 4")
    assert len(json.loads(Path("n.json").read_text())["samples"]) == 2
