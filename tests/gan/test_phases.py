"""Which phases a game has: names, terms and their order, gain and batch fraction of lazy ones; and what a phase gives."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor
from toys import game, losses

from seesaw.gan.balance import LeCam
from seesaw.gan.losses import CrossEntropyD
from seesaw.gan.penalties import R1, R2, Drift, GradientPenalty, PathLength, Penalty
from seesaw.gan.phases import Phase, build_phases
from seesaw.gan.terms import Term
from seesaw.shared.meter import label


def shape(phases: dict[str, Phase]) -> dict[str, tuple[Any, ...]]:
    """Player, terms in order, interval, gain and batch fraction of each phase."""
    return {n: (p.player, tuple(p.terms), p.interval, p.gain, p.batch_fraction) for n, p in phases.items()}


def test_without_penalties_there_are_two_phases() -> None:
    assert shape(game()) == {"D": ("D", ("adversarial",), 1, 1.0, 1.0), "G": ("G", ("adversarial",), 1, 1.0, 1.0)}
    assert list(build_phases(losses(), {}, order=("G", "D"))) == ["G", "D"]


def test_penalties_join_their_player_in_the_order_of_the_configuration_before_the_loss() -> None:
    phases = game(drift=Drift(), wgan_gp=GradientPenalty(), r1=R1(1.0))
    assert tuple(phases["D"].terms) == ("drift", "wgan_gp", "r1", "adversarial")
    assert tuple(phases["G"].terms) == ("adversarial",)
    LeCam().bind(phases)
    assert tuple(phases["D"].terms) == ("drift", "wgan_gp", "r1", "adversarial", "lecam")  # balance parts come last


def test_lazy_penalties_form_phases_by_player_and_interval() -> None:
    phases = build_phases(
        losses(),
        {
            "r2": R2(1.0, interval=16),
            "path_length": PathLength(),
            "r1": R1(1.0, interval=4),
            "drift": Drift(interval=16),
            "wgan_gp": GradientPenalty(),
        },
        order=("G", "D"),
    )
    assert shape(phases) == {
        "G": ("G", ("adversarial",), 1, 1.0, 1.0),
        "G_reg4": ("G", ("path_length",), 4, 4.0, 0.5),
        "D": ("D", ("wgan_gp", "adversarial"), 1, 1.0, 1.0),
        "D_reg4": ("D", ("r1",), 4, 4.0, 1.0),
        "D_reg16": ("D", ("r2", "drift"), 16, 16.0, 1.0),
    }
    assert [phase.name for phase in phases.values()] == list(phases)
    assert {name: phase.second_order for name, phase in phases.items()} == {
        "G": False, "G_reg4": True, "D": True, "D_reg4": True, "D_reg16": True,
    }  # fmt: skip
    assert [sorted(phases[name].grad_of) for name in ("D", "D_reg4", "D_reg16")] == [[], ["real"], ["fake"]]


class OfG(Drift):
    """A penalty with the player changed."""

    player = "G"


def test_the_player_decides_which_phase_a_penalty_joins() -> None:
    assert {n: tuple(p.terms) for n, p in game(mine=OfG(), lazy=OfG(interval=2)).items()} == {
        "D": ("adversarial",), "G": ("mine", "adversarial"), "G_reg2": ("lazy",),
    }  # fmt: skip


def test_penalties_of_one_lazy_phase_see_the_same_part_of_the_batch() -> None:
    with pytest.raises(ValueError, match="one and two share a phase; give them one batch_fraction, or other intervals"):
        game(one=PathLength(batch_fraction=0.5), two=PathLength(batch_fraction=0.25))
    assert game(one=PathLength(batch_fraction=0.25))["G_reg4"].batch_fraction == 0.25


@pytest.mark.parametrize(
    ("build", "sentence"),
    [
        (lambda: Phase("D", "D", {"adversarial": CrossEntropyD()}, gain=-1), "gain is -1; it must be above 0"),
        (lambda: Phase("D", "D", {}), "terms is empty; a phase needs at least one"),
        (lambda: Phase("D", "D", {"a": CrossEntropyD()}, interval=0), "interval is 0; it must be at least 1"),
        (
            lambda: Phase("D", "D", {"a": CrossEntropyD()}, batch_fraction=0.0),
            "batch_fraction is 0.0; it must be above",
        ),
        (
            lambda: Phase("D", "D", {"a": CrossEntropyD()}, batch_fraction=1.5),
            "batch_fraction is 1.5; it must be above",
        ),
        (lambda: build_phases({}, {}), "a loss names D's term under d and G's under g, and this one has none"),
        (lambda: build_phases(losses() | {"e": CrossEntropyD()}, {}), "and this one has d, g, e"),
        (lambda: build_phases(losses(), {}, order=("D",)), r"order is \['D'\]; it must be \[D, G\] or \[G, D\]"),
    ],
)
def test_what_makes_no_phase_is_refused(build: Callable[[], object], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        build()


class Given(Term):
    """A term with fixed values."""

    def __init__(self, *values: float, second_order: bool = False) -> None:
        super().__init__()
        self.values, self.second_order = torch.tensor(values), second_order

    def forward(self, batch: Any) -> Tensor:
        return self.values


def test_a_phase_gives_gain_times_the_sum_of_the_means() -> None:
    phase = Phase("D", "D", {"one": Given(1.0, 3.0), "two": Given(5.0)}, gain=4.0)
    loss, values = phase(SimpleNamespace())
    assert loss.item() == 4 * (2 + 5)
    assert {name: value.item() for name, value in values.items()} == {"loss": 28, "one": 2, "two": 5}


def test_without_gradient_a_phase_gives_the_terms_that_need_no_graph() -> None:
    phase = Phase("D", "D", {"one": Given(1.0, 3.0), "two": Given(5.0, second_order=True)})
    assert {name: value.item() for name, value in phase.evaluate_without_grad(SimpleNamespace()).items()} == {"one": 2}


def test_the_names_of_statistics() -> None:
    assert label("D_reg16", "loss") == "loss/D_reg16"
    assert label("D", "accuracy") == "D/accuracy"


def test_the_adversarial_term_of_d_is_found() -> None:
    phases = game(r1=R1(1.0, interval=2))
    found = phases["D"].adversarial()
    assert found is not None
    assert found[0] == "adversarial"
    assert phases["D_reg2"].adversarial() is None
    assert phases["G"].adversarial() is None


def test_every_penalty_has_an_interval_of_its_own() -> None:
    for kind, options in ((R1, {"gamma": 1.0}), (R2, {"gamma": 1.0}), (Drift, {}), (GradientPenalty, {})):
        penalty: Penalty = kind(**options, interval=8)
        assert list(game(it=penalty)) == ["D", "D_reg8", "G"]
        with pytest.raises(ValueError, match="interval is 0; it must be at least 1"):
            kind(**options, interval=0)
