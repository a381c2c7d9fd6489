"""Checkpoints: never torn, and refused with a sentence when they cannot be used."""

import errno
import random
from pathlib import Path

import pytest
import torch

from seesaw.errors import UserError
from seesaw.training.checkpoint_file import FORMAT, load
from seesaw.training.checkpoints import AtomicIO

CONTENT = {
    "progress": {"images_shown": 3},
    "config": {"seed": 1},
    "state_dict": {"w": torch.arange(5.0)},
    "format": FORMAT,
}


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
        UserError, match=r"last.ckpt cannot be written: the disk is full.*; the checkpoint before it is"
    ):
        AtomicIO().save_checkpoint(CONTENT, path)
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["last.ckpt"]


def test_a_full_device_gives_one_sentence(tmp_path: Path) -> None:
    """/dev/full takes no byte."""
    (tmp_path / "checkpoints").mkdir()
    io, path = AtomicIO(), tmp_path / "checkpoints" / "last.ckpt"
    import os

    (tmp_path / "checkpoints" / f".last.tmp{os.getpid()}.ckpt").symlink_to("/dev/full")
    with pytest.raises(UserError, match="the disk is full"):
        io.save_checkpoint(CONTENT, path)
    assert not path.exists()


def test_a_flipped_bit_is_found(tmp_path: Path) -> None:
    """Of every part: what is accepted (bits that fill up to 64 bytes) is what was saved."""
    path, generator = tmp_path / "last.ckpt", random.Random(0)
    content = CONTENT | {"state_dict": {"w": torch.arange(500.0), "v": torch.arange(700)}}
    AtomicIO().save_checkpoint(content, path)
    whole, refused = path.read_bytes(), 0
    for place in generator.sample(range(len(whole)), 200):
        damaged = bytearray(whole)
        damaged[place] ^= 1 << generator.randrange(8)
        path.write_bytes(damaged)
        try:
            loaded = load(path)
        except UserError as error:
            assert "is damaged" in str(error) or "not a checkpoint that can be read" in str(error)  # noqa: PT017
            refused += 1
        else:
            assert all(torch.equal(loaded["state_dict"][name], w) for name, w in content["state_dict"].items())
            assert loaded | {"state_dict": {}} == content | {"state_dict": {}}
    assert refused > 150


def test_what_is_no_checkpoint_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="there is no such checkpoint"):
        load(tmp_path / "none.ckpt")
    (tmp_path / "torn.ckpt").write_bytes(b"PK\x03\x04 torn")
    with pytest.raises(UserError, match="is not a checkpoint that can be read"):
        load(tmp_path / "torn.ckpt")
    torch.save({"state_dict": {}}, tmp_path / "foreign.ckpt")
    with pytest.raises(UserError, match="is not a checkpoint of seesaw: it holds no configuration"):
        load(tmp_path / "foreign.ckpt")


@pytest.mark.parametrize(
    "content",
    [
        [1, 2],
        CONTENT | {"config": [1]},
        CONTENT | {"progress": 3},
        CONTENT | {"progress": {}},
        CONTENT | {"progress": {"images_shown": "many"}},
    ],
)
def test_a_checkpoint_of_another_shape_is_refused(content: object, tmp_path: Path) -> None:
    torch.save(content, tmp_path / "odd.ckpt")
    with pytest.raises(UserError, match=r"odd.ckpt is not a checkpoint of seesaw: it holds no configuration"):
        load(tmp_path / "odd.ckpt")


@pytest.mark.parametrize(
    ("written", "words"),
    [
        (1, r"was written by an earlier version \(format 1\); commit fe0cea8 reads it"),
        (None, r"was written by an earlier version \(format 1\); commit fe0cea8 reads it"),
        (3, r"was written by a newer version \(format 3; this one reads 2\): update seesaw"),
        ("two", r"was written by a newer version \(format 'two'; this one reads 2\)"),
        (True, r"was written by a newer version \(format true; this one reads 2\)"),
    ],
)
def test_a_checkpoint_of_another_version_is_refused(written: object, words: str, tmp_path: Path) -> None:
    content = {key: value for key, value in CONTENT.items() if key != "format"}
    torch.save(content if written is None else content | {"format": written}, tmp_path / "other.ckpt")
    with pytest.raises(UserError, match=f"other.ckpt {words}"):
        load(tmp_path / "other.ckpt")


def test_a_configuration_that_multiplies_is_refused(tmp_path: Path) -> None:
    """Shared objects stay shared in the file: some hundred bytes would be walked for ever."""
    shared: object = [1] * 10
    for _ in range(12):
        shared = [shared] * 10
    torch.save(CONTENT | {"config": {"seed": shared}}, tmp_path / "last.ckpt")
    with pytest.raises(UserError, match="its configuration cannot be read: it holds more than 100,000 values"):
        load(tmp_path / "last.ckpt")
