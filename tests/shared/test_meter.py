"""What is logged, recomputed by hand: a loop of its own trains the same networks, and every figure of a window that reaches the
logger is taken from it. Nothing of the step, the meter or the average is used."""

import copy
import math
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

import pytest
import pytorch_lightning as pl
import torch
from torch import Tensor, nn
from toys import REALS, Recorder, fit, losses, plain, rows

from seesaw.gan.losses import HingeD, HingeG
from seesaw.gan.module import GAN
from seesaw.gan.parts import Gate
from seesaw.gan.penalties import R1
from seesaw.gan.phases import Phase
from seesaw.shared import meter
from seesaw.shared.meter import Meter, shown_names
from seesaw.util import key

HALF_LIFE, GAMMA, WINDOW = 6.0, 0.5, 4
SKIPPED = {1: "D", 3: "D", 4: "G", 6: "D"}
"""Batch -> the player whose phase a gate closes."""


class Listed(Gate):
    """Closes the phases that `SKIPPED` names."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0

    def advance(self, batches: int, images_shown: int) -> None:
        self.now = batches

    def is_active(self, phase: Phase) -> bool:
        return SKIPPED.get(self.now) != phase.player


def measured(**options: Any) -> GAN:
    """Hinge loss, R1, an average that lags behind, a gate: 3 windows of 4 batches, in float64.

    D's last layer is scaled so that accuracies and logits of the two sides differ from the start.
    """
    gan = plain(
        loss=losses(HingeD(), HingeG()), penalty={"r1": R1(GAMMA)}, balance={"listed": Listed()},
        ema_half_life=HALF_LIFE, optimizer=dict.fromkeys("GD", sgd), **options,
    ).double()  # fmt: skip
    with torch.no_grad():
        gan.D.end.weight.mul_(4)
        gan.D.end.bias.fill_(0.1)
    return gan


def sgd(parameters: Any) -> torch.optim.Optimizer:
    return torch.optim.SGD(parameters, lr=0.05)


class Loop:
    """The same training, written out, and every figure that a window should hold."""

    def __init__(self, G: nn.Module, D: nn.Module) -> None:
        self.G, self.D, self.average = G, D, copy.deepcopy(G)
        self.updates = {"G": 0, "D": 0}
        self.windows: list[dict[str, float]] = []
        self.figures: dict[str, list[float]] = {}
        self.norms: dict[str, float] = {}
        self.skipped = {"G": 0, "D": 0}

    def note(self, **values: Tensor) -> None:
        for name, value in values.items():
            self.figures.setdefault(name.replace("__", "/"), []).append(value.item())

    def step(self, player: str, net: nn.Module, loss: Tensor) -> None:
        gradients = torch.autograd.grad(loss, list(net.parameters()))
        self.norms.setdefault(player, math.sqrt(sum(float((g * g).sum()) for g in gradients)))  # the window's first
        self.updates[player] += 1
        with torch.no_grad():
            for w, g in zip(net.parameters(), gradients, strict=True):
                w -= 0.05 * g

    def d_step(self, x: Tensor, z: Tensor, skipped: bool) -> None:
        x = x.clone().requires_grad_()
        real, fake = self.D([x]), self.D([self.G(z).images[0].detach()])
        adversarial = (1 - real).clamp(min=0).mean() + (1 + fake).clamp(min=0).mean()
        right = [float(v > 0) for v in real] + [float(v < 0) for v in fake]
        self.note(D__adversarial=adversarial, D__logits_real=real.mean(), D__logits_fake=fake.mean())
        self.note(D__accuracy=torch.tensor(sum(right) / len(right)))
        if skipped:
            self.skipped["D"] += 1
            return
        (slope,) = torch.autograd.grad(real.sum(), x, create_graph=True)
        r1 = GAMMA / 2 * (slope**2).sum() / len(x)
        self.note(D__r1=r1, loss__D=adversarial + r1)
        self.step("D", self.D, adversarial + r1)

    def g_step(self, z: Tensor, skipped: bool) -> None:
        loss = -self.D(self.G(z).images).mean()
        self.note(G__adversarial=loss)
        if skipped:
            self.skipped["G"] += 1
            return
        self.note(loss__G=loss)
        self.step("G", self.G, loss)

    def end_batch(self, shown: int) -> None:
        """The average forgets half in min(half-life, 5 % of the images shown) images; a batch has 8."""
        decay = 0.5 ** (8 / min(HALF_LIFE, 0.05 * shown))
        with torch.no_grad():
            for old, new in zip(self.average.parameters(), self.G.parameters(), strict=True):
                old.copy_(decay * old + (1 - decay) * new)
        if shown % (8 * WINDOW) == 0:
            window = {name: sum(values) / len(values) for name, values in self.figures.items()}
            window |= {f"grad_norm/{player}": norm for player, norm in self.norms.items()}
            window |= {f"updates/{player}": n for player, n in self.updates.items()}
            self.windows.append(window | {f"skipped/{player}": n for player, n in self.skipped.items()})
            self.figures, self.norms, self.skipped = {}, {}, {"G": 0, "D": 0}

    def run(self, batches: int) -> None:
        for batch in range(batches):
            shown = 8 * batch
            rows = torch.arange(shown, shown + 8) % len(REALS)
            generators = {name: torch.Generator().manual_seed(key(3, shown, name, "z")) for name in "DG"}
            z = {name: torch.randn(8, 5, generator=g, dtype=torch.float64) for name, g in generators.items()}
            self.d_step(REALS[rows].double() / 127.5 - 1, z["D"], SKIPPED.get(batch) == "D")
            self.g_step(z["G"], SKIPPED.get(batch) == "G")
            self.end_batch(shown + 8)


BY_HAND = (
    "loss/D", "loss/G", "D/adversarial", "D/r1", "D/accuracy", "D/logits_real", "D/logits_fake", "G/adversarial",
    "grad_norm/G", "grad_norm/D", "updates/G", "updates/D",
)  # fmt: skip


@pytest.mark.parametrize("micro_batch", [None, 3])
def test_every_figure_of_a_window_is_that_of_a_loop_by_hand(micro_batch: int | None) -> None:
    """In micro-batches too: means weigh by samples, and the gradient's norm is that of the batch."""
    gan = measured(micro_batch=micro_batch)
    loop = Loop(copy.deepcopy(gan.G), copy.deepcopy(gan.D))
    fit(gan, 13, precision="64-true")
    loop.run(13)
    assert [shown for shown, _ in rows(gan)] == [32, 64, 96]
    for (_, logged), window in zip(rows(gan), loop.windows, strict=True):
        found = {name: logged[f"train/{name}"] for name in BY_HAND}
        assert found == pytest.approx({name: window[name] for name in BY_HAND}, rel=1e-5, abs=1e-7)
        assert {p: logged[f"balance/skipped/{p}"] for p in "GD"} == {p: window[f"skipped/{p}"] for p in "GD"}
        assert window["D/accuracy"] not in (0, 0.5, 1)  # figures that a mutation would change
        assert abs(window["D/logits_real"] - window["D/logits_fake"]) > 0.02
    assert [[w[f"skipped/{p}"] for p in "DG"] for w in loop.windows] == [[2, 0], [1, 1], [0, 0]]
    assert loop.updates == gan.meter.updates == {"D": 10, "G": 12}


