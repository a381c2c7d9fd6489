"""What no run begins with counts during the warm-up; what every run begins with does not."""

from typing import Any

from planted_histories import ACCURACY, BAD, G_NORM, ONE_IMAGE, N, healthy, shipped, watched

from seesaw.monitor.monitor import Monitor


def states(figures: Any, monitor: Monitor | None = None) -> list[str]:
    return [verdict.state for verdict in watched(figures, monitor or shipped())]


SLOW = BAD | {"precision": 0.0, ACCURACY: 0.8, "train/updates/G": 20.0}
"""A run of few steps with bad samples, which is a beginning."""


def test_a_g_that_moves_little_is_a_beginning() -> None:
    """Averages of G move as slowly in healthy runs of SNGAN and StyleGAN2: 6 of 30 of the held-out ones."""
    assert set(states(lambda t: healthy(t) | SLOW | {"drift": 0.01**2})) == {"warming_up"}


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
