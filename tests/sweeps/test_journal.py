"""The file of a study after a crash: a torn end is cut off, anything else that cannot be read is refused."""

from pathlib import Path

import optuna
import pytest

from seesaw.errors import Notice, UserError
from seesaw.sweeps.journal import JournalLock, open_journal


def study(out: Path) -> optuna.Study:
    return optuna.create_study(storage=open_journal(out), study_name="search", load_if_exists=True)


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """Of a study with one finished trial."""
    begun = study(tmp_path)
    begun.tell(begun.ask(), 1.0)
    return tmp_path / "study.log"


@pytest.mark.parametrize("torn", [b'{"op_code":4,"wor', b"\0" * 40, b'{"op_code":4,"wor\n', b"\xff\n\0\0"], ids=str)
def test_a_torn_end_is_cut_off_with_a_notice(log: Path, torn: bytes) -> None:
    whole = log.read_bytes()
    log.write_bytes(whole + torn)
    with pytest.warns(Notice, match=r"study.log: its last line was torn when .* it is cut off"):
        again = study(log.parent)
    assert log.read_bytes().startswith(whole)
    assert [trial.value for trial in again.trials] == [1.0]
    again.tell(again.ask(), 2.0)
    assert [trial.value for trial in study(log.parent).trials] == [1.0, 2.0]


def test_an_end_torn_by_another_process_is_cut_before_the_next_line_is_written(log: Path) -> None:
    """Else the two lines would become one that nobody can read."""
    first = study(log.parent)
    with open(log, "ab") as file:
        file.write(b'{"op_code":4,"wor')
    with pytest.warns(Notice, match="torn"):
        first.tell(first.ask(), 2.0)
    assert [trial.value for trial in study(log.parent).trials] == [1.0, 2.0]


def test_a_line_within_that_cannot_be_read_is_refused(log: Path) -> None:
    lines = log.read_bytes().splitlines(keepends=True)
    log.write_bytes(b"".join([lines[0], b"torn\n", *lines[1:]]))
    before = log.read_bytes()
    with pytest.raises(UserError, match=r"study.log: line 2 cannot be read, .* put the file back from a copy, or"):
        study(log.parent)
    assert log.read_bytes() == before


def test_a_whole_or_empty_file_is_left_alone(tmp_path: Path) -> None:
    log = tmp_path / "study.log"
    lock = JournalLock(tmp_path / "study.lock", log)
    for content in (b"", b'{"op_code":0}\n'):
        log.write_bytes(content)
        lock.acquire()
        lock.release()
        assert log.read_bytes() == content


def test_a_link_that_leads_nowhere_is_refused(tmp_path: Path) -> None:
    (tmp_path / "study.log").symlink_to(tmp_path / "gone" / "study.log")
    with pytest.raises(UserError, match=r"study\.log is a link to a file that is not there"):
        open_journal(tmp_path)
