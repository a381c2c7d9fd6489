"""Balance parts against hand-computed traces."""

import math

import pytest
from toys import game

from seesaw.gan.balance import TTUR, SkipD
from seesaw.gan.losses import HingeD

PHASES = game()


def skip_d(**options: object) -> SkipD:
    gate = SkipD(half_life=64.0, **options)  # a batch of 64 keeps half
    gate.bind(PHASES)
    return gate


def test_skip_d_by_loss() -> None:
    """Losses of 0 are an advantage of 1: the mean goes .5, .75 (skips), .875; losses of log 4 bring it down by halves."""
    gate = skip_d(skip_above=0.6, resume_below=0.3)
    trace = []
    for loss in (0.0, 0.0, 0.0, math.log(4), math.log(4), math.log(4)):
        gate.observe({"D/adversarial": loss}, 64)
        trace.append((round(gate.advantage, 6), gate.is_active(PHASES["D"])))
    assert trace == [(0.5, True), (0.75, False), (0.875, False), (0.4375, False), (0.21875, True), (0.109375, True)]
    assert gate.is_active(PHASES["G"])


def test_skip_d_by_accuracy() -> None:
    gate = skip_d(by="accuracy", skip_above=0.6, resume_below=0.6)
    for accuracy, advantage in ((1.0, 0.5), (0.9, 0.65), (0.5, 0.325)):
        gate.observe({"D/accuracy": accuracy}, 64)
        assert gate.advantage == pytest.approx(advantage)
        assert gate.is_active(PHASES["D"]) == (advantage <= 0.6)


def test_skip_d_compares_with_the_equilibrium_of_each_loss() -> None:
    gate = SkipD(half_life=64.0)
    gate.bind(game(HingeD()))
    gate.observe({"D/adversarial": 1.0}, 64)
    assert gate.advantage == pytest.approx(0.25)


def test_skip_d_skips_no_more_batches_than_allowed() -> None:
    gate = skip_d(skip_above=0.6, resume_below=0.1, max_skips=3)
    active = []
    for _ in range(12):
        gate.observe({"D/adversarial": 0.0}, 64)
        active.append(gate.is_active(PHASES["D"]))
    # Skipped from the second batch on; after three it steps once, and is skipped again.
    assert active == [True, False, False, False, True, False, False, False, True, False, False, False]


def test_skip_d_survives_a_resume() -> None:
    gate, other = skip_d(), skip_d()
    for _ in range(3):
        gate.observe({"D/adversarial": 0.0}, 64)
    other.load_state_dict(gate.state_dict())
    for _ in range(25):
        gate.observe({"D/adversarial": 0.1}, 64)
        other.observe({"D/adversarial": 0.1}, 64)
        assert (gate.advantage, gate.skipping, gate.skipped) == (other.advantage, other.skipping, other.skipped)


def test_skip_d_needs_a_discriminator_loss() -> None:
    with pytest.raises(ValueError, match=r"skip_d needs a discriminator loss .* and no phase of D has one"):
        SkipD().bind({"G": PHASES["G"]})


@pytest.mark.parametrize("wrong", [{"skip_above": 0.2}, {"skip_above": 1.0}, {"half_life": 0.0}, {"max_skips": 0}])
def test_skip_d_refuses(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="must"):
        SkipD(**wrong)


def test_ttur_scales_each_player() -> None:
    part = TTUR(G=0.5, D=2.0)
    assert (part.scale("G"), part.scale("D")) == (0.5, 2.0)
    with pytest.raises(ValueError, match="D is 0; it must be above 0"):
        TTUR(D=0)
