import gzip
import socket
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torchvision

from seesaw.data.images import ImageSet
from seesaw.data.sources.download import TIMEOUT
from seesaw.data.sources.mnist import IDX_FILES, MNIST, FashionMNIST, read_idx
from seesaw.errors import Notice, UserError

pytestmark = pytest.mark.filterwarnings("ignore:.*a part of it:seesaw.errors.Notice")


@pytest.fixture(autouse=True)
def _no_debian_package(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(FashionMNIST, "system", tmp_path / "debian" / "fashion-mnist")


def options(**given: Any) -> dict[str, Any]:
    return {"resolution": 32, "channels": 1, "batch_size": 8} | given


def fashion_mnist(**given: Any) -> ImageSet:
    return FashionMNIST(**options(**given)).reals


def written_as(array: np.ndarray) -> bytes:
    return bytes([0, 0, 8, array.ndim]) + b"".join(n.to_bytes(4, "big") for n in array.shape) + array.tobytes()


def write_set(place: Path, zipped: bool, n: int = 20, size: int = 28) -> dict[str, np.ndarray]:
    """Both splits in the layout of the real files, with random contents."""
    place.mkdir(parents=True, exist_ok=True)
    rng, written = np.random.default_rng(0), {}
    for images, labels in IDX_FILES.values():
        written[images] = rng.integers(0, 256, (n, size, size), dtype=np.uint8)
        written[labels] = rng.integers(0, 10, n, dtype=np.uint8)
    for name, array in written.items():
        content = written_as(array)
        (place / (name + ".gz" * zipped)).write_bytes(gzip.compress(content) if zipped else content)
    return written


@pytest.mark.parametrize("zipped", [False, True])
@pytest.mark.parametrize("below", ["", "FashionMNIST/raw", "fashion-mnist"])
def test_fashion_mnist_is_read_from_each_place(tmp_path: Path, below: str, zipped: bool) -> None:
    written = write_set(tmp_path / "root" / below, zipped)
    data = FashionMNIST(**options(root=str(tmp_path / "root")))
    images, y = data.read()
    assert np.array_equal(images[:, 0].numpy(), written["train-images-idx3-ubyte"])
    assert y.tolist() == written["train-labels-idx1-ubyte"].tolist()
    assert data.reals.description == "fashion_mnist 20x1x32x32"
    test = fashion_mnist(channels=3, root=str(tmp_path / "root"), split="test")
    assert test.description == "fashion_mnist-test 20x3x32x32"
    assert test.y.tolist() == written["t10k-labels-idx1-ubyte"].tolist()
    assert test.classes == 10


def test_mnist_is_read_likewise_and_not_from_fashion_mnists_places(tmp_path: Path) -> None:
    written = write_set(tmp_path / "MNIST" / "raw", zipped=True)
    write_set(tmp_path / "fashion-mnist", zipped=False, n=3)
    data = MNIST(**options(cache_dir=str(tmp_path)))
    with pytest.warns(Notice, match="holds 20 images, MNIST has 60,000: a part of it"):
        assert data.reals.description == "mnist 20x1x32x32"
    assert np.array_equal(data.read()[0][:, 0].numpy(), written["train-images-idx3-ubyte"])
    with pytest.raises(UserError, match=r"data.root=.*: MNIST was not found"):
        MNIST(**options(root=str(tmp_path / "fashion-mnist" / "below"))).prepare()


def test_our_reader_agrees_with_torchvision(tmp_path: Path) -> None:
    write_set(tmp_path / "FashionMNIST" / "raw", zipped=False)
    theirs = torchvision.datasets.FashionMNIST(tmp_path, train=False)
    images, y = FashionMNIST(**options(root=str(tmp_path), split="test")).read()
    assert torch.equal(images[:, 0], theirs.data)
    assert torch.equal(y, theirs.targets)


def test_without_root_the_cache_then_debian_is_read(tmp_path: Path) -> None:
    write_set(tmp_path / "debian" / "fashion-mnist", zipped=True, n=5)
    assert len(fashion_mnist(cache_dir=str(tmp_path / "cache"))) == 5
    write_set(tmp_path / "cache" / "fashion-mnist", zipped=False, n=7)
    assert len(fashion_mnist(cache_dir=str(tmp_path / "cache"))) == 7
    with pytest.raises(UserError, match=r"leave data\.root out"):
        fashion_mnist(root=str(tmp_path / "elsewhere"))  # a root that was given is not silently replaced


def test_offline_the_error_names_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(*args: object, **kwargs: object) -> None:
        raise socket.gaierror("no network in this test")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    begin = time.perf_counter()
    with pytest.raises(UserError) as caught:
        fashion_mnist(cache_dir=str(tmp_path / "cache"))
    assert time.perf_counter() - begin < 5
    message = str(caught.value)
    names = [name for pair in IDX_FILES.values() for name in pair]
    places = ["cache/FashionMNIST/raw", "cache/fashion-mnist", "debian"]
    for part in [*names, *(str(tmp_path / place) for place in places), "dataset-fashion-mnist", "no network in this"]:
        assert part in message
    assert "\n" not in message
    assert capsys.readouterr().out == ""
    assert list((tmp_path / "cache").iterdir()) == []
    assert socket.getdefaulttimeout() is None


def test_a_download_is_moved_into_the_cache_and_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fetch(root: str, download: bool) -> None:
        assert download
        assert socket.getdefaulttimeout() == TIMEOUT
        write_set(Path(root, "FashionMNIST", "raw"), zipped=True, n=9)

    monkeypatch.setattr(torchvision.datasets, "FashionMNIST", fetch)
    cache = tmp_path / "cache"
    assert len(fashion_mnist(cache_dir=str(cache))) == 9
    assert sorted(path.name for path in cache.iterdir()) == ["FashionMNIST"]
    monkeypatch.setattr(torchvision.datasets, "FashionMNIST", None)
    assert len(fashion_mnist(cache_dir=str(cache))) == 9  # the second time nothing is downloaded


@pytest.mark.parametrize(("name", "content", "message"), [
    ("a.gz", b"not gzip", "cannot be read"),
    ("a.gz", gzip.compress(written_as(np.zeros((2, 3, 3), np.uint8)), mtime=0)[:-12], "cannot be read"),
    ("a", b"", "not an idx file"),
    ("a", b"<html>quota exceeded, try later</html>", "not an idx file"),
    ("a", written_as(np.zeros(40, np.uint8)), "with 3 axes"),
    ("a", written_as(np.zeros((2, 3, 3, 1), np.uint8)), "with 3 axes"),
    ("a", written_as(np.zeros((2, 3, 3), np.uint8))[:-1], r"holds 17 bytes, its header gives \[2, 3, 3\]"),
])  # fmt: skip
def test_damaged_idx_files_are_named(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UserError, match=f"{tmp_path / name}.*{message}"):
        read_idx(tmp_path / name, 3)


def test_images_and_labels_of_different_lengths_are_refused(tmp_path: Path) -> None:
    write_set(tmp_path, zipped=False)
    (tmp_path / IDX_FILES["train"][1]).write_bytes(written_as(np.zeros(19, np.uint8)))
    with pytest.raises(UserError, match="20 images, 19 labels"):
        fashion_mnist(root=str(tmp_path))
