"""The monitor's verdicts on planted histories: each fault, what it must not be taken for, and how steady a verdict is."""

import json
import math
from itertools import pairwise
from typing import Any

import pytest
import yaml

from seesaw.config.options import config_dir
from seesaw.monitor.failing import DDominates, Diverging, GDominates, NoProgress, Relapsed, Stalled
from seesaw.monitor.history import History, Record
from seesaw.monitor.monitor import Monitor, NoMonitor
from seesaw.monitor.rule import Finding, Rule
from seesaw.monitor.samples import Collapsed, Memorising, ModeDropping
from seesaw.monitor.verdict import HEALTHY, STATES, Verdict

RULES = {"Diverging": Diverging, "Collapsed": Collapsed, "ModeDropping": ModeDropping, "Memorising": Memorising,
         "DDominates": DDominates, "GDominates": GDominates, "Stalled": Stalled, "Relapsed": Relapsed,
         "NoProgress": NoProgress}  # fmt: skip
N = 20
"""Evaluations of a planted run, 1 kimg apart."""

ACCURACY, G_NORM, D_NORM = "train/D/accuracy", "train/grad_norm/G", "train/grad_norm/D"


def shipped(**more: Any) -> Monitor:
    """The monitor of conf/monitor/default.yaml."""
    node = yaml.safe_load((config_dir() / "monitor" / "default.yaml").read_text(encoding="utf-8"))
    node.pop("_target_")
    rules = {name: RULES[rule.pop("_target_").rpartition(".")[2]](**rule) for name, rule in node.pop("rules").items()}
    made = Monitor(rules, **node | more)
    made.begin(1000 * N)
    return made


def healthy(t: float) -> dict[str, float]:
    """Figures of a run that goes well, at the part `t` of its length: what dcgan_small shows on the digits, in round numbers."""
    learned = 1 - math.exp(-6 * t)
    return {
        "distance": 100 - 97 * learned, "coverage": 0.9 * learned**2, "recall": 0.8 * learned**2, "precision": 0.85 * learned,
        "density": 0.9 * learned, "vendi_ratio": 0.3 + 0.6 * learned, "duplicates": 0.02, "authentic": 0.7,
        "drift": 0.1 - 0.09 * t, "input_gradient": 0.2 - 0.1 * t, ACCURACY: 0.9 - 0.2 * t, G_NORM: 1 + t, D_NORM: 2 - t,
        "train/loss/D": 0.7, "train/loss/G": 2 + t, "train/D/logits_real": 1.5, "train/D/logits_fake": -1.5,
    }  # fmt: skip


def critic(t: float) -> dict[str, float]:
    """Of a healthy Wasserstein or relativistic run: D is right about every pair, and its logits have no scale."""
    return healthy(t) | {ACCURACY: 0.995, "train/loss/D": -30.0, "train/D/logits_real": 150.0, "train/D/logits_fake": 120.0}


def vae(t: float) -> dict[str, float]:
    return {name: value for name, value in healthy(t).items() if "/D" not in name and "/G" not in name and "input" not in name}


def from_start(**fault: float) -> Any:
    return lambda t: healthy(t) | fault


def after(when: float, **fault: float) -> Any:
    return lambda t: healthy(t) | (fault if t > when else {})


