"""Learning rates and beta2 of each step: base x schedule x lazy factor x balance, against closed forms."""

import math
from functools import partial
from typing import Any

import pytest
import pytorch_lightning as pl
import torch
from toys import OPTIMIZER, fit, plain, reports, task

from seesaw.gan.balance import TTUR
from seesaw.gan.module import GAN
from seesaw.gan.penalties import R1, R2
from seesaw.gan.phases import Phase
from seesaw.gan.rates import lazy_factor
from seesaw.gan.schedules import Constant, Cosine, Linear, Plateau

Step = tuple[float, tuple[float, float]]


class Watch(pl.Callback):
    """The learning rate and the betas of every step that an optimiser makes, by player."""

    def __init__(self) -> None:
        self.steps: dict[str, list[Step]] = {"G": [], "D": []}

    def on_train_start(self, trainer: pl.Trainer, pl_module: Any) -> None:
        for player, optimizer in zip("GD", trainer.optimizers, strict=True):
            optimizer.register_step_pre_hook(partial(self.note, player))

    def note(self, player: str, optimizer: torch.optim.Optimizer, *_: Any) -> None:
        (group,) = optimizer.param_groups
        self.steps[player].append((group["lr"], group.get("betas")))


def steps_of(gan: GAN, batches: int, **options: Any) -> dict[str, list[Step]]:
    watch = Watch()
    fit(gan, batches, callbacks=[watch], **options)
    return watch.steps


def test_without_a_schedule_they_are_the_optimisers_own() -> None:
    assert steps_of(plain(), 2) == {"G": [(1e-3, (0.5, 0.99))] * 2, "D": [(1e-3, (0.5, 0.99))] * 2}


def test_ttur_multiplies_the_optimisers_own_rates() -> None:
    lrs = {player: {lr for lr, _ in steps} for player, steps in steps_of(task("gated"), 2).items()}
    assert lrs == {"G": {5e-4}, "D": {2e-3}}


def test_lazy_phases_scale_lr_and_betas() -> None:
    """k/(k+1) on lr and on the exponents of the betas: 4/5 for G's path length, 16/17 for D's R1."""
    steps = steps_of(task("style"), 2)
    for player, k in (("G", 4), ("D", 16)):
        for lr, betas in steps[player]:
            assert lr == pytest.approx(1e-3 * k / (k + 1))
            assert betas == pytest.approx((0.5 ** (k / (k + 1)), 0.99 ** (k / (k + 1))))


def test_each_lazy_phase_of_a_player_has_its_factor() -> None:
    gan = plain(penalty={"r1": R1(1.0, interval=2), "r2": R2(1.0, interval=8)})
    assert list(gan.phases) == ["D", "D_reg2", "D_reg8", "G"]
    assert lazy_factor(gan.phases, "D") == pytest.approx(2 / 3 * 8 / 9)
    assert lazy_factor(gan.phases, "G") == 1


def test_the_factor_is_by_the_most_frequent_phase() -> None:
    term = plain().phases["G"].terms["adversarial"]
    phases = {str(k): Phase(str(k), "G", {"a": term}, interval=k) for k in (3, 6)}
    assert lazy_factor(phases, "G") == pytest.approx(2 / 3)  # due half as often


