"""Keyed randomness and atomic writes."""

import errno
import os
from pathlib import Path
from typing import BinaryIO

import pytest
import torch

from seesaw.errors import UserError
from seesaw.functional.rng import reseed
from seesaw.util import MAX_NODES, atomic_write, check_size, key, remove_temporary_of, whole_folder


def test_keys_are_stable_and_distinct() -> None:
    assert key(1, 2, "D") == key(1, 2, "D")
    keys = {key(seed, images, phase) for seed in range(20) for images in range(0, 640, 64) for phase in ("D", "G", "z")}
    assert len(keys) == 20 * 10 * 3
    assert all(0 <= k < 2**63 for k in keys)


def test_parts_do_not_run_together() -> None:
    assert key(1, 23) != key(12, 3)


def test_reseed_makes_unnamed_draws_repeat() -> None:
    device = torch.device("cpu")
    reseed(7, device)
    first = torch.rand(3)
    torch.rand(10)
    reseed(7, device)
    torch.testing.assert_close(torch.rand(3), first, rtol=0, atol=0)
    reseed(8, device)
    assert not torch.equal(torch.rand(3), first)


def test_atomic_write_replaces_the_whole_file_and_makes_the_folder(tmp_path: Path) -> None:
    path = tmp_path / "new" / "größe.txt"
    for content in ("ä", b"bytes", lambda file: file.write(b"by a function")):
        atomic_write(path, content)
    assert path.read_bytes() == b"by a function"
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def test_content_is_on_the_disk_before_it_replaces_the_former(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    steps: list[str] = []
    replace = os.replace
    monkeypatch.setattr(os, "fsync", lambda file: steps.append(f"{os.fstat(file).st_size} bytes"))
    monkeypatch.setattr(os, "replace", lambda *names: (steps.append("replaced"), replace(*names)))
    atomic_write(tmp_path / "a", "four")
    assert steps == ["4 bytes", "replaced"]


def test_failed_write_leaves_the_former_file_alone_and_no_other(tmp_path: Path) -> None:
    path = tmp_path / "status.json"
    atomic_write(path, "former")

    def full(file: BinaryIO) -> None:
        file.write(b"half")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with pytest.raises(UserError, match=r"status.json cannot be written: the disk is full; make room$"):
        atomic_write(path, full, "make room")
    assert path.read_text() == "former"
    assert [file.name for file in tmp_path.iterdir()] == [path.name]


def test_unwritable_place_gives_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match=r"x.txt cannot be written: "):
        atomic_write(tmp_path / "file" / "x.txt", "text")
    (tmp_path / f".x.tmp{os.getpid()}.txt").symlink_to("/dev/full")
    with pytest.raises(UserError, match="the disk is full"):
        atomic_write(tmp_path / "x.txt", "text")


def test_configurations_that_multiply_or_contain_themselves_are_refused_at_once() -> None:
    check_size({"a": [1, {"b": (2, 3)}], "c": {}})
    check_size(list(range(MAX_NODES - 1)))
    with pytest.raises(ValueError, match="more than 100,000 values"):
        check_size(list(range(MAX_NODES)))
    shared: list[object] = [1] * 10
    for _ in range(30):  # 10^31 values, which no walk ends
        shared = [shared] * 10
    with pytest.raises(ValueError, match="more than 100,000 values"):
        check_size({"a": shared})
    itself: dict[str, object] = {}
    itself["a"] = itself
    with pytest.raises(ValueError, match="more than 60 levels"):
        check_size(itself)


def test_an_error_of_what_is_written_is_not_called_one_of_the_disk(tmp_path: Path) -> None:
    """A network that runs while its images are written may fail, as by too little memory."""

    def fails(file: object) -> None:
        raise RuntimeError("CUDA out of memory")

    with pytest.raises(RuntimeError, match="CUDA out of memory"):
        atomic_write(tmp_path / "a.zip", fails)
    assert list(tmp_path.iterdir()) == []


def test_a_whole_folder_fills_one_that_is_there_from_within(tmp_path: Path) -> None:
    """A mount point takes no files from outside by renaming, and its parent may be another's. What a killed process left goes."""
    path = tmp_path / "there"
    path.mkdir()
    left = path / f".folder.tmp{2**22 + 1}"
    left.mkdir()
    (left / "a").touch()
    with whole_folder(path, "elsewhere") as folder:
        assert folder.parent == path
        (folder / "b").touch()
    assert sorted(p.name for p in path.iterdir()) == [left.name, "b"]
    remove_temporary_of(path)
    assert [p.name for p in path.iterdir()] == ["b"]


def test_a_whole_folder_that_fails_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"new cannot be written: .*; elsewhere"), whole_folder(tmp_path / "new", "elsewhere"):
        raise OSError(28, "No space left on device")
    assert list(tmp_path.iterdir()) == []
