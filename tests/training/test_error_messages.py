"""Errors of the machine, as sentences."""

import errno
import os
from pathlib import Path

import pytest
from hydra.errors import InstantiationException
from omegaconf.errors import OmegaConfBaseException

from seesaw.errors import UserError
from seesaw.training.build import build
from seesaw.training.error_messages import error_message, known_message
from seesaw.training.preflight import compose_checked
from seesaw.training.run_folder import RUN_FOLDER


def test_a_full_disk_anywhere_is_one_known_message() -> None:
    """A real one: /dev/full takes no byte."""
    with pytest.raises(OSError, match="No space left") as caught:
        os.write(os.open("/dev/full", os.O_WRONLY), b"x")
    message = known_message(caught.value, [])
    assert message is not None
    assert "the disk is full; make room or choose another place by run_dir" in message


@pytest.mark.parametrize(("number", "words"), [(errno.EACCES, "permission is denied"), (errno.EROFS, "read-only")])
def test_places_that_cannot_be_written(number: int, words: str) -> None:
    message = known_message(OSError(number, os.strerror(number), "/there/metrics.csv"), [])
    assert message is not None
    assert message.startswith("/there/metrics.csv: ")
    assert words in message


def test_what_nobody_can_mend_is_not_called_a_mistake() -> None:
    assert known_message(ZeroDivisionError("x"), []) is None
    assert known_message(OSError(errno.EIO, "i/o"), []) is None
    assert known_message(UserError("a sentence"), []) == "a sentence"


def test_the_trace_goes_elsewhere_where_the_run_folder_takes_nothing(tmp_path: Path) -> None:
    """Else the report of an unexpected error would end in another one."""
    error = ZeroDivisionError("x")
    error.add_note(f"{RUN_FOLDER}{tmp_path}")
    (tmp_path / "log.txt").symlink_to("/dev/full")
    message = error_message(error, [])
    assert message.startswith("unexpected ZeroDivisionError: x; the trace is in ")
    assert str(tmp_path) not in message


@pytest.mark.parametrize("player", ["G", "D"])
def test_a_failing_constructor_is_named_by_its_key(player: str) -> None:
    config = compose_checked(["model=mlp", "data.resolution=16", f"model.{player}.widths=[]"])
    with pytest.raises(InstantiationException) as caught:
        build(config)
    assert known_message(caught.value, []) == (
        f"model.{player}: cannot be built: IndexError: list index out of range; SEESAW_TRACE=1 shows the trace"
    )


def test_a_full_disk_within_a_constructor_is_reported_as_such() -> None:
    error = InstantiationException("Error in call to target 'x':\nfull_key: data")
    error.__cause__ = OSError(errno.ENOSPC, "no space", "/there")
    assert str(known_message(error, [])).startswith("/there: the disk is full")
    error.__cause__ = None
    assert known_message(error, []) is None


def test_a_value_that_another_group_would_give_is_named_with_what_gives_it() -> None:
    sentence = (
        "metrics.extractor.size: it is taken from data.modes, which is not there; it is a key of data=gaussians_ring"
    )
    with pytest.raises(OmegaConfBaseException) as raised:
        compose_checked(["model=mlp", "data=digits", "metrics=gaussians_ring"])
    assert known_message(raised.value, []) == sentence


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (errno.EISDIR, "a folder stands where a file belongs"),
        (errno.ENOTDIR, "a file stands where a folder belongs"),
    ],
)
def test_a_folder_and_a_file_in_each_other_s_place(number: int, words: str) -> None:
    found = known_message(OSError(number, os.strerror(number), "run/metrics.csv"), [])
    assert found == f"run/metrics.csv: {words}; move it away"
