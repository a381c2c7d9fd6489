"""Files that no run of today wrote whole: each is one sentence, and the other runs are compared."""

import datetime
import re

import pytest
from left_runs import config, leave, note, report

from seesaw.analysis.compare.compare import compare
from seesaw.analysis.compare.reading import read_rows
from seesaw.cli.main import main
from seesaw.errors import UserError
from seesaw.training.loggers.csv_log import read_metrics


def test_reads_as_the_log_itself_does(sweep):
    file = sweep / "0" / "metrics.csv"
    for more in ("31,31000,0.1", "\n"):
        with open(file, "a") as torn:
            torn.write(more)
        rows = read_rows(file)
        assert [row.dropna().to_dict() for _, row in rows.iterrows()] == read_metrics(file)
        assert len(rows) == 30


def test_what_was_measured_but_is_no_number_is_infinite_and_what_was_not_measured_is_absent(tmp_path):
    (tmp_path / "metrics.csv").write_text("kimg,eval/a,eval/b\n1,nan,\n2,,-inf\n3,1e999,4\n")
    rows = read_rows(tmp_path / "metrics.csv")
    assert list(rows["eval/a"].dropna()) == [float("inf"), float("inf")]
    assert list(rows["eval/b"].dropna()) == [-float("inf"), 4]


@pytest.mark.parametrize("text", [
    "images,a\n1,2\n", "kimg,a\n,2\n3,4\n", "kimg,a\nnan,2\n", "kimg,a\n1e999,2\n", "kimg,a\n1\n3,4\n", "kimg,a\n1,2,3\n2,3,4\n",
    'kimg,a\n1,"2\n3,4\n', "kimg,a\n1,\x00\n",
])  # fmt: skip
def test_a_table_that_no_run_wrote_is_one_sentence(tmp_path, text):
    (tmp_path / "metrics.csv").write_text(text)
    with pytest.raises(UserError, match=r"metrics.csv cannot be read: [^\n]+$"):
        read_rows(tmp_path / "metrics.csv")


ODD = {
    "a list": ("- 1\n- 2\n", "it holds no mapping of options"),
    "nested": (f"a: {'[' * 5000}{']' * 5000}\n", "nesting depth"),
    "nested mappings": (f"{'{a: ' * 300}1{'}' * 300}\n", "it is nested more than 60 levels deep"),
    "itself": ("a: &a [*a]\n", "it is nested more than 60 levels deep"),
    "multiplied": (
        "".join(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}' if i else '1'] * 10)}]\n" for i in range(9)),
        "it holds more than 100,000 values",
    ),
    "an object": ("a: !!python/object/apply:os.system [ls]\n", "could not determine a constructor"),
    "a list as a key": ("? [1, 2]\n: 3\n", "unhashable"),
}  # fmt: skip


@pytest.mark.parametrize("kind", ODD)
def test_an_odd_configuration_is_one_sentence_and_the_others_are_compared(sweep, capsys, kind):
    text, words = ODD[kind]
    (sweep / "1" / "config.yaml").write_text(text)
    assert re.search(rf"^  .*/1/config.yaml cannot be read: .*{words}", report(sweep), re.MULTILINE)
    assert main(["compare", str(sweep / "1")]) == 1
    error = capsys.readouterr().err
    assert "unexpected" not in error
    assert len(error.splitlines()) == 1


def test_huge_and_odd_values_of_configurations_and_statuses_are_compared(sweep, recwarn):
    odd = config("none", 10**400) | {
        1: {None: 2},
        "kimg": 10**400,
        "when": datetime.date(2026, 1, 1),
        "list": [10**400],
    }
    leave(sweep / "4", odd, [1e300, 1e-300])
    note(sweep / "4", kimg=10**400)
    note(
        sweep / "0", kimg=float("nan"), state=["finished"], reason={"a": 1}, choices=7, higher_is_better=3, metric=["x"]
    )
    (sweep / "1" / "status.json").write_text("[" * 100_000)
    assert "/1/status.json cannot be read: it is nested too deep" in report(sweep)
    compare([sweep])
    assert [str(warning.message) for warning in recwarn] == []


def test_links_in_the_place_of_the_pages_are_replaced(sweep):
    mine = sweep.parent / "mine.txt"
    for name in ("compare.html", "compare.png"):
        mine.write_text("mine", encoding="utf-8")
        (sweep / name).unlink(missing_ok=True)
        (sweep / name).symlink_to(mine)
        assert main(["compare", str(sweep)]) == 0
        assert mine.read_text(encoding="utf-8") == "mine"
        assert not (sweep / name).is_symlink()
