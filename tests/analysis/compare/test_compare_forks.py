"""The tree of forks and the effects of their changes, against scipy's tests of the same figures."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
from left_runs import compared, config, leave, note, page_without_plots, report
from scipy import stats

from seesaw.analysis.compare.compare import compare
from seesaw.analysis.compare.figures import figures
from seesaw.analysis.compare.forks import UNCHANGED, effects, tree
from seesaw.analysis.compare.reading import Run, read_run

SEEDS = (1, 2, 3, 4)
PARENTS = {1: [40, 12, 20], 2: [50, 30, 25], 3: [45, 16, 18], 4: [60, 20, 30]}
FORKS = {1: [40, 11, 17], 2: [50, 27, 23], 3: [45, 15, 16], 4: [60, 18, 25]}


def forked(folder: Path, parent: Path, changes: list[str], kimg: float = 10.0, **more: object) -> None:
    path = str(parent.resolve() / "checkpoints" / f"kimg{kimg:g}.ckpt")
    note(folder, parent={"path": path, "kimg": kimg, "sha256": parent.name, "overrides": changes, **more})


@pytest.fixture(scope="module")
def family(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four seeds; of each a fork at 10 kimg by ttur, and of one seed a fork of that fork that diverged."""
    folder = tmp_path_factory.mktemp("family")
    for seed in SEEDS:
        leave(folder / f"run{seed}", config(seed=seed, fork_from=None), PARENTS[seed])
        fork = folder / f"fork{seed}"
        leave(fork, config("ttur", seed, fork_from=f"run{seed}/checkpoints/kimg10.ckpt"), FORKS[seed])
        forked(fork, folder / f"run{seed}", ["balance=ttur"])
    again = folder / "again"
    reason = "UserError: training diverged: train/loss/D is nan"
    leave(again, config("ttur", 1, fork_from="x"), FORKS[1][:2], state="failed", reason=reason)
    forked(again, folder / "fork1", ["optimizer.D.lr=9"], 20.0)
    return folder


def test_effects_are_those_of_scipy_s_tests(family: Path) -> None:
    found = [effect for effect in effects(compared(family).runs, "eval/frechet_digits") if effect.change == "balance=ttur"]
    (effect,) = found
    one, other = (np.array([values[seed][-1] for seed in SEEDS]) for values in (FORKS, PARENTS))
    assert (effect.against, effect.points, effect.lost) == (UNCHANGED, 4, 0)
    tests = (stats.ttest_rel(one, other), stats.ttest_ind(one, other, equal_var=False))
    for interval, test in zip((effect.paired, effect.unpaired), tests, strict=True):
        expected = test.confidence_interval(0.95)
        assert interval == pytest.approx((np.mean(one - other), expected.low, expected.high))
    assert effect.variances == pytest.approx((np.var(one - other, ddof=1), np.var(one, ddof=1) + np.var(other, ddof=1)))


def test_json_holds_verdicts_and_paired_differences(family: Path, tmp_path: Path) -> None:
    """What is not known is null: JSON has no nan."""
    file = tmp_path / "figures.json"
    assert compare([family], tmp_path, json_file=file).endswith(str(file))
    written = json.loads(file.read_text(), parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))
    states = {run["name"]: run["state"] for run in written["runs"]}
    assert (states["run1"], states["again"]) == ("finished", "diverged")
    assert {run["name"]: run["last"] for run in written["runs"]}["fork2"] == FORKS[2][-1]
    changes = {one["change"]: one for table in written["effects"] for one in table["changes"]}
    differences = [FORKS[seed][-1] - PARENTS[seed][-1] for seed in SEEDS]
    assert changes["balance=ttur"]["paired"]["mean"] == pytest.approx(np.mean(differences))
    assert changes["balance=ttur"]["points"] == len(SEEDS)
    alone = figures(compared(family / "run1", family / "fork1"))["effects"][0]["changes"][0]
    assert alone["paired"] == {"mean": -3.0, "low": None, "high": None}


def test_json_holds_the_words_of_the_monitor(tmp_path: Path) -> None:
    leave(tmp_path / "a", config(seed=1), PARENTS[1])
    note(tmp_path / "a", verdict={"state": "mode_dropping", "reason": "coverage fell"})
    leave(tmp_path / "b", config(seed=2), PARENTS[2])
    found = {run["name"]: run["verdict"] for run in figures(compared(tmp_path))["runs"]}
    assert found == {"a": {"state": "mode_dropping", "reason": "coverage fell"}, "b": None}