def test_the_average_is_that_of_a_loop_by_hand() -> None:
    gan = measured()
    loop = Loop(copy.deepcopy(gan.G), copy.deepcopy(gan.D))
    fit(gan, 13, precision="64-true")
    loop.run(13)
    for ours, theirs in ((gan.G, loop.G), (gan.D, loop.D), (gan.G_ema, loop.average)):
        for a, b in zip(ours.parameters(), theirs.parameters(), strict=True):
            torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-12)
    lag = [(a - b).norm() / b.norm() for a, b in zip(gan.G_ema.parameters(), gan.G.parameters(), strict=True)]
    assert max(lag) > 1e-3


class Clock:
    """Stands for `time`: it moves where the test moves it."""

    def __init__(self) -> None:
        self.now = 100.0

    def perf_counter(self) -> float:
        return self.now


class Pause(pl.Callback):
    """An evaluation of 1000 s after every batch."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock

    def on_train_batch_end(self, *args: Any) -> None:
        self.clock.now += 1000


def test_images_per_second_count_the_training_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """A pass through G takes 1/4 s here, so a batch of 8 takes 1/2 s; what callbacks take does not count."""
    clock = Clock()
    monkeypatch.setattr(meter, "time", SimpleNamespace(perf_counter=clock.perf_counter))
    gan = plain()

    def takes(*_: Any) -> None:
        clock.now += 0.25

    gan.G.register_forward_hook(takes)
    fit(gan, 13, callbacks=[Pause(clock)])
    assert [values["train/images_per_sec"] for _, values in rows(gan)] == pytest.approx([16, 16, 16])
    gan.G.register_forward_hook(takes)  # now 1 s a batch
    fit(gan, 9, start=104, callbacks=[Pause(clock)])
    assert [(shown, values["train/images_per_sec"]) for shown, values in rows(gan)] == [
        (128, pytest.approx(32 / 3.5)),  # one of its batches was trained before
        (160, pytest.approx(8)),
    ]


def test_images_per_second_leave_out_the_time_in_which_the_process_was_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    """Stopped for 1000 s in the third pass through G, and for 1000 s more in an evaluation."""
    clock = Clock()
    monkeypatch.setattr(meter, "time", SimpleNamespace(perf_counter=clock.perf_counter))
    gan, passes = plain(), 0

    def takes(*_: Any) -> None:
        nonlocal passes
        passes += 1
        clock.now += 0.25
        if passes == 3:
            clock.now += 1000
            gan.leave_out_time(1000.25)  # as the progress bar does: all since the last batch

    class StoppedThere(Pause):
        def on_train_batch_end(self, *args: Any) -> None:
            super().on_train_batch_end(*args)
            gan.leave_out_time(1000)

    gan.G.register_forward_hook(takes)
    fit(gan, 5, callbacks=[StoppedThere(clock)])
    ((_, values),) = rows(gan)
    assert values["train/images_per_sec"] == pytest.approx(32 / 1.75)  # 7 of the 8 passes


def test_windows_end_where_their_length_is_crossed() -> None:
    """Of 20 images and batches of 8: at 24, 40, 64, 80, …; a window holds what came since the last."""
    gan = plain(log_kimg=0.02)
    fit(gan, 12)
    assert [shown for shown, _ in rows(gan)] == [24, 40, 64, 80]
    assert [values["train/updates/D"] for _, values in rows(gan)] == [3, 5, 8, 10]


def test_counts_of_skipped_phases_are_logged_with_a_gate_alone() -> None:
    gan = plain()
    fit(gan, 5)
    assert not any("skipped" in name for _, values in rows(gan) for name in values)


def test_names_of_sections_of_their_own_stay() -> None:
    assert shown_names({"loss/D": 1.0, "balance/gap": 2.0, "balance/skipped/D": 3.0, "schedule/r1.gamma": 4.0}) == {
        "train/loss/D": 1.0, "balance/gap": 2.0, "balance/skipped/D": 3.0, "train/schedule/r1.gamma": 4.0,
    }  # fmt: skip


def test_the_last_window_of_a_run_is_shorter() -> None:
    """Logged where the run has finished; an interrupted one completes it later."""
    for finished, expected in ((False, [32]), (True, [32, 48])):
        gan = measured()
        loop = Loop(copy.deepcopy(gan.G), copy.deepcopy(gan.D))
        fit(gan, 6, precision="64-true")
        loop.run(6)
        gan.flush_statistics(finished)
        assert [shown for shown, _ in rows(gan)] == expected
        if finished:
            values = rows(gan)[-1][1]
            for name, figures in loop.figures.items():
                assert values[f"train/{name}"] == pytest.approx(sum(figures) / len(figures), rel=1e-5)
        gan.flush_statistics(finished)  # a second time there is nothing left
        assert len(rows(gan)) == len(expected)


def test_every_logger_gets_every_row_at_the_images_shown() -> None:
    gan = plain()
    fit(gan, 1)
    loggers = [Recorder(), Recorder()]
    gan.trainer.loggers = loggers
    gan.report({"eval/fid": 3.0})
    gan.report({"eval/fid": 2.0}, images_shown=5)
    assert [logger.rows for logger in loggers] == [[(8, {"eval/fid": 3.0}), (5, {"eval/fid": 2.0})]] * 2
    assert gan.latest_metrics["eval/fid"] == 2.0


def test_without_a_trainer_values_are_kept_alone() -> None:
    gan = plain()
    gan.report({"eval/fid": 3.0})
    assert gan.latest_metrics == {"eval/fid": 3.0}


def test_the_counters_are_part_of_a_checkpoint() -> None:
    one, other = Meter(32, gated=True), Meter(32, gated=True)
    one.count_update("D", [torch.ones(2), None])
    one.count_skip("G")
    one.end_batch(8, 8, send=False)
    progress: Mapping[str, Any] = one.progress()
    one.count_skip("G")  # a copy was taken
    other.load_progress(dict(progress))
    assert (other.updates, other.skipped, other.window_images) == ({"G": 0, "D": 1}, {"G": 1, "D": 0}, 8)


def test_the_meter_norm_leaves_out_weights_without_a_gradient() -> None:
    one = Meter(8)
    one.count_update("D", [torch.tensor([3.0, 0.0]), None, torch.tensor(4.0)])
    one.end_batch(8, 8, send=False)
    one.end_window(8, {})
    (report,) = one.read()
    assert report.values["grad_norm/D"] == pytest.approx(5.0)
