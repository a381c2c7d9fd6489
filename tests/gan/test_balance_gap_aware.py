"""The gap-aware learning rate against hand-computed figures."""

from collections.abc import Mapping
from pathlib import Path

import pytest
from toys import assert_equal_states, fit, game, reports, task

from seesaw.gan.balance import TTUR, GapAware
from seesaw.gan.losses import HingeD, WassersteinD


def part(**options: float) -> GapAware:
    made = GapAware(**options)
    made.bind(game(HingeD()))  # L* = 2
    return made


def test_a_trace() -> None:
    """decay 0.5 from 2: losses 2.2, 1.9, 1.6 and 9 give means 2.1, 2.0, 1.8 and 5.4; w is 0.2."""
    scales = part(decay=0.5)
    assert scales.scale("D") == 1
    trace = []
    for loss in (2.2, 1.9, 1.6, 9.0):
        scales.observe({"D/adversarial": loss}, 8)
        trace.append((scales.report()["balance/gap"], scales.scale("D"), scales.scale("G")))
    expected = [(0.1, 2**0.5, 1), (0.0, 1, 1), (-0.2, 0.1, 1), (3.4, 2, 1)]
    for got, want in zip(trace, expected, strict=True):
        assert got == pytest.approx(want, abs=1e-12)


def test_half_a_width_under_the_equilibrium() -> None:
    scales = part(decay=0.0)
    scales.observe({"D/adversarial": 1.9}, 8)
    assert scales.scale("D") == pytest.approx(0.1**0.5)
    scales.observe({}, 8)  # its phase was not due
    assert scales.scale("D") == pytest.approx(0.1**0.5)


def test_multiplies_the_base_rate_beside_ttur(tmp_path: Path) -> None:
    def gan() -> object:
        return task("noisy", balance={"gap_aware": GapAware(decay=0.5, width=0.01), "ttur": TTUR()})

    whole, first, other = gan(), gan(), gan()
    fit(whole, 12)
    fit(first, 5).save_checkpoint(tmp_path / "a.ckpt")
    fit(other, 7, ckpt=str(tmp_path / "a.ckpt"), start=40)
    assert_equal_states(whole, other)
    assert {"balance/gap", "balance/lr_scale/D"} <= set(reports(whole)[0])
    assert any(r["balance/lr_scale/D"] != 1 for r in reports(whole))
    for values, shown in zip(
        reports(whole), (32, 64), strict=True
    ):  # its schedule falls from 1 to 0.1 over 1000 images
        ratio = values["train/lr/D"] / values["train/lr/G"]
        assert ratio == pytest.approx(4 * values["balance/lr_scale/D"]), shown


class Noted(GapAware):
    """Notes the batches run when it learns the time, and how many losses it has received by then."""

    def __init__(self) -> None:
        super().__init__()
        self.received, self.notes = 0, []

    def advance(self, batches: int, images_shown: int) -> None:
        self.notes.append((batches, self.received))

    def observe(self, statistics: Mapping[str, float], images: int) -> None:
        self.received += 1


def test_the_newest_loss_is_that_of_the_batch_before_the_last() -> None:
    """Before batch t, counted from 0, there are t - 1 losses: those of batches 0 to t - 2."""
    noted = Noted()
    fit(task("plain", balance={"gap_aware": noted}), 6)
    assert noted.notes == [(t, max(t - 1, 0)) for t in range(6)]


@pytest.mark.parametrize("wrong", [{"f_max": 0.5}, {"h_min": 0.0}, {"width": 0.0}, {"decay": 1.0}])
def test_refuses_values(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="must hold"):
        GapAware(**wrong)


def test_refuses_a_loss_without_scale() -> None:
    with pytest.raises(ValueError, match="WassersteinD has no scale"):
        GapAware().bind(game(WassersteinD()))