BAD = {"distance": 95.0, "coverage": 0.02, "precision": 0.1, "recall": 0.05}
ONE_IMAGE = {"duplicates": 1.0, "vendi_ratio": 0.02, "coverage": 0.002, "recall": 0.0, "distance": 150.0, "precision": 1.0}
FAULTS: dict[str, tuple[str, Any]] = {
    "one image": ("collapsed", after(0.5, **ONE_IMAGE)),
    "one image from the start": ("collapsed", from_start(**ONE_IMAGE)),
    "coverage falls, precision rises": ("mode_dropping", after(0.5, coverage=0.2, precision=0.95, recall=0.3)),
    "three of eight modes": (
        "mode_dropping",
        lambda t: {"mode_share": 0.375 if t > 0.5 else 1.0, "valid": 0.9, "distance": 2.0, "drift": 0.1},
    ),
    "copies": ("memorising", after(0.5, authentic=0.1, precision=1.0)),
    "D knows its reals by heart": ("memorising", after(0.3, r_v=0.95)),
    "C_T": ("memorising", after(0.3, c_t=-12.0)),
    "nothing to learn from D": ("d_dominates", lambda t: healthy(t) | BAD | {ACCURACY: 1.0, G_NORM: 1e-6 if t > 0.2 else 1.0}),
    "D right and no progress": ("d_dominates", from_start(**BAD, **{ACCURACY: 1.0})),
    "D right, samples all alike": ("d_dominates", from_start(**BAD | {"precision": 0.0}, duplicates=1.0, **{ACCURACY: 1.0})),
    "all alike, D at a loss": ("collapsed", from_start(**BAD | {"precision": 0.0}, duplicates=1.0, **{ACCURACY: 0.8})),
    "a critic and no progress": ("d_dominates", lambda t: critic(t) | BAD),
    "D's layer is dead": ("g_dominates", after(0.3, **{D_NORM: 0.0})),
    "D at chance, samples bad": ("g_dominates", from_start(**BAD, **{ACCURACY: 0.5})),
    "not finite": ("diverging", after(0.5, **{"train/loss/G": math.nan})),
    "gradients explode": ("diverging", lambda t: healthy(t) | {G_NORM: 1.0 if t < 0.5 else 10.0 ** (40 * t - 17)}),
    "logits explode": ("diverging", from_start(**{"train/D/logits_real": 5e4})),
    "all that was won is lost": ("diverging", after(0.5, distance=300.0, precision=0.1, coverage=0.3, recall=0.3)),
    "D is flat": (
        "g_dominates",
        lambda t: healthy(t) | {"coverage": 0.2, "recall": 0.2, "precision": 0.3, "vendi_ratio": 0.5, ACCURACY: 0.5}
        | ({"input_gradient": 0.001} if t > 0.4 else {}),
    ),
    "D has no gradient, samples good": ("g_dominates", after(0.4, **{ACCURACY: 0.5, "input_gradient": 1e-3})),
    "slowly lost": (  # as dcgan_small at twice its learning rate
        "diverging",
        lambda t: healthy(min(t, 0.4)) | ({"distance": 25 * (1 + 2 * (t - 0.4)), "coverage": 0.7 * (1 - t), "precision": 0.3}
                                          if t > 0.4 else {}),
    ),
    "D is fooled": ("g_dominates", lambda t: healthy(t) | BAD | {"distance": 95 - 30 * t, ACCURACY: 0.2}),
    "a frozen G": ("stalled", from_start(**BAD, drift=0.0)),
}  # fmt: skip


def watched(figures: Any, monitor: Monitor) -> list[Verdict]:
    """The verdicts on a planted run."""
    found = []
    for step in range(1, N + 1):
        values = figures(step / N)
        monitor.see_window({name: value for name, value in values.items() if name.startswith("train/")}, 1000 * step)
        found.append(monitor.observe(1000 * step, {n: v for n, v in values.items() if not n.startswith("train/")}))
    return found


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


def states(figures: Any, monitor: Monitor | None = None) -> list[str]:
    return [verdict.state for verdict in watched(figures, monitor or shipped())]


SLOW = BAD | {"precision": 0.0, ACCURACY: 0.8, "train/updates/G": 20.0}
"""A run of few steps with bad samples, which is a beginning."""


