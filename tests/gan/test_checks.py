"""A diverged run ends with one sentence, and neither measures nor saves what is left of it."""

import math
from pathlib import Path

import pytest
import torch
from torch import nn
from toy_nets import PlainD, PlainG
from toys import fit, plain, rows, task

from seesaw.gan.module import GAN
from seesaw.shared.finite import check_figures, check_weights
from seesaw.shared.statistics import Report
from seesaw.types import UserError


def test_figures_are_named() -> None:
    check_figures(Report("window", 2000, 0, {"loss/D": 1.0}))
    with pytest.raises(UserError, match=r"diverged before 2 kimg: loss/D, D/r1 not finite; try a lower learning rate"):
        check_figures(Report("window", 2000, 0, {"loss/D": math.nan, "loss/G": 1.0, "D/r1": math.inf}))


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_weights_are_named(value: float) -> None:
    nets = {"G": nn.Linear(3, 2), "D": nn.Linear(2, 1)}
    with torch.no_grad():
        nets["G"].weight.fill_(3e38)  # large is finite
    check_weights(nets, 0)
    with torch.no_grad():
        nets["D"].bias[0] = value
    with pytest.raises(UserError, match=r"diverged before 0\.5 kimg: the weights of D are not finite"):
        check_weights(nets, 500)


@pytest.mark.parametrize("player", ["G", "D", "G_ema"])
def test_an_infinite_running_statistic_is_neither_saved_nor_sampled(player: str, tmp_path: Path) -> None:
    """All weights and figures are finite: BatchNorm gives 0 where its variance is infinite."""
    gan = plain(G=PlainG(norm=True), D=nn.Sequential(nn.BatchNorm2d(1), PlainD()), log_kimg=10.0)
    gan.D.forward = lambda images, y=None: gan.D[1]([gan.D[0](images[-1])], y)  # type: ignore[index, operator]
    trainer = fit(gan, 3)
    trainer.save_checkpoint(tmp_path / "fine.ckpt")
    (norm,) = (m for m in getattr(gan, player).modules() if isinstance(m, nn.modules.batchnorm._BatchNorm))
    norm.running_var[0] = math.inf  # type: ignore[index]
    name = {"G_ema": "G's average"}.get(player, player)
    with pytest.raises(UserError, match=rf"diverged before 0\.024 kimg: [\w.]*running_var of {name} is not finite"):
        trainer.save_checkpoint(tmp_path / "last.ckpt")
    assert not (tmp_path / "last.ckpt").exists()
    if player != "D":
        with pytest.raises(UserError, match="running_var of G"):
            next(gan.sample(4, seed=0, ema=player == "G_ema"))


def test_a_buffer_that_was_infinite_from_the_start_may_stay_so(tmp_path: Path) -> None:
    D = PlainD()
    D.register_buffer("mask", torch.tensor([0.0, -math.inf]))
    gan = plain(D=D)
    trainer = fit(gan, 2)
    trainer.save_checkpoint(tmp_path / "last.ckpt")
    assert gan.infinite == {"mask"}


def wild() -> GAN:
    """Its weights are not finite after a few of its steps, and its first window ends after all of them."""

    def sgd(parameters: object) -> torch.optim.Optimizer:
        return torch.optim.SGD(parameters, lr=1e30)  # type: ignore[arg-type]

    return plain(optimizer={"G": sgd, "D": sgd}, log_kimg=10.0)


def test_nothing_is_sampled_and_nothing_saved(tmp_path: Path) -> None:
    path = tmp_path / "last.ckpt"
    fit(task("plain"), 1).save_checkpoint(path)
    kept = path.read_bytes()
    gan = wild()
    trainer = fit(gan, 6)
    for average in (True, False):
        with pytest.raises(UserError, match=r"weights of G.* not finite"):
            next(gan.sample(4, seed=0, ema=average))
    with pytest.raises(UserError, match="not finite"):
        trainer.save_checkpoint(path)
    assert path.read_bytes() == kept


def test_the_last_window_of_a_finished_run_is_reported_and_checked() -> None:
    for finished in (True, False):
        gan = task("plain", log_kimg=0.032)
        fit(gan, 6)
        gan.flush_statistics(finished)
        assert [shown for shown, _ in rows(gan)] == ([32, 48] if finished else [32])
        gan.flush_statistics(finished)  # a second time there is nothing left
        assert len(rows(gan)) == 1 + finished
    gan = wild()
    fit(gan, 6)
    with pytest.raises(UserError, match=r"diverged before 0\.048 kimg: .*loss/D"):
        gan.flush_statistics(finished=True)
    gan = wild()
    fit(gan, 6)
    gan.flush_statistics()  # at an interruption or after an error: what ended the run is what is reported
