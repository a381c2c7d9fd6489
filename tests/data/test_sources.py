import gzip
import socket
import time
from pathlib import Path

import numpy as np
import pytest
import torch
import torchvision
from sklearn.datasets import load_digits

from seesaw.data import sources
from seesaw.data.sources import IDX_FILES, digits, fashion_mnist, read_idx
from seesaw.types import UserError


@pytest.fixture(autouse=True)
def _no_debian_package(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(sources, "DEBIAN_FASHION_MNIST", tmp_path / "debian")


def idx(array: np.ndarray) -> bytes:
    return bytes([0, 0, 8, array.ndim]) + b"".join(n.to_bytes(4, "big") for n in array.shape) + array.tobytes()


def write_set(place: Path, zipped: bool, n: int = 20, size: int = 28) -> dict[str, np.ndarray]:
    """Both splits in the layout of the real files, with random contents."""
    place.mkdir(parents=True, exist_ok=True)
    rng, written = np.random.default_rng(0), {}
    for images, labels in IDX_FILES.values():
        written[images] = rng.integers(0, 256, (n, size, size), dtype=np.uint8)
        written[labels] = rng.integers(0, 10, n, dtype=np.uint8)
    for name, array in written.items():
        content = idx(array)
        (place / (name + ".gz" * zipped)).write_bytes(gzip.compress(content) if zipped else content)
    return written


def test_digits_are_the_1797_real_ones() -> None:
    reals = digits(8)
    bunch = load_digits()
    assert reals.description == "digits 1797x1x8x8"
    assert reals.images.dtype == torch.uint8
    assert reals.images.max() == 255
    assert np.abs(reals.images[:, 0].numpy() / 255 - bunch.images / 16).max() <= 0.5 / 255 + 1e-9
    assert reals.y.tolist() == bunch.target.tolist()
    assert reals.classes == 10


def test_digits_enlarged_keep_their_brightness_and_class() -> None:
    small, large = digits(8).images.double(), digits(32, channels=3).images.double()
    assert large.shape == (1797, 3, 32, 32)
    assert torch.equal(large[:, 0], large[:, 2])
    means = large[:, :1].mean((2, 3)) - small.mean((2, 3))
    assert means.abs().max() < 8
    again = torch.nn.functional.avg_pool2d(large[:, :1], 4)
    correlation = torch.corrcoef(torch.stack([again.flatten(), small.flatten()]))[0, 1]
    assert 0.95 < correlation < 1


@pytest.mark.parametrize("zipped", [False, True])
@pytest.mark.parametrize("below", ["", "FashionMNIST/raw", "fashion-mnist"])
def test_fashion_mnist_is_read_from_each_place(tmp_path: Path, below: str, zipped: bool) -> None:
    written = write_set(tmp_path / "root" / below, zipped)
    reals = fashion_mnist(28, root=str(tmp_path / "root"))
    assert reals.description == "fashion_mnist 20x1x28x28"
    assert np.array_equal(reals.images[:, 0].numpy(), written["train-images-idx3-ubyte"])
    assert reals.y.tolist() == written["train-labels-idx1-ubyte"].tolist()
    test = fashion_mnist(32, 3, root=str(tmp_path / "root"), split="test")
    assert test.description == "fashion_mnist-test 20x3x32x32"
    assert test.y.tolist() == written["t10k-labels-idx1-ubyte"].tolist()
    assert test.classes == 10


def test_our_reader_agrees_with_torchvision(tmp_path: Path) -> None:
    write_set(tmp_path / "FashionMNIST" / "raw", zipped=False)
    theirs = torchvision.datasets.FashionMNIST(tmp_path, train=False)
    ours = fashion_mnist(28, root=str(tmp_path), split="test")
    assert torch.equal(ours.images[:, 0], theirs.data)
    assert torch.equal(ours.y, theirs.targets)


def test_without_root_the_cache_then_debian_is_read(tmp_path: Path) -> None:
    write_set(tmp_path / "debian", zipped=True, n=5)
    assert len(fashion_mnist(28, cache_dir=str(tmp_path / "cache"))) == 5
    write_set(tmp_path / "cache" / "fashion-mnist", zipped=False, n=7)
    assert len(fashion_mnist(28, cache_dir=str(tmp_path / "cache"))) == 7
    with pytest.raises(UserError, match=r"leave data\.root out"):
        fashion_mnist(28, root=str(tmp_path / "elsewhere"))  # a root that was given is not silently replaced


def test_offline_the_error_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(*args: object, **kwargs: object) -> None:
        raise socket.gaierror("no network in this test")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    begin = time.perf_counter()
    with pytest.raises(UserError) as caught:
        fashion_mnist(28, cache_dir=str(tmp_path / "cache"))
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
    def download(root: str, download: bool) -> None:
        assert download
        assert socket.getdefaulttimeout() == sources.DOWNLOAD_TIMEOUT
        write_set(Path(root, "FashionMNIST", "raw"), zipped=True, n=9)

    monkeypatch.setattr(torchvision.datasets, "FashionMNIST", download)
    cache = tmp_path / "cache"
    assert len(fashion_mnist(28, cache_dir=str(cache))) == 9
    assert sorted(path.name for path in cache.iterdir()) == ["FashionMNIST"]
    monkeypatch.setattr(torchvision.datasets, "FashionMNIST", None)
    assert len(fashion_mnist(28, cache_dir=str(cache))) == 9  # the second time nothing is downloaded


@pytest.mark.parametrize(("name", "content", "message"), [
    ("a.gz", b"not gzip", "cannot be read"),
    ("a.gz", gzip.compress(idx(np.zeros((2, 3, 3), np.uint8)))[:-12], "cannot be read"),
    ("a", b"", "not an idx file"),
    ("a", b"<html>quota exceeded, try later</html>", "not an idx file"),
    ("a", idx(np.zeros(40, np.uint8)), "with 3 axes"),
    ("a", idx(np.zeros((2, 3, 3, 1), np.uint8)), "with 3 axes"),
    ("a", idx(np.zeros((2, 3, 3), np.uint8))[:-1], r"holds 17 bytes, its header says \[2, 3, 3\]"),
])  # fmt: skip
def test_damaged_idx_files_are_named(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UserError, match=f"{tmp_path / name}.*{message}"):
        read_idx(tmp_path / name, 3)


def test_images_and_labels_of_different_lengths_are_refused(tmp_path: Path) -> None:
    write_set(tmp_path, zipped=False)
    (tmp_path / IDX_FILES["train"][1]).write_bytes(idx(np.zeros(19, np.uint8)))
    with pytest.raises(UserError, match="20 images, 19 labels"):
        fashion_mnist(28, root=str(tmp_path))
