"""Checkpoints: never torn, and refused with a sentence when they cannot be used."""

import errno
from pathlib import Path

import pytest
import torch

from seesaw.errors import UserError
from seesaw.run.checkpoints import AtomicIO, load

CONTENT = {"progress": {"images_shown": 3}, "config": {"seed": 1}, "state_dict": {"w": torch.arange(5.0)}}


def test_what_is_saved_is_loaded(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "last.ckpt"
    AtomicIO().save_checkpoint(CONTENT, path)
    loaded = load(path)
    assert torch.equal(loaded["state_dict"]["w"], torch.arange(5.0))
    assert loaded["config"] == {"seed": 1}
    assert [p.name for p in path.parent.iterdir()] == ["last.ckpt"]


@pytest.mark.parametrize(
    "error", [OSError(errno.ENOSPC, "No space left on device"), RuntimeError("unexpected pos 64 vs 0")]
)
def test_a_full_disk_leaves_the_former_file_and_one_sentence(
    error: Exception, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "last.ckpt"
    AtomicIO().save_checkpoint(CONTENT, path)
    before = path.read_bytes()

    def full(checkpoint: object, file: object) -> None:
        file.write(b"half")  # type: ignore[attr-defined]
        raise error

    monkeypatch.setattr(torch, "save", full)
    with pytest.raises(
        UserError, match=r"last.ckpt could not be written \(the disk is full.*the checkpoint before it is"
    ):
        AtomicIO().save_checkpoint(CONTENT, path)
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["last.ckpt"]


def test_a_real_full_device_is_told(tmp_path: Path) -> None:
    """/dev/full takes no byte."""
    (tmp_path / "checkpoints").mkdir()
    io, path = AtomicIO(), tmp_path / "checkpoints" / "last.ckpt"
    import os

    (tmp_path / "checkpoints" / f"last.ckpt.tmp{os.getpid()}").symlink_to("/dev/full")
    with pytest.raises(UserError, match="the disk is full"):
        io.save_checkpoint(CONTENT, path)
    assert not path.exists()


def test_what_is_no_checkpoint_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="there is no such checkpoint"):
        load(tmp_path / "none.ckpt")
    (tmp_path / "torn.ckpt").write_bytes(b"PK\x03\x04 torn")
    with pytest.raises(UserError, match="is not a checkpoint that can be read"):
        load(tmp_path / "torn.ckpt")
    torch.save({"state_dict": {}}, tmp_path / "foreign.ckpt")
    with pytest.raises(UserError, match="is not a checkpoint of seesaw: it holds no configuration"):
        load(tmp_path / "foreign.ckpt")
