"""The training step, on toy nets of five shapes: one step serves all."""

import copy
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from toys import REALS, TASKS, PlainD, PlainG, fit, game, task

from seesaw.gan.balance import Gate
from seesaw.gan.module import GAN
from seesaw.gan.phases import Phase
from seesaw.gan.schedules import Plateau
from seesaw.gan.terms import R1, CrossEntropyD
from seesaw.types import UserError

OPTIMIZERS = {player: partial(torch.optim.Adam, lr=1e-3) for player in "GD"}


@pytest.mark.parametrize("name", TASKS)
def test_every_shape_trains_and_reports(name: str) -> None:
    gan, reports = task(name), []
    before = copy.deepcopy(gan.state_dict())
    gan.on_report = lambda shown, values: reports.append((shown, values))
    fit(gan, 24)
    assert (gan.images_shown, gan.batches) == (192, 24)
    moved = {
        k.split(".")[0]
        for k, v in gan.state_dict().items()
        if isinstance(v, torch.Tensor) and not torch.equal(v, before[k])
    }
    assert {"G", "D", "G_ema"} <= moved
    assert [shown for shown, _ in reports] == [32, 64, 96, 128, 160]
    for _, values in reports:
        assert {
            "loss/G",
            "loss/D",
            "D/adversarial",
            "D/accuracy",
            "D/logits_real",
            "updates/G",
            "lr/D",
            "images_per_sec",
        } <= set(values)
        assert all(value == value for value in values.values())
    assert {"grad_norm/G", "grad_norm/D"} <= set(reports[0][1])


def test_phases_play_when_they_are_due() -> None:
    gan = task("style")
    fit(gan, 17)
    # G every batch and path length on 0, 4, 8, 12, 16; D every batch and R1 on 0 and 16.
    assert gan.updates == {"G": 17 + 5, "D": 17 + 2}


def test_a_plain_step_is_the_textbook_step() -> None:
    """Two batches of the engine against a loop written out here, in float64."""
    gan = task("plain").double()
    gan.G_ema.double()
    G, D = copy.deepcopy(gan.G), copy.deepcopy(gan.D)
    fit(gan, 2, precision="64-true")
    opt_g, opt_d = (torch.optim.Adam(net.parameters(), lr=1e-3, betas=(0.5, 0.99)) for net in (G, D))
    from seesaw.functional.keys import key

    def z(shown: int, phase: str) -> torch.Tensor:
        generator = torch.Generator().manual_seed(key(3, shown, phase, "z"))
        return torch.randn(8, 5, generator=generator, dtype=torch.float64)

    for shown in (0, 8):
        x = REALS[shown : shown + 8].double() / 127.5 - 1
        loss = torch.relu(1 - D([x])).mean() + torch.relu(1 + D(G(z(shown, "D")).images)).mean()
        opt_d.zero_grad()
        loss.backward()
        opt_d.step()
        loss = -D(G(z(shown, "G")).images).mean()
        opt_g.zero_grad()
        loss.backward()
        opt_g.step()
    for ours, theirs in ((gan.G, G), (gan.D, D)):
        for a, b in zip(ours.parameters(), theirs.parameters(), strict=True):
            torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-12)


