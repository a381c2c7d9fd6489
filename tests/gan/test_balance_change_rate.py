"""The loss-change-rate gate against a hand-computed trace."""

import pytest
from toys import fit, game, reports, task

from seesaw.gan.balance import ChangeRate
from seesaw.gan.penalties import Drift
from seesaw.gan.phases import Phase

PHASES = game()


def test_a_trace() -> None:
    part = ChangeRate(weight=2.0)
    part.bind(PHASES)
    trace = []
    # rates of D: -, 3/4, 0, 3, 1/2; of G: -, 1/4, 1/2, 1, 1/4
    for d, g in ((-2.0, 1.0), (-0.5, 0.75), (-0.5, 0.375), (1.0, 0.75), (0.5, 0.9375)):
        part.observe({"D/adversarial": d, "G/adversarial": g}, 8)
        trace.append("".join(name for name, phase in PHASES.items() if part.is_active(phase)))
    assert trace == ["DG", "D", "G", "D", "G"]  # the last: 1/2 is not above 2 x 1/4
    assert part.report() == pytest.approx({"balance/change_rate/D": 0.5, "balance/change_rate/G": 0.25})
    part.observe({"D/adversarial": 1.0}, 8)  # G was not due: nothing changes
    assert part.report()["balance/change_rate/D"] == 0.5


def test_a_loss_of_zero_is_no_error() -> None:
    part = ChangeRate()
    part.bind(PHASES)
    for d in (0.0, 1.0, 0.0):
        part.observe({"D/adversarial": d, "G/adversarial": 1.0}, 8)
    assert part.is_active(PHASES["D"])


def test_survives_a_resume() -> None:
    part, other = ChangeRate(), ChangeRate()
    for p in (part, other):
        p.bind(PHASES)
    for d in (1.0, 2.0):
        part.observe({"D/adversarial": d, "G/adversarial": 1.0}, 8)
    other.load_state_dict(part.state_dict())
    assert (other.losses, other.rates) == (part.losses, part.rates)
    part.observe({"D/adversarial": 1.0, "G/adversarial": 3.0}, 8)
    other.observe({"D/adversarial": 1.0, "G/adversarial": 3.0}, 8)
    assert other.rates == part.rates == {"D": 0.5, "G": 2.0}


def test_one_player_steps_in_each_batch_once_it_has_begun() -> None:
    gan = task("plain", balance={"change_rate": ChangeRate()})
    fit(gan, 24)
    d, g = gan.meter.updates["D"], gan.meter.updates["G"]
    assert min(d, g) >= 4
    both = d + g - 24
    assert both == 3  # two losses make a rate, and the second is read after the third batch
    assert {f"balance/{kind}/{player}" for kind in ("change_rate", "skipped") for player in "GD"} <= set(
        reports(gan)[-1]
    )


def test_refuses() -> None:
    with pytest.raises(ValueError, match="weight is 0; it must be above 0"):
        ChangeRate(0)
    with pytest.raises(ValueError, match="no phase of G has a term adversarial"):
        ChangeRate().bind({"D": game()["D"]})
    with pytest.raises(ValueError, match="no phase of D has one"):
        ChangeRate().bind({"D": Phase("D", "D", {"drift": Drift()})})