def test_a_g_that_would_get_nowhere_at_its_pace_is_stalled_during_the_warm_up() -> None:
    """Of 20 intervals of a movement of 0.01, root mean square, none leads from black to grey; twenty of 0.1 may. The first drift
    is known at the second evaluation, and a second one must agree."""
    crawls = lambda t: healthy(t) | SLOW | ({"drift": 0.01**2} if t > 1 / N else {"drift": math.nan})  # noqa: E731
    assert states(crawls)[:4] == ["warming_up", "warming_up", "stalled", "stalled"]
    assert "0.01 since the last evaluation, and at this pace by 0.2 in the whole run" in watched(crawls, shipped())[2].reason
    assert set(states(lambda t: crawls(t) | {"drift": 0.1**2})) == {"warming_up"}
    assert set(states(lambda t: crawls(t) | {"train/lr/G": 1e-3 * t})) == {"warming_up"}  # a rate that still rises
    assert "stalled" in states(lambda t: crawls(t) | {"train/lr/G": 1e-3})
    good = {"coverage": 0.6, "distance": 5.0, "precision": 0.8, "train/updates/G": 2000.0}
    assert set(states(lambda t: crawls(t) | good)) == {"warming_up", "healthy"}  # the end of a schedule
    no_scale = lambda t: {"distance": 95.0, "drift": 0.01**2, "train/updates/G": 20.0}  # noqa: E731
    assert set(states(no_scale)) == {"warming_up"}
    endless = shipped()
    endless.begin(math.inf)
    assert set(states(crawls, endless)) == {"warming_up"}


def test_a_d_that_ranks_bad_samples_above_reals_again_and_again_does_not_learn() -> None:
    """Three evaluations, and a fourth that agrees. In a healthy relativistic run that happens twice in a row."""
    fooled = SLOW | {"train/D/logits_fake": 0.4, "train/D/logits_real": 0.2}
    assert states(lambda t: healthy(t) | fooled)[:5] == ["warming_up"] * 3 + ["g_dominates"] * 2
    now_and_then = lambda t: healthy(t) | SLOW | (fooled if round(t * N) % 4 else {})  # noqa: E731
    assert set(states(now_and_then)) == {"warming_up"}
    good = {"coverage": 0.6, "distance": 5.0, "precision": 0.8}
    assert set(states(lambda t: healthy(t) | fooled | good)) == {"warming_up"}


def test_sharp_samples_all_alike_are_no_beginning_and_shapeless_ones_are() -> None:
    """Two evaluations. Samples that lie by an outlier of a small set have a precision of 1, and a density of 1 over k."""
    one = SLOW | ONE_IMAGE | {"density": 0.97}
    assert states(lambda t: healthy(t) | one)[:3] == ["warming_up", "collapsed", "collapsed"]
    outlier = lambda t: healthy(t) | one | {"density": 0.2}  # noqa: E731
    shapeless = lambda t: healthy(t) | one | {"precision": 0.0, "density": 0.0}  # noqa: E731
    assert set(states(outlier)) == set(states(shapeless)) == {"warming_up"}


def test_logits_of_thousands_are_no_beginning() -> None:
    large = lambda t: healthy(t) | SLOW | {"train/D/logits_fake": -5e3}  # noqa: E731
    assert states(large)[:2] == ["warming_up", "diverging"]
    assert set(states(lambda t: healthy(t) | SLOW | {G_NORM: 1.0 if t < 0.5 else 500.0})) == {"warming_up"}  # growth may be


def test_what_counts_early_is_taken_back_when_it_ends() -> None:
    """A verdict during the warm-up is changed as any other: by two evaluations."""
    burst = lambda t: healthy(t) | SLOW | ({"train/D/logits_fake": -5e3} if t < 0.3 else {})  # noqa: E731
    assert states(burst)[:8] == ["warming_up"] + ["diverging"] * 5 + ["warming_up"] * 2


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
        (lambda: Stalled(reach=2.0), "reach is 2.0; it must be from 0 to 1"),
        (lambda: GDominates(beaten=0), "beaten is 0; it must be at least 1"),
        (lambda: NoProgress(late=2.0), "late is 2.0; it must be from 0 to 1"),
        (lambda: Memorising(copies=1.0), "copies is 1.0; it must be below 0"),
    ],
)
def test_thresholds_without_meaning_are_refused(make: Any, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence.split(";")[0]) as caught:
        make()
    assert str(caught.value) == sentence
