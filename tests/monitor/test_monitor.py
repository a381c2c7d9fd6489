"""The monitor's verdicts on planted histories: each fault, what it must not be taken for, and how steady a verdict is."""

import json
import math
from itertools import pairwise
from typing import Any

import pytest
from planted_histories import (
    ACCURACY,
    BAD,
    D_NORM,
    FAULTS,
    ONE_IMAGE,
    N,
    after,
    critic,
    from_start,
    healthy,
    shipped,
    vae,
    watched,
)

from seesaw.monitor.failing import Diverging, GDominates, NoProgress, Relapsed, Stalled
from seesaw.monitor.history import History, Record
from seesaw.monitor.monitor import Monitor, NoMonitor
from seesaw.monitor.rule import Finding, Rule
from seesaw.monitor.samples import Collapsed, Memorising
from seesaw.monitor.verdict import HEALTHY, STATES


@pytest.mark.parametrize("name", FAULTS)
def test_each_fault_has_its_verdict_and_a_sentence_with_figures(name: str) -> None:
    state, figures = FAULTS[name]
    found = watched(figures, shipped())
    assert found[-1].state == state
    assert found[-1].advice
    assert any(c.isdigit() for c in found[-1].reason) or "not finite" in found[-1].reason or "not at all" in found[-1].reason
    before = [verdict.state for verdict in found[: int(0.3 * N)]]
    assert set(before) <= {*HEALTHY, state}
    assert sum(verdict.state == state for verdict in found) >= 0.3 * N


@pytest.mark.parametrize("figures", [healthy, critic, vae, lambda t: {"distance": 50.0 - t}, lambda t: {}])
def test_a_healthy_run_is_never_accused(figures: Any) -> None:
    """A weak D at the end, a critic that is always right, a VAE without D, metrics with few roles, none at all."""
    assert {verdict.state for verdict in watched(figures, shipped())} == {"warming_up", "healthy"}


def test_an_equilibrium_is_no_dead_d() -> None:
    """D at chance with good samples is the aim."""
    figures = lambda t: healthy(t) | ({ACCURACY: 0.5, D_NORM: 0.02, "drift": 1e-5} if t > 0.8 else {})  # noqa: E731
    assert watched(figures, shipped())[-1].state == "healthy"


def test_noise_in_which_no_mode_is_found_is_not_called_collapse() -> None:
    found = watched(lambda t: {"distance": 90.0 - t, "mode_share": 0.0, "valid": 0.0}, shipped())
    assert {verdict.state for verdict in found} == {"warming_up", "healthy", "stalled"}


def test_recall_may_halve_and_not_fall_to_a_quarter() -> None:
    """As in the default run, which loses a part of its coverage while its learning rate is high, and wins it back."""
    halved = after(0.4, recall=0.3, coverage=0.55)
    assert {verdict.state for verdict in watched(halved, shipped())} == {"warming_up", "healthy"}
    assert watched(after(0.4, recall=0.15, coverage=0.55), shipped())[-1].state == "mode_dropping"


def test_a_fall_from_next_to_nothing_is_none() -> None:
    """Samples that are bad anyway have a recall and a coverage of noise."""
    few = lambda t: dict.fromkeys(("recall", "coverage"), 0.1 if t < 0.5 else 0.01)  # noqa: E731
    bad = lambda t: {"precision": 0.3, "distance": 50.0 - 20 * t, **few(t)}  # noqa: E731
    assert {verdict.state for verdict in watched(bad, shipped())} == {"warming_up", "healthy"}


def test_few_modes_are_a_beginning_while_the_run_still_gets_better() -> None:
    slow = lambda t: {"precision": 0.9, "mode_share": 0.1 + 0.1 * t, "coverage": 0.05, "distance": 90 - 80 * t}  # noqa: E731
    assert {verdict.state for verdict in watched(slow, shipped())} == {"warming_up", "healthy"}
    stuck = lambda t: {"precision": 0.9, "mode_share": 0.1, "coverage": 0.05, "distance": 90.0}  # noqa: E731
    assert watched(stuck, shipped())[-1].state == "collapsed"