def test_micro_batches_give_the_batch_s_gradient() -> None:
    whole, parts = task("plain").double(), task("plain", micro_batch=3).double()
    fit(whole, 6, precision="64-true")
    fit(parts, 6, precision="64-true")
    for a, b in zip(whole.parameters(), parts.parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("name", TASKS)
@pytest.mark.parametrize("cut", [3, 10])
def test_a_resumed_run_is_bit_equal(name: str, cut: int, tmp_path: Path) -> None:
    """Weights, optimisers' effect, averages and reports, cut inside a window and (growing) inside a fade."""
    unbroken, reports = task(name), []
    unbroken.on_report = lambda shown, values: reports.append((shown, values))
    fit(unbroken, 20)
    first, resumed = [], []
    part = task(name)
    part.on_report = lambda shown, values: first.append((shown, values))
    fit(part, cut).save_checkpoint(tmp_path / "a.ckpt")
    other = task(name)
    other.on_report = lambda shown, values: resumed.append((shown, values))
    fit(other, 20 - cut, ckpt=str(tmp_path / "a.ckpt"), start=8 * cut)
    assert other.images_shown == unbroken.images_shown
    assert other.updates == unbroken.updates
    for key, value in unbroken.state_dict().items():
        if isinstance(value, torch.Tensor):
            assert torch.equal(value, other.state_dict()[key]), key

    def timeless(rows: list) -> list:
        return [(shown, {k: v for k, v in values.items() if k != "images_per_sec"}) for shown, values in rows]

    assert timeless(first + resumed) == timeless(reports)


def test_checkpoints_load_with_weights_only(tmp_path: Path) -> None:
    fit(task("gated"), 3).save_checkpoint(tmp_path / "a.ckpt")
    loaded = torch.load(tmp_path / "a.ckpt", weights_only=True)
    assert loaded["progress"]["images_shown"] == 24
    assert not any("_orig_mod" in key for key in loaded["state_dict"])


def test_a_resting_d_does_not_move_but_is_still_watched() -> None:
    gan, reports = task("gated"), []
    gan.on_report = lambda shown, values: reports.append(values)
    fit(gan, 40)
    rested = 40 - gan.updates["D"]
    assert gan.updates["G"] == 40
    assert 0 < rested < 40
    assert sum(values["rests/D"] for values in reports) == rested - gan.rests["D"] - unread(gan)
    assert all(values["rests/G"] == 0 for values in reports)
    assert all("D/adversarial" in values for values in reports)
    assert reports[-1]["updates/D"] < reports[-1]["updates/G"]


def unread(gan: GAN) -> float:
    """Rests of D in windows that were sent and not yet read."""
    return sum(message.known["rests/D"] for message, _ in gan.statistics.mailbox.sent if message.kind == "window")


def test_the_plateau_hears_of_the_distance() -> None:
    gan = task("plain", schedule={"lr": Plateau(factor=0.5, patience=1)})
    gan.on_distance(3.0)
    gan.on_distance(3.0)
    fit(gan, 1)
    assert gan.trainer.optimizers[0].param_groups[0]["lr"] == pytest.approx(5e-4)


def test_ttur_multiplies_the_optimisers_own_rates() -> None:
    gan = task("gated")
    fit(gan, 2)
    lrs = [o.param_groups[0]["lr"] for o in gan.trainer.optimizers]
    assert lrs == pytest.approx([5e-4, 2e-3])


def test_lazy_phases_scale_lr_and_betas() -> None:
    gan = task("style")
    fit(gan, 2)
    g, d = (o.param_groups[0] for o in gan.trainer.optimizers)
    assert g["lr"] == pytest.approx(1e-3 * 4 / 5)
    assert g["betas"] == pytest.approx((0.5**0.8, 0.99**0.8))
    assert d["lr"] == pytest.approx(1e-3 * 16 / 17)
    assert d["betas"] == pytest.approx((0.5 ** (16 / 17), 0.99 ** (16 / 17)))


def test_growing_clears_adam_and_changes_the_resolution() -> None:
    gan = task("growing")
    fit(gan, 5)
    assert next(gan.sample(2, seed=0)).shape[-1] == 4
    gan = task("growing")
    fit(gan, 6)  # depth 1 begins with image 40: Adam has taken one step since
    assert next(gan.sample(2, seed=0)).shape[-1] == 8
    assert gan.G.alpha.item() == 0.0
    steps = {int(s["step"]) for o in gan.trainer.optimizers for s in o.state.values()}
    assert steps == {1}


def test_sampling_disturbs_nothing_and_depends_on_the_seed_alone() -> None:
    gan = task("noisy")
    fit(gan, 4)
    state, rng, training = copy.deepcopy(gan.state_dict()), torch.get_rng_state(), gan.G.training
    for ema in (True, False):
        whole = torch.cat(list(gan.sample(10, seed=4, ema=ema, batch_size=10)))
        parts = torch.cat(list(gan.sample(10, seed=4, ema=ema, batch_size=3)))
        assert whole.dtype == torch.uint8
        assert (whole.int() - parts.int()).abs().max() <= 1  # rounding of another batch size at most
        assert not torch.equal(whole, next(gan.sample(10, seed=5, ema=ema)))
    assert torch.equal(rng, torch.get_rng_state())
    assert gan.G.training == training
    for key, value in gan.state_dict().items():
        if isinstance(value, torch.Tensor):
            assert torch.equal(value, state[key]), key


def test_the_first_average_is_the_generator_and_then_lags() -> None:
    gan = task("plain", ema_half_life=0.0)
    fit(gan, 3)
    for a, b in zip(gan.G_ema.parameters(), gan.G.parameters(), strict=True):
        assert torch.equal(a, b)
    gan = task("plain", ema_half_life=1e9)
    fit(gan, 3)
    assert any(not torch.equal(a, b) for a, b in zip(gan.G_ema.parameters(), gan.G.parameters(), strict=True))


def test_the_opponent_is_frozen() -> None:
    gan = task("plain")
    fit(gan, 1)
    gan.turn("D")
    assert not any(p.requires_grad for p in gan.G.parameters())
    assert all(p.requires_grad for p in gan.D.parameters())
    assert not any(p.grad is not None for p in gan.D.parameters())


def test_divergence_is_said_in_a_sentence() -> None:
    torch.manual_seed(0)

    def sgd(parameters: object) -> torch.optim.Optimizer:
        return torch.optim.SGD(parameters, lr=1e30)  # type: ignore[arg-type]

    gan = GAN(PlainG(), PlainD(), game(), {"G": sgd, "D": sgd}, log_kimg=0.016)
    with pytest.raises(UserError, match=r"training diverged before .* kimg: .*loss/D.* not finite"):
        fit(gan, 20)


class OneInThree(Gate):
    """G steps in every third batch alone, and never in the first of a window of four."""

    def plays(self, phase: Phase) -> bool:
        return phase.player == "D" or self.batches % 3 == 2

    def advance(self, batches: int, images_shown: int) -> None:
        self.batches = batches


def test_a_player_s_gradient_norm_is_told_in_every_window_in_which_it_steps() -> None:
    gan, reports = GAN(PlainG(), PlainD(), game(), OPTIMIZERS, balance={"rare": OneInThree()}, log_kimg=0.032), []
    gan.on_report = lambda shown, values: reports.append(values)
    fit(gan, 14)
    assert len(reports) == 3
    assert all({"grad_norm/G", "grad_norm/D"} <= set(values) for values in reports)


def test_a_phase_s_loss_is_that_of_the_batches_in_which_it_played() -> None:
    """With R1, which a resting phase leaves out: the sum of the terms as they are told, and none where it never played."""
    phases = {"G": game()["G"], "D": Phase("D", {"adversarial": CrossEntropyD(), "r1": R1(50.0)})}
    for every, told in ((1, True), (1000, False)):
        gan, reports = GAN(PlainG(), PlainD(), phases, OPTIMIZERS, balance={"rare": Resting(every)}, log_kimg=0.032), []
        gan.on_report = lambda shown, values, reports=reports: reports.append(values)
        fit(gan, 9)
        for values in reports:
            assert ("loss/D" in values) == ("D/r1" in values) == told
            if told:
                assert values["loss/D"] == pytest.approx(values["D/adversarial"] + values["D/r1"], rel=1e-5)


class Resting(Gate):
    """D steps in every so manieth batch."""

    def __init__(self, every: int) -> None:
        super().__init__()
        self.every = every

    def plays(self, phase: Phase) -> bool:
        return phase.player == "G" or self.batches % self.every == self.every - 1

    def advance(self, batches: int, images_shown: int) -> None:
        self.batches = batches


def test_a_resting_phase_of_penalties_alone_tells_nothing() -> None:
    phases = game() | {"D_r1": Phase("D", {"r1": R1(1.0)}, every=2)}
    gan, reports = GAN(PlainG(), PlainD(), phases, OPTIMIZERS, balance={"rare": Resting(1000)}, log_kimg=0.032), []
    gan.on_report = lambda shown, values: reports.append(values)
    fit(gan, 9)
    assert len(reports) == 2
    assert not any("r1" in name for values in reports for name in values)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"micro_batch": -3}, "micro_batch is -3; it must be at least 1, or null"),
        ({"micro_batch": 0}, "micro_batch is 0;"),
        ({"log_kimg": -5.0}, "log_kimg is -5.0; it must be above 0"),
        ({"ema_half_life": -5.0}, "ema_half_life is -5.0; it must be at least 0"),
    ],
)
def test_numbers_with_which_nothing_would_be_trained_are_refused(options: dict[str, Any], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        GAN(PlainG(), PlainD(), game(), OPTIMIZERS, **options)
    with pytest.raises(ValueError, match="gain is -1; it must be above 0"):
        Phase("D", {"adversarial": CrossEntropyD()}, gain=-1)
    with pytest.raises(ValueError, match="terms is empty"):
        Phase("D", {})
