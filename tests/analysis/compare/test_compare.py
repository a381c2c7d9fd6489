import json
import re
import statistics
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from left_runs import VALUES, compared, config, leave, note, page_without_plots, report
from matplotlib.figure import Figure
from PIL import Image

from seesaw.analysis.compare import plots
from seesaw.analysis.compare.compare import compare
from seesaw.analysis.compare.groups import NOT_RANKED
from seesaw.analysis.compare.reading import find
from seesaw.cli.main import main
from seesaw.errors import UserError


def counts(table):
    return list(zip(table.groups.counted, table.groups.runs, strict=True))


def test_medians_ranges_and_ranks_are_those_of_the_runs(sweep):
    (table,) = compared(sweep).tables
    assert (table.metric, table.name, table.protocol) == (
        "eval/frechet_digits",
        "frechet_digits",
        "digits, 1797 against 1797",
    )
    assert list(table.groups.index) == ["balance=ttur", "balance=none"]
    none = table.groups.loc["balance=none"]
    best = [min(v) for (b, _), v in VALUES.items() if b == "none"]
    assert (none.best, none.best_low, none.best_high) == (statistics.median(best), min(best), max(best))
    assert (none.best_kimg, none.last_kimg) == (20.0, 30.0)
    assert (none["last"], none.last_low, none.last_high) == (20.0, 18.0, 25.0)
    assert (none.modes, none.seeds, none.updates_D) == (8.0, 3, 240.0)
    assert table.median_run("balance=none").seed == 3


def test_the_report_is_a_table(sweep, monkeypatch):
    monkeypatch.setenv("COLUMNS", "160")  # pytest-xdist sets it for its workers
    lines = compare([sweep]).splitlines()
    assert lines[0] == "Groups differ in balance."
    assert re.fullmatch(r"1 +balance=ttur +1 +9 +20 +35 +30 +7 +480 / 240 +116", lines[4]), lines[4]
    assert re.fullmatch(r"2 +balance=none +3 +16 \(12 to 25\) +20 +20 \(18 to 25\) +30 +8 +480 / 240 +116", lines[5]), (
        lines[5]
    )
    assert "expected best of k trials, balance=none: 17.67 (1), 13.33 (2), 12 (3)" in lines
    assert lines[-2:] == [str(sweep / "compare.html"), str(sweep / "compare.png")]


def test_different_protocols_are_never_ranked_together(sweep):
    leave(sweep / "4", config("none", 4), [1, 1, 1], protocol="digits, 500 against 1797")
    first, second = compared(sweep).tables
    assert dict(first.groups.runs) == {"balance=ttur": 1, "balance=none": 3}
    assert dict(second.groups.runs) == {"balance=none": 1}
    assert report(sweep).count("\n1  balance=") == 2


def test_what_did_not_finish_is_named_and_left_out_of_medians(sweep):
    leave(sweep / "4", config("none", 4), [1, 1], state="failed", reason="FloatingPointError: loss/D is nan\x1b[31m")
    leave(sweep / "5", config("ttur", 2), [], state="running")
    (sweep / "10").mkdir()  # a job that failed before it had a configuration
    status = {"state": "failed", "reason": "lr=hot is no number", "exit_code": 1}
    (sweep / "10" / "status.json").write_text(json.dumps(status))
    (sweep / "10" / "job.json").write_text(json.dumps({"name": "balance=ttur lr=hot", "state": "failed"}))
    (table,) = compared(sweep).tables
    assert counts(table) == [(1, 2), (3, 4)]
    assert table.groups.best["balance=none"] == 16
    text = report(sweep)
    assert "3 of 4" in text
    end = text.splitlines()[-4:]
    assert end[0] == "Not finished, and not in the medians:"
    assert end[1] == "  4: failed at 20 kimg: FloatingPointError: loss/D is nan [31m"
    assert re.fullmatch(r"  5: running at 10 kimg; last sign of life \S+", end[2])
    assert end[3] == "  10 (balance=ttur lr=hot): failed at 0 kimg: lr=hot is no number"


