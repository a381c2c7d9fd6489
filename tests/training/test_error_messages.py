"""Errors of the machine, as sentences."""

import errno
import os

import pytest

from seesaw.errors import UserError
from seesaw.training.error_messages import known_message


def test_a_full_disk_anywhere_is_one_known_message() -> None:
    """A real one: /dev/full takes no byte."""
    with pytest.raises(OSError, match="No space left") as caught:
        os.write(os.open("/dev/full", os.O_WRONLY), b"x")
    told = known_message(caught.value, [])
    assert told is not None
    assert "the disk is full; make room or choose another place by run_dir" in told


@pytest.mark.parametrize(("number", "words"), [(errno.EACCES, "permission is denied"), (errno.EROFS, "read-only")])
def test_places_that_cannot_be_written(number: int, words: str) -> None:
    told = known_message(OSError(number, os.strerror(number), "/there/metrics.csv"), [])
    assert told is not None
    assert told.startswith("/there/metrics.csv: ")
    assert words in told


def test_what_nobody_can_mend_is_not_called_a_mistake() -> None:
    assert known_message(ZeroDivisionError("x"), []) is None
    assert known_message(OSError(errno.EIO, "i/o"), []) is None
    assert known_message(UserError("a sentence"), []) == "a sentence"
