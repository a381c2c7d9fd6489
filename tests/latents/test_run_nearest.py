"""`seesaw nearest` against scikit-learn's neighbours and planted copies."""

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from sampled_runs import family_run, opened, printed_by, refused_by
from sklearn.neighbors import NearestNeighbors

from seesaw.functional.pixels import to_8_bit
from seesaw.training.build import construct


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("runs")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("SEESAW_CACHE", str(folder / "cache"))
        family_run(folder / "measured", "mlp", "data.holdout=0.2")
        family_run(folder / "plain", "dcgan")
        yield folder


@pytest.fixture
def here(runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SEESAW_CACHE", str(runs / "cache"))
    return runs


def sklearn_neighbours(x: np.ndarray, y: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    tree = NearestNeighbors(n_neighbors=k, algorithm="brute").fit(y)
    distance, index = tree.kneighbors(x)
    return distance, index


def pixels(images: torch.Tensor) -> np.ndarray:
    """Rows whose Euclidean distance is the root mean square difference of the pixels, 1 the range."""
    return images.double().flatten(1).numpy() / 255 / images[0].numel() ** 0.5


def test_pixels_are_compared_where_nothing_is_measured(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = printed_by(["nearest", str(here / "plain"), "--count", "5", "--seed", "3", "--neighbours", "2"], capsys)
    model = opened(here / "plain")
    reals = model.data().reals
    images = reals.gather(torch.arange(len(reals)))
    samples = model.images(model.latents(5, 3))
    distance, index = sklearn_neighbours(pixels(samples), pixels(images), 2)
    content = json.loads(Path("nearest.json").read_text())
    assert np.allclose([row["distance"] for row in content["samples"]], distance, rtol=1e-3, atol=1e-4)
    assert np.array_equal([row["training"] for row in content["samples"]], index)
    assert all("held_out" not in row for row in content["samples"])
    own, _ = sklearn_neighbours(pixels(images), pixels(images), 2)
    assert content["median_distance_of_training"] == pytest.approx(np.median(own[:, 1]), rel=1e-2)
    assert "of training images to their nearest others" in text
    assert "root mean square of pixels, 1 the range" in text


def test_the_sheet_has_the_nearest_sample_first_with_its_neighbours(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    printed_by(["nearest", str(here / "measured"), "--count", "6", "--neighbours", "2", "--by", "pixels"], capsys)
    content = json.loads(Path("nearest.json").read_text())
    model = opened(here / "measured")
    data = model.data()
    samples = model.images(model.latents(6, 0))
    sheet = np.asarray(Image.open("nearest.png"))
    assert sheet.shape == (6 * 66 + 2, 112 + 4 * 66 + 2)
    order = sorted(range(6), key=lambda k: content["samples"][k]["distance"][0])
    for row, k in enumerate(order):
        found = content["samples"][k]
        held = data.held_out.gather(torch.tensor([found["held_out"]]))
        expected = torch.cat([samples[k : k + 1], data.reals.gather(torch.tensor(found["training"])), held])
        for column, image in enumerate(expected):
            cell = sheet[2 + row * 66 :, 112 + 2 + column * 66 :][:64, :64]
            assert np.array_equal(cell[4::8, 4::8], image[0].numpy())


def test_features_of_the_runs_metrics_are_compared(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = printed_by(["nearest", str(here / "measured"), "--count", "5"], capsys)
    assert "features of digits" in text
    assert "of held-out images to theirs" in text
    model = opened(here / "measured")
    data, nodes = model.data(), model.setting.nodes
    extractor = construct(nodes["metrics"], "metrics").evaluator.extractor
    extractor.prepare(torch.device("cpu"))

    def features(images: torch.Tensor) -> np.ndarray:
        return extractor(to_8_bit(images)).double().numpy()

    reals, held = (features(x.gather(torch.arange(len(x)))) for x in (data.reals, data.held_out))
    samples = features(model.images(model.latents(5, 0)))
    content = json.loads(Path("nearest.json").read_text())
    distance, index = sklearn_neighbours(samples, reals, 3)
    assert np.allclose([row["distance"] for row in content["samples"]], distance, rtol=1e-3)
    assert np.array_equal([row["training"] for row in content["samples"]], index)
    apart, which = sklearn_neighbours(samples, held, 1)
    assert np.allclose([row["held_out_distance"] for row in content["samples"]], apart[:, 0], rtol=1e-3)
    assert [row["held_out"] for row in content["samples"]] == which[:, 0].tolist()
    usual, _ = sklearn_neighbours(held, reals, 1)
    assert content["median_distance_of_held_out"] == pytest.approx(np.median(usual), rel=1e-3)


def test_mistakes_are_one_sentence(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    plain = str(here / "plain")
    for arguments, words in (
        ([plain, "--by", "features"], "--by features: the run has metrics=none; give --by pixels"),
        ([plain, "--count", "0"], "--count is 0; it must be from 1 to 256"),
        ([plain, "--neighbours", "0"], "--neighbours is 0; it must be from 1 to 20"),
        ([plain, "--out", "a.gif"], "--out a.gif: the name must end in .png"),
        ([plain, "--class", "1"], "--class 1: this model takes no labels"),
    ):
        assert words in refused_by(["nearest", *arguments], capsys), arguments
    assert list(Path().iterdir()) == []