def test_a_run_that_diverged_is_lost_and_one_point_has_no_interval(family: Path) -> None:
    runs = compared(family).runs
    (lost,) = [effect for effect in effects(runs, "eval/frechet_digits") if effect.change == "optimizer.D.lr=9"]
    assert (lost.points, lost.lost) == (0, 1)
    assert math.isnan(lost.paired.mean)
    (alone,) = effects([run for run in runs if run.name in ("run1", "fork1")], "eval/frechet_digits")
    assert alone.paired[:1] == (-3.0,)
    assert math.isnan(alone.paired.low)


def test_values_are_those_at_equal_images(family: Path, tmp_path: Path) -> None:
    """A fork that is shorter than its parent is compared where it ends."""
    leave(tmp_path / "run", config(), [40, 12, 20])
    leave(tmp_path / "short", config("ttur"), [40, 11])
    forked(tmp_path / "short", tmp_path / "run", ["balance=ttur"])
    (effect,) = effects(compared(tmp_path).runs, "eval/frechet_digits")
    assert effect.paired.mean == 11 - 12


def test_forks_of_seeds_are_one_group_and_stand_in_the_tree(family: Path) -> None:
    comparison = compared(family)
    names = [name for table in comparison.tables for name in table.groups.index]
    assert any("fork_at=10" in name and "ttur" in name for name in names), names
    found = tree(comparison.runs)
    assert [(fork.depth, fork.name) for fork in found[:3]] == [(0, "run1"), (1, "fork1"), (2, "again")]
    assert len(found) == 9
    words = report(family)
    assert "└─ fork1 at 10 kimg, balance=ttur: finished, 30 kimg" in words
    assert "balance=ttur against no change, 4 points: paired -3 (" in words
    assert words.count("forks of one parent point beside each other") == 1
    one = report(family / "run1", family / "fork1")
    assert "balance=ttur against no change, 1 point: -3\n" in one  # no interval, no variance
    page = page_without_plots(family)
    assert "<h2>Forks</h2>" in page
    assert "20\n└─ fork1 at 10 kimg, balance=ttur: finished" in page  # a line each
    assert "again at 20 kimg, optimizer.D.lr=9: diverged" in page


def test_a_run_that_went_back_is_of_the_group_of_its_beginning(tmp_path: Path) -> None:
    for seed in (1, 2):
        leave(tmp_path / f"run{seed}", config(seed=seed, monitor={"on_unhealthy": "rollback"}), [40, 12])
    run = tmp_path / "run1"
    leave(run / "before-1", config(seed=1, monitor={"on_unhealthy": "rollback"}), [40, 50])
    (run / "config.yaml").write_text((run / "config.yaml").read_text().replace("balance: {}", "balance: {x: {}}"))
    back = {"at_kimg": 20.0, "to_kimg": 10.0, "verdict": "collapsed", "remedy": "<i>skip_d", "overrides": []}
    note(run, rollbacks=[back, 3], choices={"balance": "skip_d"})
    note(run / "before-1", choices={"balance": "none"})
    assert read_run(run, "run1").choices == {"balance": "none"}
    forked(run, run / "before-1", ["balance=x"])
    (table,) = compared(tmp_path).tables
    assert table.groups.runs.tolist() == [2]
    assert "run1: collapsed at 20 kimg, back to 10 with <i>skip_d" in report(tmp_path)
    assert "back to 10 with &lt;i&gt;skip_d" in page_without_plots(tmp_path)


def test_strange_parents_are_survived(tmp_path: Path) -> None:
    for name, other in (("a", "b"), ("b", "a")):  # each other's
        leave(tmp_path / name, config(), [3, 2])
        forked(tmp_path / name, tmp_path / other, ["<b>x</b>"])
    leave(tmp_path / "c", config(seed=2), [3, 2])
    forked(tmp_path / "c", tmp_path / "gone", [])
    leave(tmp_path / "d", config(seed=3), [3, 2])
    note(tmp_path / "d", parent={"path": 3})
    words = report(tmp_path)
    assert "gone (not among these runs)" in words
    assert "<b>x</b>" not in page_without_plots(tmp_path)


def test_without_forks_nothing_is_shown() -> None:
    assert tree([Run(Path("x"), "x")]) == []
    assert effects([Run(Path("x"), "x")], "eval/x") == []
