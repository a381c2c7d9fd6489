"""CIFAR-10, binary and pickled, against torchvision."""

import hashlib
import io
import pickle
import shutil
import socket
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torchvision

from seesaw.data.images import ImageSet
from seesaw.data.sources.cifar10 import BATCHES, CIFAR10
from seesaw.errors import UserError

RNG = np.random.default_rng(0)
N = 4  # rows of a file


def cifar10(resolution: int, channels: int = 3, **options: Any) -> ImageSet:
    return CIFAR10(resolution=resolution, channels=channels, batch_size=8, **options).reals


@pytest.fixture
def rows() -> dict[str, np.ndarray]:
    found = {}
    for name in (*BATCHES["train"], *BATCHES["test"]):
        found[name] = RNG.integers(0, 256, (N, 3073), dtype=np.uint8)
        found[name][:, 0] %= 10
    return found


def write_binary(folder: Path, rows: dict[str, np.ndarray]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, table in rows.items():
        table.tofile(folder / name)


def write_pickled(root: Path, rows: dict[str, np.ndarray], monkeypatch: pytest.MonkeyPatch) -> None:
    """What torchvision opens, its list of MD5 sums made to fit."""
    folder = root / "cifar-10-batches-py"
    folder.mkdir(parents=True)
    sums: dict[str, list[list[str]]] = {"train": [], "test": []}
    for split, names in BATCHES.items():
        for name in names:
            content = pickle.dumps({"data": rows[name][:, 1:], "labels": rows[name][:, 0].tolist()})
            (folder / name.removesuffix(".bin")).write_bytes(content)
            sums[split].append([name.removesuffix(".bin"), hashlib.md5(content).hexdigest()])
    meta = pickle.dumps({"label_names": list("abcdefghij")})
    (folder / "batches.meta").write_bytes(meta)
    theirs: Any = torchvision.datasets.CIFAR10
    monkeypatch.setattr(theirs, "train_list", sums["train"])
    monkeypatch.setattr(theirs, "test_list", sums["test"])
    monkeypatch.setattr(theirs, "meta", theirs.meta | {"md5": hashlib.md5(meta).hexdigest()})


@pytest.mark.parametrize("below", ["", "cifar-10-batches-bin"])
def test_the_binary_version_is_read_from_a_folder(below: str, rows: dict[str, np.ndarray], tmp_path: Path) -> None:
    write_binary(tmp_path / below, rows)
    reals = cifar10(32, root=str(tmp_path))
    whole = np.concatenate([rows[name] for name in BATCHES["train"]])
    assert reals.description == f"cifar10 {5 * N}x3x32x32"
    assert np.array_equal(reals.images.numpy(), whole[:, 1:].reshape(-1, 3, 32, 32))
    assert reals.y is not None
    assert reals.y.tolist() == whole[:, 0].tolist()
    assert cifar10(16, 1, root=str(tmp_path), split="test").description == f"cifar10-test {N}x1x16x16"


def test_the_archive_is_read_without_unpacking(rows: dict[str, np.ndarray], tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "cifar-10-binary.tar.gz", "w:gz") as tar:
        for name, table in rows.items():
            info = tarfile.TarInfo(f"cifar-10-batches-bin/{name}")
            info.size = table.nbytes
            tar.addfile(info, io.BytesIO(table.tobytes()))
    for root in (tmp_path, tmp_path / "cifar-10-binary.tar.gz"):
        assert np.array_equal(
            cifar10(32, root=str(root), split="test").images.numpy().reshape(N, -1), rows["test_batch.bin"][:, 1:]
        )
    assert [p.name for p in tmp_path.iterdir()] == ["cifar-10-binary.tar.gz"]


def test_the_python_version_agrees_with_the_binary_one(
    rows: dict[str, np.ndarray], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_binary(tmp_path / "binary", rows)
    write_pickled(tmp_path / "python", rows, monkeypatch)
    for split in BATCHES:
        one, other = (cifar10(32, root=str(tmp_path / kind), split=split) for kind in ("binary", "python"))
        assert torch.equal(one.images, other.images)
        assert torch.equal(one.y, other.y)  # type: ignore[arg-type]


def test_a_pickle_with_another_sum_is_never_opened(
    rows: dict[str, np.ndarray], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Evil:
        def __reduce__(self) -> tuple[Any, ...]:
            return Path.touch, (tmp_path / "ran",)

    write_pickled(tmp_path, rows, monkeypatch)
    (tmp_path / "cifar-10-batches-py" / "data_batch_1").write_bytes(pickle.dumps(Evil()))
    with pytest.raises(UserError, match="CIFAR-10 was not found whole"):
        cifar10(32, root=str(tmp_path))
    assert not (tmp_path / "ran").exists()


def test_a_download_takes_the_place_of_a_torn_folder(
    rows: dict[str, np.ndarray], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_pickled(tmp_path / "server", rows, monkeypatch)
    torn = tmp_path / "cache" / "cifar-10-batches-py"
    torn.mkdir(parents=True)
    (torn / "data_batch_1").write_bytes(b"half")
    theirs = torchvision.datasets.CIFAR10

    def fetched(root: str, train: bool = True, download: bool = False) -> Any:
        if download:
            shutil.copytree(tmp_path / "server" / "cifar-10-batches-py", Path(root) / "cifar-10-batches-py")
        return theirs(root, train=train)

    monkeypatch.setattr(torchvision.datasets, "CIFAR10", fetched)
    assert len(cifar10(32, cache_dir=str(tmp_path / "cache"))) == 5 * N
    assert sorted(p.name for p in (tmp_path / "cache").iterdir()) == ["cifar-10-batches-py"]


def test_offline_the_error_names_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: object, **kwargs: object) -> None:
        raise socket.gaierror("no network in this test")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    with pytest.raises(UserError) as caught:
        cifar10(32, cache_dir=str(tmp_path / "cache"))
    for part in ("no network in this test", "cifar-10-binary.tar.gz", "cifar-10-batches-bin", str(tmp_path), "kriz"):
        assert part in str(caught.value)
    assert "\n" not in str(caught.value)
    assert list((tmp_path / "cache").iterdir()) == []


@pytest.mark.parametrize(
    ("content", "sentence"),
    [(b"", "holds 0 bytes"), (b"x" * 3072, "no multiple of 3073"), (b"\xff" * 3073, "the label 255")],
)
def test_damaged_files_are_named(content: bytes, sentence: str, rows: dict[str, np.ndarray], tmp_path: Path) -> None:
    write_binary(tmp_path, rows)
    (tmp_path / "test_batch.bin").write_bytes(content)
    with pytest.raises(UserError, match=f"test_batch.bin.*{sentence}"):
        cifar10(32, root=str(tmp_path), split="test")


def test_a_torn_archive_is_named(tmp_path: Path) -> None:
    (tmp_path / "cifar-10-binary.tar.gz").write_bytes(b"<html>quota exceeded</html>")
    with pytest.raises(UserError, match=r"cifar-10-binary.tar.gz cannot be read"):
        cifar10(32, root=str(tmp_path))
