"""What the ranks of groups rest on: no group may look better by the runs that it lost."""

import math
import re

import pytest
from left_runs import compared, config, leave, note, page_without_plots, report

from seesaw.analysis.compare import text
from seesaw.analysis.compare.compare import compare
from seesaw.analysis.compare.reading import Run
from seesaw.shared.finite import diverged

PROTOCOL = "digits, 1797 against 1797"
ENDED = {
    "diverged": {"state": "failed", "reason": str(diverged(12_000, "loss/D"))},
    "pruned": {"state": "pruned"},
    "killed": {"state": "failed", "reason": "no space left on the device"},
    "stopped": {"state": "interrupted"},
}


def end(folder, balance, seed, how, distances=()):
    leave(folder, config(balance, seed), distances, **ENDED[how])
    note(folder, metric="frechet_digits", protocol=PROTOCOL)


def rows(path):
    (table,) = compared(path).tables
    return {row[1]: (row[0], row[2], row[3]) for row in text.cells(table).itertuples(index=False, name=None)}


@pytest.fixture
def steady(tmp_path):
    """Three seeds about 0.61."""
    for seed, value in enumerate([0.6, 0.61, 0.62]):
        leave(tmp_path / f"steady{seed}", config("none", seed), [value])
    return tmp_path


@pytest.mark.parametrize("measured", [(), (0.4, 0.3)])
def test_one_lucky_seed_of_three_does_not_win(steady, measured):
    leave(steady / "lucky", config("ttur", 1), [0.5])
    for seed in (2, 3):
        end(steady / f"lost{seed}", "ttur", seed, "diverged", measured)
    assert rows(steady) == {
        "balance=none": ("1", "3", "0.61 (0.6 to 0.62)"),
        "balance=ttur": ("2", "2 of 3 diverged", "∞ (0.5 to ∞)"),
    }
    (table,) = compared(steady).tables
    assert [pool.curve for pool in table.pools] == [
        pytest.approx([0.61, (0.6 + 0.6 + 0.61) / 3, 0.6]),
        [math.inf, math.inf, 0.5],
    ]
    lines = report(steady).splitlines()
    at = lines.index("Diverged, and counted as worse than any other:")
    assert lines[at + 1].startswith("  lost2: diverged at ")
    assert lines[at + 1].endswith(
        "training diverged before 12 kimg: loss/D not finite; " + ENDED["diverged"]["reason"].split("; ")[1]
    )
    assert "Not finished, and not in the medians:" not in lines


def test_one_of_three_that_diverged_shifts_the_median(steady):
    leave(steady / "a", config("ttur", 1), [0.5])
    leave(steady / "b", config("ttur", 2), [0.605])
    end(steady / "c", "ttur", 3, "diverged")
    assert rows(steady)["balance=ttur"] == ("1", "1 of 3 diverged", "0.605 (0.5 to ∞)")


def test_a_pruned_run_counts_by_its_best(steady):
    leave(steady / "a", config("ttur", 1), [0.5])
    end(steady / "b", "ttur", 2, "pruned", [0.9, 0.8, 0.85])
    end(steady / "c", "ttur", 3, "pruned")  # it was never measured
    (table,) = compared(steady).tables
    assert rows(steady)["balance=ttur"] == ("2", "2 of 3, 1 pruned", "0.65 (0.5 to 0.8)")
    assert table.pools[1].curve == pytest.approx([0.65, 0.5])
    lines = report(steady)
    assert "\nPruned, and counted by the best that they had reached:\n  b: pruned at " in lines
    assert "\nNot finished, and not in the medians:\n  c: pruned at " in lines


@pytest.mark.parametrize("how", ["killed", "stopped"])
def test_what_ended_for_another_reason_stays_out(steady, how):
    end(steady / "a", "none", 7, how, [0.1])
    assert rows(steady) == {"all runs": ("1", "3 of 4", "0.61 (0.6 to 0.62)")}
    assert "\nNot finished, and not in the medians:\n  a: " in report(steady)


def test_groups_that_diverged_are_ranked_by_what_is_left(tmp_path):
    for balance, values in {"a": (0.9,), "b": (0.7,), "c": ()}.items():
        for seed, value in enumerate(values):
            leave(tmp_path / f"{balance}{seed}", config(balance, seed), [value])
        for seed in range(2, 4):
            end(tmp_path / f"{balance}{seed}", balance, seed, "diverged")
    end(tmp_path / "d", "d", 1, "killed", [0.1])
    end(tmp_path / "e", "e", 1, "diverged", [0.2])
    assert [(name, *row) for name, row in rows(tmp_path).items()] == [
        ("balance=b", "1", "2 of 3 diverged", "∞ (0.7 to ∞)"),
        ("balance=a", "2", "2 of 3 diverged", "∞ (0.9 to ∞)"),
        ("balance=c", "3", "2 of 2 diverged", "∞"),
        ("balance=e", "4", "1 diverged", "∞"),
        ("balance=d", "", "0 of 1", "-"),
    ]
    page = page_without_plots(tmp_path)
    assert "<td>2 of 2 diverged</td>" in page
    assert len(re.findall(r"<td[^>]*>diverged</td>\s*<td>10</td>\s*<td>∞</td>\s*<td>∞</td>", page)) == 7
    assert "<p>Diverged, and counted as worse than any other:</p>" in page


def test_larger_is_better_the_other_way_round(tmp_path):
    leave(tmp_path / "a", config("none", 1), [20])
    end(tmp_path / "b", "none", 2, "diverged", [30])
    (table,) = compared(tmp_path, metric="modes_digits").tables
    assert (table.groups.best_low.iloc[0], table.groups.best_high.iloc[0]) == (-math.inf, 8)
    assert table.pools[0].curve == [-math.inf, 8]


def test_many_choices_with_long_names_are_drawn_without_a_word(tmp_path, recwarn):
    """Twenty-four curves of trials: named are those that have a colour of their own, and the curves keep their room."""
    for choice in range(24):
        for lr in (1.0, 2.0):
            leave(tmp_path / f"{choice}-{lr}", config(f"日本 {choice:02} {'long ' * 8}", 1, lr=lr), [1 + choice + lr])
    compare([tmp_path])
    assert [str(warning.message) for warning in recwarn] == []
    (table,) = compared(tmp_path).tables
    page = (tmp_path / "compare.html").read_text()
    budget = page[page.index("<h3>expected best") :]
    assert len(table.pools) == 24
    assert [f"{choice:02}" for choice in range(24) if f"日本 {choice:02}" in budget[: budget.index("</figure>")]] == [
        "00",
        "01",
        "02",
    ]


@pytest.mark.parametrize(("reason", "expected"), [
    ("the distance is nan", True), ("the distance is inf", True), ("the distance is None", False), ("killed", False),
])  # fmt: skip
def test_a_search_whose_distance_is_no_number_has_diverged(tmp_path, reason, expected):
    assert Run(tmp_path, "a", status={"state": "failed", "reason": reason}).diverged == expected
