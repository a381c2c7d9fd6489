"""What a step computes, counted; and which phases run compiled nets."""

from pathlib import Path
from typing import Any

import pytest
import torch
from omegaconf import OmegaConf
from torch import nn
from toys import ADAM, PlainD, PlainG, fit, game, task

from seesaw.gan import compiled, terms
from seesaw.gan.module import GAN
from seesaw.gan.phases import Phase

CONF = Path(__file__).parents[2] / "conf"


def gan_of(d: dict[str, terms.Term], g: terms.Term | None = None, **options: Any) -> GAN:
    torch.manual_seed(0)
    phases = {"D": Phase("D", d), "G": Phase("G", {"adversarial": g or terms.NonSaturatingG()})}
    return GAN(PlainG(), PlainD(), phases, {"G": ADAM, "D": ADAM}, seed=3, log_kimg=0.032, **options)


def counts(gan: GAN, batches: int = 4) -> dict[str, float]:
    """Forward passes of each player and backward passes a batch."""
    seen = {"G": 0, "D": 0, "backward": 0}

    def count(name: str) -> Any:
        def hook(*_: Any) -> None:
            seen[name] += 1

        return hook

    gan.G.register_forward_hook(count("G"))
    gan.D.register_forward_hook(count("D"))
    backward = gan.manual_backward

    def counted(loss: torch.Tensor, *more: Any, **options: Any) -> None:
        seen["backward"] += 1
        backward(loss, *more, **options)

    gan.manual_backward = counted  # type: ignore[method-assign]
    fit(gan, batches)
    return {name: n / batches for name, n in seen.items()}


PLAIN = terms.CrossEntropyD()


@pytest.mark.parametrize(
    ("d", "forwards_of_d"),
    [
        ({"adversarial": PLAIN}, 3),  # reals and fakes in D's step, fakes in G's
        ({"adversarial": PLAIN, "r1": terms.R1(1.0)}, 3),  # on the reals of the loss
        ({"adversarial": PLAIN, "r1": terms.R1(1.0), "r2": terms.R2(1.0)}, 3),
        ({"adversarial": PLAIN, "drift": terms.Drift()}, 3),
        ({"adversarial": PLAIN, "gp": terms.GradientPenalty()}, 4),  # at points of its own
    ],
    ids=lambda d: "+".join(d) if isinstance(d, dict) else str(d),
)
def test_penalties_share_the_loss_s_forward_passes(d: dict[str, terms.Term], forwards_of_d: int) -> None:
    assert counts(gan_of(d)) == {"G": 2, "D": forwards_of_d, "backward": 2}


def test_sharing_saves_g_s_forward_and_nothing_else() -> None:
    assert counts(gan_of({"adversarial": PLAIN}, share_fakes=True)) == {"G": 1, "D": 3, "backward": 2}


def test_a_relativistic_g_looks_at_the_reals_once() -> None:
    d, g = {"adversarial": terms.RelativisticPairedD()}, terms.RelativisticPairedG()
    assert counts(gan_of(d, g)) == {"G": 2, "D": 4, "backward": 2}


def test_nothing_is_computed_for_the_frozen_opponent() -> None:
    gan = gan_of({"adversarial": PLAIN, "r1": terms.R1(1.0)})
    graphs: list[tuple[str, bool]] = []
    gan.G.register_forward_hook(lambda net, given, made: graphs.append(("G", made.images[0].requires_grad)))
    gan.D.conv.register_forward_pre_hook(lambda net, given: graphs.append(("D", net.weight.requires_grad)))
    fit(gan, 1)
    assert sorted(graphs) == [("D", False), ("D", True), ("D", True), ("G", False), ("G", True)]


def test_weights_lie_channels_last_and_optimisers_are_fused() -> None:
    gan = task("plain")
    assert all(p.is_contiguous(memory_format=torch.channels_last) for p in gan.parameters() if p.ndim == 4)
    adam = OmegaConf.load(CONF / "engine" / "optimizer" / "adam.yaml")
    assert all(adam[player].fused for player in "GD")
    assert all(OmegaConf.load(CONF / "engine" / "optimizer" / "rmsprop.yaml")[p].foreach for p in "GD")


class Recorded:
    """In torch.compile's place: the net itself, and how often it was run."""

    def __init__(self) -> None:
        self.nets: list[nn.Module] = []
        self.runs: list[str] = []

    def __call__(self, net: nn.Module) -> Any:
        self.nets.append(net)

        def run(*given: Any) -> Any:
            self.runs.append(type(net).__name__)
            return net(*given)

        return run


@pytest.mark.parametrize("share", [False, True])
def test_first_order_phases_run_compiled_nets_on_a_gpu(
    share: bool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    recorded = Recorded()
    monkeypatch.setattr(torch, "compile", recorded)
    monkeypatch.setattr(compiled, "on_gpu", lambda net: True)
    plain, penalised = (
        gan_of(d, compile=True, share_fakes=share)
        for d in ({"adversarial": PLAIN}, {"adversarial": PLAIN, "r1": terms.R1(1.0)})
    )
    fit(plain, 2).save_checkpoint(tmp_path / "a.ckpt")
    assert recorded.nets == [plain.G, plain.D]  # once each
    assert recorded.runs.count("PlainG") == (2 if share else 4)
    assert recorded.runs.count("PlainD") == 6
    saved = torch.load(tmp_path / "a.ckpt", weights_only=True)["state_dict"]
    assert saved.keys() == gan_of({"adversarial": PLAIN}).state_dict().keys()
    recorded.runs.clear()
    fit(penalised, 2)
    assert recorded.runs.count("PlainG") == (2 if share else 4)  # nothing differentiates G twice
    assert recorded.runs.count("PlainD") == 2  # G's step alone


def test_nothing_is_compiled_on_a_cpu_nor_unasked(monkeypatch: pytest.MonkeyPatch) -> None:
    recorded = Recorded()
    monkeypatch.setattr(torch, "compile", recorded)
    fit(gan_of({"adversarial": PLAIN}, compile=True), 1)
    monkeypatch.setattr(compiled, "on_gpu", lambda net: True)
    fit(gan_of({"adversarial": PLAIN}), 1)
    assert recorded.nets == []


def test_a_phase_that_differentiates_g_twice_runs_g_itself() -> None:
    phases = task("style").phases
    players = compiled.Players(PlainG(), PlainD(), wanted=True)
    assert phases["G_path"].second_order
    assert players.of("G", phases["G_path"]) is players.nets["G"]


@pytest.mark.slow
@pytest.mark.parametrize("share", [False, True])
def test_compiled_code_gives_the_same_weights(share: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """torch's own compiler up to the kernels (ahead-of-time autograd), in float64, with R1 in a phase of its own."""
    really = torch.compile
    monkeypatch.setattr(torch, "compile", lambda net: really(net, backend="aot_eager"))
    monkeypatch.setattr(compiled, "on_gpu", lambda net: True)

    def trained(compile: bool) -> GAN:
        torch.manual_seed(0)
        phases = game() | {"D_r1": Phase("D", {"r1": terms.R1(1.0)}, every=2, gain=2.0)}
        options: dict[str, Any] = {"seed": 3, "share_fakes": share, "compile": compile}
        gan = GAN(PlainG(norm=True), PlainD(), phases, {"G": ADAM, "D": ADAM}, **options).double()
        fit(gan, 4, precision="64-true")
        return gan

    eager, fast = trained(False), trained(True)
    assert eager.state_dict().keys() == fast.state_dict().keys()
    for a, b in zip(eager.parameters(), fast.parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-6, atol=1e-12)