def test_what_has_not_finished_is_shown_under_its_own_protocol(sweep):
    """A running run, or one that was killed, has noted metric and protocol from its beginning."""
    same, other = "digits, 1797 against 1797", "digits, 500 against 1797"
    for number, protocol, distances in ((4, same, [70]), (5, other, [60, 61]), (6, other, [])):
        leave(sweep / f"{number}", config("none", number), distances, state="running")
        note(sweep / f"{number}", metric="frechet_digits", protocol=protocol)
    first, second = compared(sweep).tables
    assert (first.protocol, counts(first)) == (same, [(1, 1), (3, 4)])
    assert (second.protocol, counts(second)) == (other, [(0, 2)])
    assert first.groups.best["balance=none"] == 16
    text = f"{report(sweep)}\n"
    assert f"no run has finished, so nothing is ranked\nprotocol: {other}\n" in text
    assert re.search(r"^  5: running at 20 kimg, frechet_digits 61; last sign of life \S+$", text, re.MULTILINE)
    assert re.search(r"^  6: running at 10 kimg; last sign of life \S+$", text, re.MULTILINE)
    assert "Not ranked" not in text


def test_what_all_have_and_what_was_typed_is_named(sweep):
    for number, (balance, _) in enumerate(VALUES):
        note(
            sweep / str(number),
            choices={"model": "mlp", "data": "digits", "loss": "hinge", "penalty": "none", "balance": balance},
        )
    lines = report(sweep).splitlines()
    assert lines[:2] == ["All have model=mlp data=digits loss=hinge.", "Groups differ in balance."]
    assert "<code>model=mlp data=digits loss=hinge</code>" in page_without_plots(sweep)
    (alone, *_) = report(sweep / "3").splitlines()
    assert (
        alone
        == "One run, model=mlp data=digits loss=hinge balance=ttur; give several, or a folder that holds them, to compare."
    )
    note(sweep / "3", choices={"model": "<b>\x1b[31m", "loss": 7})
    assert report(sweep).splitlines()[0] == "Groups differ in balance."
    note(sweep / "3", choices=["loss"])
    assert report(sweep).splitlines()[0] == "Groups differ in balance."


def test_pictures_of_a_comparison_before_do_not_stay(sweep):
    leave(sweep / "4", config("none", 4), [1], protocol="digits, 500 against 1797")
    compare([sweep])
    (sweep / "compare-mine.png").touch()
    leave(sweep / "5", config("none", 5), state="running")
    assert sorted(p.name for p in sweep.glob("*.png")) == ["compare-2.png", "compare-mine.png", "compare.png"]
    compare([sweep / "0", sweep / "3"])
    assert sorted(p.name for p in sweep.glob("*.png")) == ["compare-mine.png", "compare.png"]
    note(sweep / "5", metric="frechet_digits", protocol="digits")  # a table without anything to draw
    (sweep / "5" / "metrics.csv").unlink()
    lines = compare([sweep / "5"], out=sweep).splitlines()
    assert lines[-1] == str(sweep / "compare.html")
    assert sorted(p.name for p in sweep.glob("*.png")) == ["compare-mine.png"]


def test_without_an_evaluation_there_is_no_rank(tmp_path):
    leave(tmp_path / "a", config("none", 1))
    leave(tmp_path / "b", config("ttur", 1))
    (table,) = compared(tmp_path).tables
    assert table.protocol == NOT_RANKED
    text = compare([tmp_path])
    assert "Not ranked" in text
    assert not re.search(r"^1 ", text, re.MULTILINE)
    assert (tmp_path / "compare.html").is_file()
    assert not (tmp_path / "compare.png").exists()


def test_a_diverged_run_is_the_worst_and_breaks_nothing(sweep):
    leave(sweep / "4", config("hinge", 1), [float("nan"), float("inf"), float("nan")])
    leave(sweep / "5", config("hinge", 2), [30, 8, float("nan")])
    (table,) = compared(sweep).tables
    assert list(table.groups.index) == ["balance=ttur", "balance=none", "balance=hinge"]
    assert (table.groups.best_low["balance=hinge"], table.groups.best_kimg["balance=hinge"]) == (8.0, 15.0)
    assert "∞ (8 to ∞)" in report(sweep)


def test_another_metric_and_its_direction(sweep):
    (table,) = compared(sweep, metric="modes_digits").tables
    assert list(table.groups.best) == [10, 9]  # ttur saw 10 modes once; none 9, 8 and 9
    assert table.pools[1].curve == [pytest.approx((9 + 8 + 9) / 3), 9, 9]
    (speed,) = compared(sweep, metric="train/images_per_sec").tables
    assert (speed.protocol, speed.higher_is_better) == ("statistics of training", True)
    assert not compared(sweep, metric="train/loss/D").tables[0].higher_is_better
    sentence = r"^--metric frechet_digit: no run has measured it; did you mean 'frechet_digits'\? \(known: train/.*, modes_digits"
    with pytest.raises(UserError, match=sentence):
        compare([sweep], metric="frechet_digit")