def test_lr_and_beta2_follow_their_schedules() -> None:
    """Beside a lazy R1 and TTUR: nothing compounds over the batches."""
    gan = plain(
        penalty={"r1": R1(1.0, interval=2)},
        balance={"ttur": TTUR(G=0.5, D=2.0)},
        schedule={"lr": Linear(1.0, 0.2, kimg=0.04), "beta2": Cosine(0.9, 0.99, kimg=0.032)},
    )
    steps, expected = steps_of(gan, 6), {"G": [], "D": []}
    for batch in range(6):
        shown = 8 * batch
        lr = 1e-3 * (1 - 0.8 * min(shown / 40, 1))
        beta2 = 0.99 - 0.09 * (1 + math.cos(math.pi * min(shown / 32, 1))) / 2
        expected["G"].append((lr * 0.5, (0.5, beta2)))
        of_d = (lr * 2 * 2 / 3, (0.5 ** (2 / 3), beta2 ** (2 / 3)))
        expected["D"] += [of_d] * (2 if batch % 2 == 0 else 1)  # the lazy phase steps too
    for player in "GD":
        assert [lr for lr, _ in steps[player]] == pytest.approx([lr for lr, _ in expected[player]])
        for (_, found), (_, betas) in zip(steps[player], expected[player], strict=True):
            assert found == pytest.approx(betas)


def test_the_logged_learning_rate_is_that_of_the_next_step() -> None:
    gan = task("noisy")  # falls from 1 to 0.1 over 1000 images
    fit(gan, 12)
    assert [values["train/lr/G"] for values in reports(gan)] == pytest.approx(
        [1e-3 * (1 - 0.9 * shown / 1000) for shown in (32, 64)]
    )


def test_a_warm_up_of_the_learning_rate() -> None:
    steps = steps_of(plain(schedule={"lr": Constant(1.0, warmup_kimg=0.032)}), 6)
    assert [lr for lr, _ in steps["G"]] == pytest.approx([0, 2.5e-4, 5e-4, 7.5e-4, 1e-3, 1e-3])


def test_the_plateau_receives_the_primary_metric() -> None:
    gan = plain(schedule={"lr": Plateau(factor=0.5, patience=1)})
    gan.observe_primary(3.0)
    gan.observe_primary(3.0)
    assert steps_of(gan, 1)["G"] == [(5e-4, (0.5, 0.99))]
    gan.forget_primary()
    gan.observe_primary(9.0)
    assert steps_of(gan, 1, start=8)["G"][-1][0] == 5e-4


def test_the_plateau_of_any_number_receives_it() -> None:
    gan = plain(penalty={"r1": R1(Plateau(factor=0.5, patience=1))})
    for _ in range(2):
        gan.observe_primary(3.0)
    assert gan.phases["D"].terms["r1"].gamma(0) == 0.5


def rmsprop(parameters: Any) -> torch.optim.Optimizer:
    return torch.optim.RMSprop(parameters, lr=1e-3)


def test_beta2_needs_an_optimizer_with_betas() -> None:
    for optimizer in ({"G": rmsprop, "D": rmsprop}, OPTIMIZER | {"D": rmsprop}):
        with pytest.raises(ValueError, match=r"schedule\.beta2 needs an optimizer with betas, and RMSprop has none"):
            fit(plain(optimizer=optimizer, schedule={"beta2": 0.9}), 1)
    steps = steps_of(plain(optimizer={"G": rmsprop, "D": rmsprop}, schedule={"lr": 0.5}), 1)
    assert steps["D"] == [(5e-4, None)]


@pytest.mark.parametrize(
    ("schedule", "sentence"),
    [
        ({"lr": Linear(1.0, -0.5, kimg=1)}, r"schedule\.lr is -0\.5; it must be at least 0"),
        ({"lr": Cosine(-1e-9, 1.0, kimg=1)}, r"schedule\.lr is -1e-09; it must be at least 0"),
        ({"lr": Linear(1.0, math.inf, kimg=1)}, r"schedule\.lr is inf"),
        ({"lr": -1.0}, r"schedule\.lr is -1\.0"),
        ({"beta2": Linear(0.9, 1.0, kimg=1)}, r"schedule\.beta2 is 1\.0; it must be at least 0 and below 1"),
        ({"beta2": Linear(-0.1, 0.9, kimg=1)}, r"schedule\.beta2 is -0\.1; it must be at least 0 and below 1"),
    ],
)
def test_both_ends_of_a_schedule_are_checked(schedule: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        plain(schedule=schedule)