def test_a_growing_model_is_not_held_against_the_reals_before_it_is_whole() -> None:
    small = from_start(**BAD, **{ACCURACY: 1.0})
    monitor = shipped()
    monitor.begin(1000 * N, settled=1000 * N // 2)
    found = watched(small, monitor)
    assert {verdict.state for verdict in found[: N // 2 - 1]} == {"warming_up", "healthy"}
    assert found[-1].state == "d_dominates"


def test_nothing_stands_still_that_has_hardly_begun() -> None:
    """A D at chance and a distance that does not fall, but in a run of few steps."""
    bad = healthy(0.0) | BAD | {ACCURACY: 0.5}
    few = lambda t: bad | {"train/updates/G": 20.0 * t, "train/updates/D": 90.0 * t}  # noqa: E731
    assert {verdict.state for verdict in watched(few, shipped())} == {"warming_up"}
    many = lambda t: bad | {"train/updates/G": 20.0 * t, "train/updates/D": 400.0 * t}  # noqa: E731
    assert [verdict.state for verdict in watched(many, shipped())] == ["warming_up"] * 5 + ["g_dominates"] * 15
    assert watched(lambda t: few(t) | {"train/loss/G": math.nan}, shipped())[-1].state == "diverging"


def test_images_that_do_not_move_at_all_are_stalled_without_a_warm_up() -> None:
    """One evaluation without a step of G in between is no sign."""
    frozen = lambda t: healthy(0.1) | ({"drift": 0.0} if t > 1 / N else {"drift": math.nan})  # noqa: E731
    assert [verdict.state for verdict in watched(frozen, shipped())][:3] == ["warming_up", "warming_up", "stalled"]


def test_late_in_a_run_samples_that_stay_bad_are_stalled() -> None:
    """Whatever D does, but not before: a slow run may still learn."""
    bad = lambda t: healthy(0.0) | BAD | {ACCURACY: 0.75}  # noqa: E731
    assert [verdict.state for verdict in watched(bad, shipped())][-7:] == ["healthy"] * 2 + ["stalled"] * 5
    slow = lambda t: bad(t) | {"distance": 95.0 - 30 * t}  # noqa: E731
    assert {verdict.state for verdict in watched(slow, shipped())} == {"warming_up", "healthy"}


def test_samples_without_form_drop_no_modes() -> None:
    """Points scattered about find a mode more or less."""
    few = lambda t: {"mode_share": 0.4 if t < 0.5 else 0.1, "coverage": 0.2}  # noqa: E731
    scattered = lambda t: {"distance": 4.0 - t, "precision": 0.05 + 0.05 * t, **few(t)}  # noqa: E731
    assert {verdict.state for verdict in watched(scattered, shipped())} == {"warming_up", "healthy"}


def test_one_odd_evaluation_changes_nothing() -> None:
    odd = lambda t: healthy(t) | ({"coverage": 0.4, "recall": 0.3} if t == 0.5 else {})  # noqa: E731
    assert {verdict.state for verdict in watched(odd, shipped())} == {"warming_up", "healthy"}


def test_a_verdict_dates_from_the_first_finding_and_ends_when_the_fault_does() -> None:
    back = lambda t: healthy(t) | (ONE_IMAGE if 0.5 <= t < 0.8 else {})  # noqa: E731
    monitor = shipped()
    found = watched(back, monitor)
    assert [change.state for change in monitor.changes] == ["warming_up", "healthy", "collapsed", "healthy"]
    assert [change.since_kimg for change in monitor.changes] == [1, 3, 10, 16]
    assert [a.state for a, b in pairwise(found) if a.state != b.state] == ["warming_up", "healthy", "collapsed"]


def test_a_fault_behind_another_one_dates_from_its_own_first_finding() -> None:
    """A weak D, and then one image: the samples were not alike before."""
    weak = BAD | {ACCURACY: 0.5}
    monitor = shipped()
    watched(lambda t: healthy(t) | (weak if t <= 0.5 else weak | ONE_IMAGE), monitor)
    assert [(change.state, change.since_kimg) for change in monitor.changes][-2:] == [("g_dominates", 3), ("collapsed", 11)]
    assert monitor.unhealthy_for == N - 2


@pytest.mark.parametrize("name", FAULTS)
def test_a_restored_monitor_goes_on_as_the_unbroken_one(name: str) -> None:
    """Also from between two evaluations, with a window on its way; through JSON, as nothing but plain values may be kept."""
    _, figures = FAULTS[name]
    whole, cut = shipped(), shipped()
    expected = watched(figures, whole)
    found = []
    for step in range(1, N + 1):
        values = figures(step / N)
        cut.see_window({name: value for name, value in values.items() if name.startswith("train/")}, 1000 * step)
        state = json.loads(json.dumps(cut.state_dict()))
        cut = shipped()
        cut.load_state_dict(state)
        found.append(cut.observe(1000 * step, {n: v for n, v in values.items() if not n.startswith("train/")}))
    assert found == expected
    assert cut.changes == whole.changes


def test_the_monitor_acts_when_its_patience_is_over() -> None:
    monitor = shipped(on_unhealthy="stop", patience=4)
    acted = []
    for step in range(1, N + 1):
        monitor.observe(1000 * step, healthy(step / N) | (ONE_IMAGE if step > 10 else {}))
        acted.append(monitor.acts)
    assert acted.index(True) == 13  # evaluations 11, 12, 13 and 14 are unhealthy
    assert not any(shipped().acts for _ in "a")
    reports = shipped()
    watched(after(0.5, **ONE_IMAGE), reports)
    assert not reports.acts


def test_another_protocol_begins_a_new_history() -> None:
    """A distance by other features may be ten times as large: no relapse."""
    monitor = shipped()
    for step in range(1, N + 1):
        factor = 1 if step <= 10 else 50
        verdict = monitor.observe(1000 * step, {"distance": factor * (100 - step)}, "digits" if factor == 1 else "fid")
        assert verdict.state in HEALTHY
    assert len(monitor.records) == 10


def test_windows_are_averaged_between_evaluations() -> None:
    monitor = shipped()
    for value in (1.0, 2.0, 6.0):
        monitor.see_window({"train/loss/G": value, "eval/x": 9.0}, 100)
    monitor.observe(1000, {})
    assert monitor.records == [Record(1000, {"train/loss/G": 3.0})]


def test_speeds_are_no_figures_of_a_run() -> None:
    """They differ from one start to the next, and a resumed run's state equals that of the unbroken one."""
    monitor = shipped()
    monitor.see_window({"train/loss/G": 1.0, "train/images_per_sec": math.inf, "train/iterations_per_sec": 3.0}, 100)
    assert monitor.state_dict()["sums"] == {"train/loss/G": [1.0, 1.0]}
    assert monitor.last is None


def test_numbers_that_are_not_finite_are_a_verdict_at_once() -> None:
    monitor = shipped()
    monitor.see_window({"train/loss/G": math.inf, "train/loss/D": math.nan}, 2000)
    assert monitor.last is not None
    assert (monitor.last.state, monitor.last.since_kimg) == ("diverging", 2.0)
    assert monitor.last.reason == "loss/G, loss/D are not finite"
    nobody = NoMonitor()
    nobody.see_window({"train/loss/G": math.inf}, 2000)
    assert nobody.last is None


def test_history_answers_what_rules_ask() -> None:
    values = [math.nan, 4.0, 2.0, 3.0, math.inf]
    history = History([Record(1000 * k, {"distance": v}) for k, v in enumerate(values, 1)], 10_000)
    assert (history.first("distance"), history.least("distance"), history.most("distance")) == (4, 2, 4)
    assert history.held("distance") == 2
    assert history.median("distance") == 3
    assert math.isnan(history.now("distance"))
    assert math.isnan(history.held("coverage"))
    assert history.improving(0.4, 0.0)  # 3 in the last two fifths; before, two in a row had 4 at most
    worse = History([Record(1000 * k, {"distance": v}) for k, v in enumerate([4.0, 2.0, 2.5, 3.0, 3.0], 1)], 10_000)
    assert not worse.improving(0.4, 0.0)
    assert worse.improving(0.8, 0.0)
    swings = [5.0, 4.0, 4.0, 1.0, 4.0, 4.0]  # one lucky value is no progress
    lucky = History([Record(1000 * k, {"distance": v}) for k, v in enumerate(swings, 1)], 10_000)
    assert not lucky.improving(0.5, 0.0)


class Always(Rule):
    state, advice = "stalled", "nothing"

    def __call__(self, history: History) -> Finding:
        return Finding("always", sure=True)


def test_the_first_rule_that_finds_something_decides_and_a_sure_one_needs_no_warm_up() -> None:
    monitor = Monitor({"mine": Always(), "other": Collapsed()})
    assert monitor.observe(1000, ONE_IMAGE).sentence() == "stalled since 1 kimg: always; what usually helps: nothing"
    assert monitor.last.code == STATES.index("stalled") == 8  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: Monitor({}, patience=0), "patience is 0; it must be at least 1"),
        (lambda: Monitor({}, updates=-1), "updates is -1; it must be at least 0"),
        (lambda: Monitor({}, warm_up=1.0), "warm_up is 1.0; it must be at least 0 and below 1"),
        (lambda: Collapsed(vendi=1.5), "vendi is 1.5; it must be from 0 to 1"),
        (lambda: Diverging(growth=1.0), "growth is 1.0; it must be above 1"),
        (lambda: Relapsed(beyond=-1.0), "beyond is -1.0; it must be at least 0"),
        (lambda: Relapsed(lost=2.0), "lost is 2.0; it must be from 0 to 1"),
        (lambda: Stalled(drift=2.0), "drift is 2.0; it must be from 0 to 1"),
        (lambda: GDominates(beaten=0), "beaten is 0; it must be at least 1"),
        (lambda: NoProgress(late=2.0), "late is 2.0; it must be from 0 to 1"),
        (lambda: Memorising(copies=1.0), "copies is 1.0; it must be below 0"),
    ],
)
def test_thresholds_without_meaning_are_refused(make: Any, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence.split(";")[0]) as caught:
        make()
    assert str(caught.value) == sentence