def test_numbers_are_pooled_into_trials_of_their_choice(tmp_path):
    for i, (balance, lr, value) in enumerate([("none", 1.0, 4), ("none", 2.0, 2), ("ttur", 1.0, 3), ("ttur", 2.0, 9)]):
        leave(tmp_path / str(i), config(balance, lr=lr), [value])
    (table,) = compared(tmp_path).tables
    assert [(p.name, p.curve) for p in table.pools] == [("balance=none", [3, 2]), ("balance=ttur", [6, 3])]


def test_runs_are_found_at_two_levels_once_and_in_natural_order(sweep, tmp_path):
    leave(sweep / "10", config("ttur", 3), [1])
    (sweep / "notes").mkdir()
    names = [f.name for f in find([tmp_path])]
    assert names == [f.name for f in find([sweep, sweep / "0", sweep / ".." / "sweep"])] == ["0", "1", "2", "3", "10"]


def test_mistakes_are_one_sentence(sweep, tmp_path, capsys):
    (tmp_path / "empty").mkdir()
    assert main(["compare", str(tmp_path / "empty")]) == 1
    assert "no run found here or up to two folders below" in capsys.readouterr().err
    assert main(["compare", str(tmp_path / "nowhere")]) == 1
    assert "there is no such folder" in capsys.readouterr().err
    assert main(["compare", str(sweep / "0" / "config.yaml")]) == 1
    assert "config.yaml: it is a file; give run folders" in capsys.readouterr().err
    (sweep / "0" / "metrics.csv").write_text("kimg,images\n1,1000\nhot,2000\n3,3000\n")
    assert main(["compare", str(sweep / "0")]) == 1
    error = capsys.readouterr().err
    assert error == f"seesaw: {sweep / '0' / 'metrics.csv'} cannot be read: could not convert string to float: 'hot'\n"
    (sweep / "1" / "config.yaml").write_text("{balance: [")
    assert main(["compare", str(sweep)]) == 0  # the others can
    out = capsys.readouterr().out
    assert "0/metrics.csv cannot be read" in out
    assert "1/config.yaml cannot be read: while parsing" in out
    assert main(["compare", str(sweep), "--out", str(sweep / "2" / "config.yaml")]) == 1
    assert "choose another place by --out FOLDER" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["frechet_digits", "eval/frechet_digits", "loss/D", "train/loss/D", "images_per_sec"])
def test_a_metric_is_found_with_and_without_its_section(sweep, name):
    (table,) = compared(sweep, metric=name).tables
    assert table.metric.endswith(name)
    assert table.metric.startswith(("eval/", "train/"))
    assert table.name == table.metric.removeprefix("eval/")


def test_the_direction_is_what_the_runs_note_and_not_in_the_name(tmp_path):
    """One and the same values: as an unknown metric, as one of which more is better, and as one that is called a distance."""
    for number, (balance, value) in enumerate([("none", 12), ("ttur", 9)]):
        leave(tmp_path / str(number), config(balance, 1), [value, value])
    ranks = {}
    for higher in (True, False):
        for number in (0, 1):
            note(tmp_path / str(number), metric="frechet_digits", higher_is_better={"frechet_digits": higher})
        (table,) = compared(tmp_path).tables
        ranks[higher] = list(table.groups.index)
        assert table.pools[0].curve == [12 if higher else 9]
        words = "larger" if higher else "smaller"
        assert f"frechet_digits, {words} is better" in report(tmp_path)
    assert ranks == {True: ["balance=none", "balance=ttur"], False: ["balance=ttur", "balance=none"]}
    note(tmp_path / "0", higher_is_better={"frechet_digits": True})  # of a class of that name that means something else
    assert len(compared(tmp_path).tables) == 2
    note(tmp_path / "0", higher_is_better={})
    assert len(compared(tmp_path).tables) == 1
    assert compared(tmp_path, metric="modes_digits").tables[0].higher_is_better is False  # not noted: no guess


