"""`seesaw interpolate`, `mix` and `film`: what their pictures show."""

from collections.abc import Iterator
from pathlib import Path

import imageio_ffmpeg
import numpy as np
import pytest
import torch
from PIL import Image
from sampled_runs import family_run, opened, printed_by, refused_by

from seesaw.functional.latents import slerp
from seesaw.latents.video import enlarged


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("runs")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        family_run(folder / "style", "stylegan2")
        family_run(folder / "mlp", "mlp")
        yield folder


def webp(path: str) -> np.ndarray:
    """The frames in grey, one pixel for each of the 8x8 images."""
    found = []
    with Image.open(path) as film:
        for k in range(film.n_frames):
            film.seek(k)
            found.append(np.asarray(film.convert("L"))[16::32, 16::32])
    return np.stack(found)


def test_a_film_goes_through_the_images_of_its_seeds(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = str(here / "mlp")
    text = printed_by(["interpolate", run, "--seeds", "4,7,5", "--frames", "5", "--out", "a.webp"], capsys)
    assert "11 frames through 3 key frames, slerp in z, of the averaged generator" in text
    found, model = webp("a.webp"), opened(here / "mlp")
    assert len(found) == 11
    for k, seed in enumerate((4, 7, 5)):
        assert printed_by(["sample", run, "--count", "1", "--seed", str(seed), "--out", "one.npy"], capsys)
        assert np.array_equal(found[5 * k], np.load("one.npy")[0, :, :, 0])
    a, b = model.of_seeds([4, 7])
    between = model.images(slerp(a, b, torch.tensor([0.4]))[None])[0, 0].numpy()
    assert np.array_equal(found[2], between)


def test_a_loop_has_as_many_frames_for_the_way_back(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = str(here / "mlp")
    for suffix, count in (("gif", 6), ("mp4", 6)):
        command = ["interpolate", run, "--seeds", "1-2", "--frames", "3", "--loop", "--how", "linear", "--out", f"a.{suffix}"]
        assert f"{count} frames through 2 key frames and back to the first, linear in z" in printed_by(command, capsys)
    with Image.open("a.gif") as film:
        assert film.n_frames == 6
    assert imageio_ffmpeg.count_frames_and_secs("a.mp4")[0] == 6


def test_in_w_the_line_is_taken_and_truncation_shortens_the_way(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run, model = str(here / "style"), opened(here / "style")
    text = printed_by(["interpolate", run, "--seeds", "1,2", "--frames", "4", "--out", "a.webp"], capsys)
    assert "linear in w" in text
    a, b = model.w(model.of_seeds([1, 2]))
    assert np.array_equal(webp("a.webp")[1], model.images((0.75 * a + 0.25 * b)[None])[0, 0].numpy())
    printed_by(["interpolate", run, "--seeds", "1,2", "--frames", "4", "--space", "z", "--out", "z.webp"], capsys)
    assert np.array_equal(webp("a.webp")[0], webp("z.webp")[0])
    assert not np.array_equal(webp("a.webp")[2], webp("z.webp")[2])
    text = printed_by(["interpolate", run, "--seeds", "1,2", "--frames", "4", "--psi", "0", "--out", "b.png"], capsys)
    assert "truncated by psi 0" in text
    cell = np.asarray(Image.open("b.png"))[2:66, 2:66]
    assert np.array_equal(cell, np.asarray(Image.open("b.png"))[2:66, 68:132])  # all of them the mean


def test_key_frames_come_from_files_too(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model, run = opened(here / "style"), str(here / "style")
    w = model.w(model.of_seeds([3, 8]))
    np.save("w.npy", w.numpy())
    np.save("first.npy", w[:1].numpy())
    np.save("z.npy", model.of_seeds([3, 8]).numpy())
    text = printed_by(["interpolate", run, "--latents", "w.npy", "first.npy", "--frames", "2", "--out", "a.webp"], capsys)
    assert "5 frames through 3 key frames, linear in w" in text
    assert np.array_equal(webp("a.webp")[2], model.images(w)[1, 0].numpy())
    assert np.array_equal(webp("a.webp")[4], webp("a.webp")[0])
    assert "slerp in z" in printed_by(["interpolate", run, "--latents", "z.npy", "--frames", "2", "--out", "b.webp"], capsys)
    np.save("short.npy", np.ones((2, 3), np.float32))
    np.save("nan.npy", np.full((2, 16), np.nan, np.float32))
    np.save("text.npy", np.array(["a"]))
    np.save("objects.npy", np.array([{}], dtype=object), allow_pickle=True)
    Path("no.npy").write_text("no array")
    for files, words in (
        (["first.npy"], "first.npy holds one latent; a film needs two key frames"),
        (["short.npy"], "short.npy holds 3 numbers a latent; this model takes 16 numbers (z) or 4x16 (w)"),
        (["nan.npy"], "nan.npy holds no latents: some are not finite"),
        (["text.npy"], "text.npy cannot be read as latents"),
        (["objects.npy"], "objects.npy cannot be read as latents"),
        (["no.npy"], "no.npy cannot be read as latents"),
        (["gone.npy"], "gone.npy cannot be read as latents: No such file or directory"),
        (["z.npy", "w.npy"], "w.npy and z.npy hold latents of different spaces"),
        (["w.npy", "--space", "z"], "--space z: w.npy holds w"),
    ):
        assert words in refused_by(["interpolate", run, "--latents", *files], capsys)


def test_mixing_takes_the_fine_layers_from_the_columns(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run, model = str(here / "style"), opened(here / "style")
    text = printed_by(["mix", run, "--rows", "1,2", "--columns", "5-7", "--layers", "2-3", "--out", "m.png"], capsys)
    assert "2 rows and 3 columns; layers 2 to 3 of 4, counted from the coarsest, come from the columns" in text
    sheet = np.asarray(Image.open("m.png"))
    cells = [[sheet[2 + 66 * i :, 2 + 66 * j :][:64, :64] for j in range(4)] for i in range(3)]
    assert sheet.shape == (3 * 66 + 2, 4 * 66 + 2)
    rows, columns = model.w(model.of_seeds([1, 2])), model.w(model.of_seeds([5, 6, 7]))
    for i, row in enumerate(rows):
        assert np.array_equal(cells[i + 1][0], enlarged(model.images(row[None])[0, 0].numpy(), 64))
        for j, column in enumerate(columns):
            w = torch.cat([row[:2], column[2:]])[None]
            assert np.array_equal(cells[0][j + 1], enlarged(model.images(column[None])[0, 0].numpy(), 64))
            assert np.array_equal(cells[i + 1][j + 1], enlarged(model.images(w)[0, 0].numpy(), 64))
    assert "layers 0 to 3 of 4" in printed_by(["mix", run, "--layers", "0-3", "--rows", "1", "--columns", "5"], capsys)
    sheet = np.asarray(Image.open("mix.png"))
    assert np.array_equal(sheet[68:132, 68:132], sheet[2:66, 68:132])  # all layers of the column


def test_a_film_of_training_has_the_time_on_each_grid(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("run/samples").mkdir(parents=True)
    for name, level in (("000000", 40), ("000001_500", 120), ("000012", 200)):
        Image.new("L", (100, 60), level).save(f"run/samples/{name}.png")
    Image.fromarray(np.full((30, 50), 200 * 257, np.uint16)).save("run/samples/000014.png")  # smaller, of 16 bits
    Image.new("L", (9, 9)).save("run/samples/000012-scales.png")
    text = printed_by(["film", "run", "--fps", "2", "--hold", "2", "--out", "a.webp"], capsys)
    assert text.startswith("a.webp: 7 frames of 4 grids, from 0 to 14 kimg of run")
    with Image.open("a.webp") as film:
        assert film.n_frames == 4  # of frames that do not change webp makes one that stays
        shown = []
        for k in range(4):
            film.seek(k)
            shown.append(np.asarray(film.convert("L")))
    band = 28 * 3
    assert [frame[band:].mean().round() for frame in shown] == [40, 120, 200, 200]
    assert all((frame[:band] > 200).any() for frame in shown)
    assert not np.array_equal(shown[2][:band], shown[3][:band])
    printed_by(["film", "run", "--fps", "2", "--hold", "2", "--out", "a.mp4"], capsys)
    assert imageio_ffmpeg.count_frames_and_secs("a.mp4") == (7, pytest.approx(3.5, abs=0.1))
    assert "4 frames of 4 grids" in printed_by(["film", "run", "--out", "a.png"], capsys)


def test_mistakes_are_one_sentence(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    mlp, style = str(here / "mlp"), str(here / "style")
    Path("run/samples").mkdir(parents=True)
    Path("run/samples/000000.png").write_text("no picture")
    for arguments, words in (
        (["interpolate", mlp, "--space", "w"], "this model has no intermediate latents w, as those of StyleGAN2 are; use z"),
        (["interpolate", mlp, "--psi", "0.5"], "this model has no intermediate latents w to truncate"),
        (["interpolate", mlp, "--frames", "0"], "--frames is 0; it must be from 1 to 10000"),
        (["interpolate", mlp, "--seeds", "1"], "--seeds 1: give from 2 to 1000 seeds"),
        (["interpolate", mlp, "--seeds", "1,b"], "--seeds 1,b: give numbers and ranges such as 0,3,10-15"),
        (["interpolate", mlp, "--seeds", "9-2"], "--seeds 9-2: give numbers and ranges"),
        (["interpolate", mlp, "--seeds", "1,2", "--latents", "a.npy"], "both name the key frames; give one of them"),
        (["interpolate", mlp, "--out", "a.mov"], "--out a.mov: the name must end in one of .mp4"),
        (["interpolate", mlp, "--class", "1"], "--class 1: this model takes no labels"),
        (["interpolate", "gone"], "gone: there is no such run folder or checkpoint"),
        (["interpolate", mlp, "--seeds", "0-99", "--frames", "2000"], "100 key frames with --frames 2000 are 200,000 frames"),
        (["mix", style, "--rows", "0-40"], "--rows 0-40: give numbers and ranges such as 0,3,10-15, at most 32 seeds"),
        (["mix", mlp], "this model has no intermediate latents w to mix; mixing is for StyleGAN2"),
        (["mix", style, "--layers", "2-9"], "--layers 2-9: this model has layers 0 (coarsest) to 3 (finest)"),
        (["mix", style, "--layers", "3-2"], "--layers 3-2: give the first and the last layer"),
        (["mix", style, "--out", "a.gif"], "--out a.gif: the name must end in .png"),
        (["film", "gone"], "gone: there is no such run folder"),
        (["film", style], "holds no grids of samples"),
        (["film", "run"], "run/samples/000000.png is not a picture that can be read"),
        (["film", "run", "--hold", "-1"], "--hold is -1; it must be from 0 to 60"),
        (["film", "run", "--fps", "0"], "--fps is 0; it must be from 0.1 to 60"),
    ):
        assert words in refused_by(arguments, capsys), arguments
    assert [p.name for p in Path().iterdir()] == ["run"]
