"""Caches that several users share, on storage that may be read-only or change under a run, with what killed processes left."""

import errno
import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from hostile import GOOD

from seesaw.data.prepare import write as module
from seesaw.data.prepare.decode import Decoding
from seesaw.data.prepare.prepared import open_prepared
from seesaw.data.prepare.tree import open_tree
from seesaw.data.prepare.write import Plan, prepare
from seesaw.errors import UserError


def plan_of(root: Path, name: str = "test") -> Plan:
    root.mkdir(exist_ok=True)
    (root / "1.png").write_bytes(GOOD["rgb.png"][0])
    return Plan(name, open_tree(root), Decoding(16, 3))


@pytest.mark.parametrize("umask", [0o002, 0o022, 0o077])
def test_modes_follow_the_umask(umask: int, tmp_path: Path) -> None:
    plan = plan_of(tmp_path / "set")
    before = os.umask(umask)
    try:
        open_prepared(prepare(plan, tmp_path / "cache")).level(8)
    finally:
        os.umask(before)
    for path in (tmp_path / "cache").rglob("*"):
        full = 0o777 if path.is_dir() else 0o666
        assert stat.S_IMODE(path.stat().st_mode) == full & ~umask, path


def test_a_whole_set_on_read_only_storage_is_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = plan_of(tmp_path / "set")
    folder = prepare(plan, tmp_path / "cache")
    expected = open_prepared(folder).level(8).images
    (folder / "images-8.npy").unlink()
    before = sorted((tmp_path / "cache").rglob("*"))
    access = os.access

    def read_only(path: object, *_: object, **__: object) -> None:
        raise OSError(errno.EROFS, "Read-only file system", str(path))

    monkeypatch.setattr(module, "locked", read_only)
    monkeypatch.setattr(os, "mkdir", read_only)
    monkeypatch.setattr(os, "unlink", read_only)
    monkeypatch.setattr(os, "access", lambda path, mode: not mode & os.W_OK and access(path, mode))
    reals = open_prepared(prepare(plan, tmp_path / "cache"))
    assert len(reals) == 1
    assert torch.equal(reals.level(8).images, expected), "a level that cannot be written is made in memory"
    monkeypatch.undo()
    assert sorted((tmp_path / "cache").rglob("*")) == before


def dead_process() -> int:
    return int(subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True).stdout)


def test_what_killed_processes_left_is_removed_by_the_next_run(tmp_path: Path) -> None:
    plan, cache, dead = plan_of(tmp_path / "set", "folder [v2]"), tmp_path / "cache", dead_process()
    folder = prepare(plan, cache)
    (cache / "reference").mkdir()
    left = [
        cache / f".CACHEDIR.tmp{dead}.TAG", cache / "reference" / f".abc.tmp{dead}.pt", folder / f".images-8.tmp{dead}.npy",
        cache / f"download-{dead}-x" / "part.gz", folder.with_name(f".{folder.name}.x") / "images-16.npy",
    ]  # fmt: skip
    kept = [
        cache / f".list.tmp{os.getpid()}.txt", cache / ".my.tmp.txt", cache / "prepared" / f".folder v-{folder.name[12:]}.x",
        cache / "notes.tmp",
    ]  # fmt: skip
    for path in left + kept:
        path.parent.mkdir(exist_ok=True)
        path.write_text("half")
    assert prepare(plan, cache) == folder
    assert [path for path in left if path.exists()] == []
    assert [path for path in kept if not path.exists()] == []
    assert not list(cache.glob("download-*"))
    assert open_prepared(folder).shape == (1, 3, 16, 16)


def test_a_cache_that_is_removed_before_the_next_scale_is_one_sentence(tmp_path: Path) -> None:
    folder = prepare(plan_of(tmp_path / "set"), tmp_path / "cache")
    reals = open_prepared(folder)
    shutil.rmtree(tmp_path / "cache")
    assert reals.gather(torch.tensor([0])).shape == (1, 3, 16, 16), "a file that is mapped stays"
    with pytest.raises(UserError, match=r"the prepared set '.*' is gone or damaged .*resume=auto"):
        reals.level(8)
    assert not (tmp_path / "cache").exists()


@pytest.mark.parametrize("resolution", [16, 8])
def test_a_mapped_file_that_is_cut_is_one_sentence(resolution: int, tmp_path: Path) -> None:
    """Reading from the map would end the process by SIGBUS."""
    folder = prepare(plan_of(tmp_path / "set"), tmp_path / "cache")
    reals = open_prepared(folder).level(resolution)
    os.truncate(folder / f"images-{resolution}.npy", 100)
    for read in (
        lambda: reals.gather(torch.tensor([0])),
        lambda: reals.to(torch.device("cpu")),
        lambda: reals.level(4),
    ):
        with pytest.raises(UserError, match=r"the prepared set '.*' is gone or damaged .*resume=auto"):
            read()


def test_a_copy_in_memory_needs_its_file_no_more(tmp_path: Path) -> None:
    folder = prepare(plan_of(tmp_path / "set"), tmp_path / "cache")
    reals = open_prepared(folder).to(torch.device("cpu"))
    expected = open_prepared(folder).level(8).images.clone()
    os.truncate(folder / "images-16.npy", 0)
    (folder / "images-8.npy").unlink()
    assert torch.equal(reals.level(8).images, expected)
    assert reals.gather(torch.tensor([0])).shape == (1, 3, 16, 16)