def test_curves_are_joined_where_runs_were_measured_at_other_times():
    nan = float("nan")
    runs = [{0: 0, 10: 10}, {5: 9, 10: 20, 15: 1}, {5: nan}, {}]
    found = plots.spread([pd.Series(run, dtype=float) for run in runs])
    assert list(found.index) == [0, 5, 10, 15]
    assert set(found.runs) == {2}
    np.testing.assert_allclose(found[["low", "median", "high"]].T, [[0, 5, 10, 1], [0, 7, 15, 1], [0, 9, 20, 1]])
    assert plots.spread([pd.Series({1: float("inf")})]).empty


class Tags(HTMLParser):
    """The tags of a document, its addresses and its text; every element is closed."""

    def __init__(self, path):
        super().__init__()
        self.open, self.tags, self.addresses, self.words = [], [], [], []
        self.feed(Path(path).read_text())
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.addresses += [value for key, value in attrs if key in ("src", "href", "xlink:href")]
        assert not any(key.startswith("on") for key, _ in attrs)
        if tag not in ("meta", "img", "br"):
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.addresses += [value for key, value in attrs if key in ("src", "href", "xlink:href")]

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.words.append(data)


def test_the_page_needs_nothing_and_trusts_nothing(sweep):
    evil = '"><script>alert(1)</script>$x$'
    leave(sweep / "<img src=x onerror=alert(2)>", config(evil, 1, **{evil: evil}), [5], protocol=evil, reason=evil)
    leave(sweep / "javascript:alert(3)", config("none", evil), [5], state=evil, reason=evil)
    (sweep / "2" / "samples").mkdir()
    Image.new("RGB", (2000, 1000), "teal").save(sweep / "2" / "samples" / "000030.png")
    (sweep / "3" / "samples").mkdir()
    (sweep / "3" / "samples" / "000030.png").write_text(evil)
    compare([sweep])
    page = Tags(sweep / "compare.html")
    assert "script" not in page.tags
    assert page.tags.count("img") == 1
    kinds = {
        re.match(r"data:image/jpeg;base64,|#|[0-3]/$|%3Cimg|javascript%3A", address).group()
        for address in page.addresses
    }
    assert kinds == {"data:image/jpeg;base64,", "#", "0/", "1/", "2/", "3/", "%3Cimg", "javascript%3A"}
    assert any(evil in words for words in page.words)
    style = (sweep / "compare.html").read_text()
    assert not re.search(r"@import|url\((?!#)", style)


def test_differing_keys_come_first_then_table_curves_and_samples(sweep):
    for folder in map(str, range(4)):
        (sweep / folder / "samples").mkdir()
        Image.effect_noise((530, 530), 60).save(sweep / folder / "samples" / "000030.png")
        Image.new("L", (9, 9)).save(sweep / folder / "samples" / "000030-scales.png")
    compare([sweep], sweep / "there")
    text = (sweep / "there" / "compare.html").read_text()
    marks = [
        "What differs",
        "frechet_digits, smaller is better",
        "<svg",
        "Samples of the run in the middle",
        "<h2>Runs</h2>",
    ]
    assert [text.index(mark) for mark in marks] == sorted(text.index(mark) for mark in marks)
    assert text.count("<svg") == 4
    assert text.count("<img") == 2
    assert len(text) < 300_000  # noise is the hardest picture to make small
    assert 'href="../3/"' in text
    with Image.open(sweep / "there" / "compare.png") as image:
        assert image.width == 1200


def test_a_reader_who_has_seen_enough_breaks_nothing_and_torch_is_not_imported(sweep):
    program = "import sys; from seesaw.cli.main import main; sys.exit(main() or 2 * ('torch' in sys.modules))"
    running = subprocess.Popen(
        [sys.executable, "-c", program, "compare", str(sweep)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    running.stdout.close()
    assert running.stderr.read() == ""
    assert running.wait(60) == 0
    assert (sweep / "compare.html").is_file()


def test_groups_that_were_measured_once_are_points_with_the_range_of_their_runs():
    axes = Figure().add_subplot()
    one, three = (plots.spread([pd.Series({30: value}) for value in values]) for values in ((5.0,), (7.0, 9.0, 8.0)))
    plots._lines([(0, one), (1, three)], True)(axes)
    assert [(list(line.get_ydata()), line.get_marker()) for line in axes.lines] == [([8.0], "o"), ([5.0], "o")]
    assert min(line.get_markersize() for line in axes.lines) >= 6
    (bar,) = axes.collections
    assert bar.get_segments()[0][:, 1].tolist() == [7.0, 9.0]
