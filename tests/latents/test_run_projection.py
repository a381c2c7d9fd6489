"""`seesaw project`: an image that G itself made is found again, in every family; what is written; mistakes."""

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from sampled_runs import FAMILIES, family_run, printed_by, refused_by
from small_disks import can_mount, small_disk

from seesaw.cli.train import main as train
from seesaw.functional.latents import norm_range
from seesaw.functional.pixels import to_stored
from seesaw.latents.model import Chosen, open_model
from seesaw.latents.project import Search, w_space, z_space
from seesaw.latents.targets import targets_of


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("runs")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        family_run(folder / "mlp", "mlp", "data.holdout=0.2", "data.labels=true")
        family_run(folder / "style", "stylegan2")
        yield folder


def figures(folder: str, name: str) -> dict[str, float]:
    found: dict[str, float] = json.loads((Path(folder) / "projection.json").read_text())["pictures"][name]
    return found


def own_image(run: Path, name: str, capsys: pytest.CaptureFixture[str], seed: int = 77) -> None:
    """A sample of the run as a picture file."""
    printed_by(["sample", str(run), "--count", "1", "--seed", str(seed), "--out", "own"], capsys)
    next(Path("own").rglob("*.png")).replace(name)


@pytest.mark.slow
@pytest.mark.parametrize("family", sorted(FAMILIES))
def test_an_image_that_g_made_is_found_again(
    family: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    run = family_run(tmp_path / "run", family)
    own_image(run, "x.png", capsys)
    printed_by(["project", "run", "x.png", "--steps", "400", "--starts", "6"], capsys)
    found = figures("projected", "x")
    assert found["distance"] < 0.12 * found["distance_random"]
    assert found["distance"] < 0.3 * found["distance_start"]
    target, made = (np.asarray(Image.open("projected/x-pair.png"), dtype=float)[2:258, k : k + 256] for k in (2, 260))
    assert np.abs(target - made).mean() < 4


@pytest.mark.slow
@pytest.mark.parametrize("family", sorted(FAMILIES))
def test_the_distance_falls_for_images_of_training_and_held_out(
    family: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of nets that were trained for a few seconds; without training a DCGAN's images are all alike."""
    monkeypatch.chdir(tmp_path)
    kimg = 20 if family == "dcgan" else 2
    brief = ("metrics=none", "logger=none", "trainer=cpu", f"kimg={kimg}", "data.holdout=0.2", "run_dir=run")
    assert train([*FAMILIES[family], *brief]) == 0
    printed_by(["project", "run", "train:3", "held-out:5", "--steps", "100"], capsys)
    for name in ("train-3", "held-out-5"):
        found = figures("projected", name)
        assert found["distance"] < 0.95 * found["distance_start"] < found["distance_random"]


def test_files_of_a_projection_fit_together(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The latent gives the right half of the pair and its figures; `interpolate` takes it."""
    own_image(here / "style", "x.png", capsys)
    text = printed_by(["project", str(here / "style"), "x.png", "--steps", "60", "--starts", "2", "--out", "p"], capsys)
    assert text.startswith("x: distance ")
    assert sorted(p.name for p in Path("p").iterdir()) == ["projection.json", "x-curve.png", "x-pair.png", "x.npy"]
    model, w = open_model(Chosen(here / "style/checkpoints/last.ckpt")), np.load("p/x.npy")
    assert w.shape == (1, 4, 16)
    assert (w == w[:, :1]).all()
    made = model.images(torch.from_numpy(w))[0, 0].numpy()
    pair = np.asarray(Image.open("p/x-pair.png"))
    assert pair.shape == (260, 2 * 258 + 2)
    assert np.array_equal(pair[2:258, 260:516][16::32, 16::32], made)
    assert np.array_equal(pair[2:258, 2:258][16::32, 16::32], np.asarray(Image.open("x.png")))
    mse = ((made - np.asarray(Image.open("x.png"), dtype=float)) ** 2).mean()
    assert figures("p", "x")["psnr"] == pytest.approx(10 * np.log10(255**2 / mse), rel=1e-6)
    assert figures("p", "x")["distance"] < figures("p", "x")["distance_start"] < figures("p", "x")["distance_random"]
    with Image.open("p/x-curve.png") as curve:
        assert curve.size == (600, 400)
    printed_by(["interpolate", str(here / "style"), "--latents", "p/x.npy", "p/x.npy", "--frames", "2", "--out", "a.png"], capsys)


def test_images_of_the_run_are_projected_with_their_class(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = str(here / "mlp")
    model = open_model(Chosen(here / "mlp/checkpoints/last.ckpt"))
    data = model.data()
    text = printed_by(["project", run, "train:3", "held-out:2", "--steps", "5", "--out", "p"], capsys)
    for part, number, images in (("train", 3, data.reals), ("held-out", 2, data.held_out)):
        row = torch.tensor([number])
        found = figures("p", f"{part}-{number}")
        assert found["class"] == int(images.labels(row)[0])
        assert f"{part}-{number}: distance" in text
        pair = np.asarray(Image.open(f"p/{part}-{number}-pair.png"))
        assert np.array_equal(pair[2:258, 2:258][16::32, 16::32], images.gather(row)[0, 0].numpy())
        z = torch.from_numpy(np.load(f"p/{part}-{number}.npy"))
        low, high = norm_range(model.z_dim)
        assert low * 0.999 <= z.norm() <= high * 1.001
        made = model.images(z, torch.tensor([found["class"]]))[0, 0].numpy()
        assert np.array_equal(pair[2:258, 260:516][16::32, 16::32], made)
    printed_by(["project", run, "train:3", "--steps", "5", "--class", "6", "--out", "q"], capsys)
    assert figures("q", "train-3")["class"] == 6


def test_a_picture_without_a_class_gets_the_nearest_one(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    printed_by(["sample", str(here / "mlp"), "--count", "1", "--seed", "5", "--class", "8", "--out", "own"], capsys)
    printed_by(["project", str(here / "mlp"), "own/8/000000.png", "--steps", "150", "--starts", "8"], capsys)
    found = figures("projected", "000000")
    assert found["distance"] < 0.5 * found["distance_start"]
    assert 0 <= found["class"] <= 9


def test_spaces_start_where_the_paper_has_it(here: Path) -> None:
    model = open_model(Chosen(here / "style/checkpoints/last.ckpt"))
    space = w_space(model, None, 0)
    w = model.w_samples(10_000)
    assert space.first is not None
    torch.testing.assert_close(space.first[0], w.mean(0))
    expected = (w - w.mean(0)).square().sum(1).mean().sqrt() / 4  # of one of 16 numbers
    assert space.noise == space.scale == pytest.approx(expected.item(), rel=1e-4)
    z = z_space(model, None, 0)
    assert torch.equal(z.candidates, model.latents(1000, 0))
    assert (z.noise, z.first) == (0, None)
    image = to_stored(z.render(z.candidates[:1], None))
    assert torch.equal(image, model.images(z.candidates[:1]))
    assert Search().space is None


def test_pictures_are_brought_to_the_shape_of_the_data(here: Path) -> None:
    model = open_model(Chosen(here / "style/checkpoints/last.ckpt"))
    Path("a").mkdir()
    for name in ("a/x.png", "x.png", "x.jpg"):
        Image.new("RGB", (40, 20), (200, 100, 50)).save(name)
    targets = targets_of(model, ["a/x.png", "x.png", "x.jpg"])
    assert [t.name for t in targets] == ["x", "x-2", "x-3"]
    assert all(t.image.shape == (1, 1, 8, 8) and t.image.dtype == torch.uint8 for t in targets)
    assert (targets[0].image == round(0.299 * 200 + 0.587 * 100 + 0.114 * 50)).all()


def test_mistakes_are_one_sentence(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    mlp, style = str(here / "mlp"), str(here / "style")
    Image.new("L", (20, 20)).save("x.png")
    Path("no.png").write_text("no picture")
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (20, 20), np.uint8)).save("torn.png")
    Path("torn.png").write_bytes(Path("torn.png").read_bytes()[:200])
    Path("full").mkdir()
    Path("full/a").write_text("mine")
    for arguments, words in (
        ([mlp, "gone.png"], "gone.png cannot be read: No such file or directory"),
        ([mlp, "no.png"], "no.png is not a picture that can be read: not an image"),
        ([mlp, "torn.png"], "torn.png cannot be read: it is not an image that can be read"),
        ([mlp, "full"], "full cannot be read: Is a directory"),
        ([mlp, "x.png", "--space", "w"], "this model has no intermediate latents w"),
        ([mlp, "x.png", "--class", "10"], "--class 10: there is no such class; give a number from 0 to 9"),
        ([style, "x.png", "--class", "1"], "--class 1: this model takes no labels"),
        ([mlp, "x.png", "--steps", "0"], "--steps is 0; it must be from 1 to 100000"),
        ([mlp, "x.png", "--starts", "0"], "--starts is 0; it must be from 1 to 256"),
        ([mlp, "x.png", "--lr", "0"], "--lr is 0; it must be above 0"),
        ([mlp, "x.png", "--out", "full"], "--out full: the folder is not empty"),
        ([mlp, "x.png", "--out", "x.png"], "--out x.png: a file stands there"),
        ([mlp, "train:99999"], "train:99999: there are 1,"),
        ([style, "held-out:0"], "held-out:0: the run holds no images out; it had no data.holdout"),
        ([mlp, "x.png", "data.rot=x"], "there is no 'rot' in the data of the run"),
    ):
        assert words in refused_by(["project", *arguments], capsys), arguments
    assert not Path("projected").exists()


@pytest.mark.skipif(not can_mount(), reason="mounting a small disk needs root")
def test_a_full_disk_is_one_sentence(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Image.new("L", (20, 20), 9).save("x.png")
    with small_disk(Path("disk"), 4):
        err = refused_by(["project", str(here / "mlp"), "x.png", "--steps", "1", "--out", "disk/p"], capsys)
        assert "cannot be written: the disk is full; choose another place" in err
