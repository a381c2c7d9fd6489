"""What a step computes, counted; and which phases run compiled networks."""

from pathlib import Path
from typing import Any

import pytest
import torch
from omegaconf import OmegaConf
from torch import nn
from toy_dynamics import Consensus, UnrolledD
from toy_nets import PlainD, PlainG
from toys import fit, losses, plain, task

from seesaw.functional.convolution import SecondOrderLayer
from seesaw.gan import networks
from seesaw.gan.dynamics import Dynamics
from seesaw.gan.losses import RelativisticPairedD, RelativisticPairedG
from seesaw.gan.module import GAN
from seesaw.gan.penalties import R1, R2, Drift, GradientPenalty, Penalty
from seesaw.nets.layers.convolution import Conv2d

CONF = Path(__file__).parents[2] / "conf"


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


@pytest.mark.parametrize(
    ("penalty", "forwards_of_d"),
    [
        ({}, 3),  # reals and fakes in D's step, fakes in G's
        ({"r1": R1(1.0)}, 3),  # on the reals of the loss
        ({"r1": R1(1.0), "r2": R2(1.0)}, 3),
        ({"drift": Drift()}, 3),
        ({"wgan_gp": GradientPenalty()}, 4),  # at points of its own
    ],
    ids=lambda d: "+".join(["loss", *d]) if isinstance(d, dict) else str(d),
)
def test_penalties_share_the_forward_passes_of_the_loss(penalty: dict[str, Penalty], forwards_of_d: int) -> None:
    assert counts(plain(penalty=penalty)) == {"G": 2, "D": forwards_of_d, "backward": 2}


def test_a_lazy_penalty_has_passes_of_its_own_in_its_batches_alone() -> None:
    assert counts(plain(penalty={"r1": R1(1.0, interval=4)})) == {"G": 2, "D": 3 + 1 / 4, "backward": 2 + 1 / 4}
    both = {"r1": R1(1.0, interval=4), "r2": R2(1.0, interval=4)}
    assert counts(plain(penalty=both)) == {"G": 2 + 1 / 4, "D": 3 + 2 / 4, "backward": 2 + 1 / 4}


def test_sharing_saves_a_forward_pass_of_g_and_nothing_else() -> None:
    assert counts(plain(share_fakes=True)) == {"G": 1, "D": 3, "backward": 2}


def test_a_relativistic_g_looks_at_the_reals_once() -> None:
    assert counts(plain(loss=losses(RelativisticPairedD(), RelativisticPairedG()))) == {"G": 2, "D": 4, "backward": 2}


def test_nothing_is_computed_for_the_frozen_opponent() -> None:
    gan = plain(penalty={"r1": R1(1.0)})
    graphs: list[tuple[str, bool]] = []
    gan.G.register_forward_hook(lambda net, given, made: graphs.append(("G", made.images[0].requires_grad)))
    gan.D.conv.register_forward_pre_hook(lambda net, given: graphs.append(("D", net.weight.requires_grad)))
    fit(gan, 1)
    assert sorted(graphs) == [("D", False), ("D", True), ("D", True), ("G", False), ("G", True)]


def test_weights_lie_channels_last_and_optimisers_are_fused() -> None:
    gan = task("plain")
    assert all(p.is_contiguous(memory_format=torch.channels_last) for p in gan.parameters() if p.ndim == 4)
    adam, rmsprop = (OmegaConf.load(CONF / "optimizer" / f"{name}.yaml") for name in ("adam", "rmsprop"))
    assert all(adam[player].fused and rmsprop[player].foreach for player in "GD")


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
    monkeypatch.setattr(networks, "on_gpu", lambda net: True)
    first_order, penalised = (
        plain(penalty=penalty, compile=True, share_fakes=share) for penalty in ({}, {"r1": R1(1.0)})
    )
    fit(first_order, 2).save_checkpoint(tmp_path / "a.ckpt")
    assert recorded.nets == [first_order.G, first_order.D]  # once each
    assert recorded.runs.count("PlainG") == (2 if share else 4)
    assert recorded.runs.count("PlainD") == 6
    saved = torch.load(tmp_path / "a.ckpt", weights_only=True)["state_dict"]
    assert saved.keys() == plain().state_dict().keys()
    recorded.runs.clear()
    fit(penalised, 2)
    assert recorded.runs.count("PlainG") == (2 if share else 4)  # nothing differentiates G twice
    assert recorded.runs.count("PlainD") == 2  # G's step alone


def test_nothing_is_compiled_on_a_cpu_nor_unasked(monkeypatch: pytest.MonkeyPatch) -> None:
    recorded = Recorded()
    monkeypatch.setattr(torch, "compile", recorded)
    fit(plain(compile=True), 1)
    monkeypatch.setattr(networks, "on_gpu", lambda net: True)
    fit(plain(), 1)
    assert recorded.nets == []


def test_a_phase_that_differentiates_g_twice_runs_g_itself() -> None:
    phases = task("style").phases
    compiled = networks.CompiledNetworks(PlainG(), PlainD(), compile=True)
    assert phases["G_reg4"].second_order
    assert compiled.of("G", phases["G_reg4"]) is compiled.modules["G"]


@pytest.mark.slow
@pytest.mark.parametrize("share", [False, True])
def test_compiled_code_gives_the_same_weights(share: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """torch's own compiler up to the kernels (ahead-of-time autograd), in float64, with R1 in a phase of its own."""
    really = torch.compile
    monkeypatch.setattr(torch, "compile", lambda net: really(net, backend="aot_eager"))
    monkeypatch.setattr(networks, "on_gpu", lambda net: True)

    def trained(compile: bool) -> GAN:
        torch.manual_seed(0)
        options: dict[str, Any] = {"share_fakes": share, "compile": compile}
        gan = plain(G=PlainG(norm=True), penalty={"r1": R1(1.0, interval=2)}, **options).double()
        fit(gan, 4, precision="64-true")
        return gan

    eager, fast = trained(False), trained(True)
    assert eager.state_dict().keys() == fast.state_dict().keys()
    for a, b in zip(eager.parameters(), fast.parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-6, atol=1e-12)


class Noting(Conv2d):
    """A convolution that notes whether each of its passes was prepared for a second derivative."""

    def __init__(self, *sizes: int) -> None:
        super().__init__(*sizes, padding=1)
        self.prepared: list[bool] = []

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.prepared.append(self.second_order)
        return super().forward(x)


def noting(**options: Any) -> tuple[GAN, Noting]:
    torch.manual_seed(0)
    D = PlainD()
    D.conv = Noting(1, 6, 3)
    return plain(D=D, **options), D.conv


def test_convolutions_prepare_for_second_derivatives_in_the_phases_that_take_them() -> None:
    """R1 lazily: the loss of both players runs torch's convolution, R1's phase the other one; no global switch is left on."""
    gan, layer = noting(penalty={"r1": R1(1.0, interval=2)})
    assert isinstance(layer, SecondOrderLayer)
    fit(gan, 2)
    of_loss, of_r1, of_g = [False, False], [True], [False]
    assert layer.prepared == [*of_loss, *of_r1, *of_g, *of_loss, *of_g]
    gan, layer = noting(penalty={"r1": R1(1.0)})
    fit(gan, 1)
    assert layer.prepared == [True, True, False]
    assert not any("second_order" in name for name in gan.state_dict())


def test_other_weights_are_prepared_too() -> None:
    """`Game.loss` with weights given runs the module by `functional_call`."""
    gan, layer = noting(penalty={"r1": R1(1.0)})
    fit(gan, 1)
    layer.prepared.clear()
    game = gan.game(torch.zeros(8, 1, 8, 8), None, {})
    weights = [w.detach().clone().requires_grad_() for w in game.weights("D")]
    game.loss(gan.phases["D"], {"D": weights})
    game.loss(gan.phases["G"], {"D": weights})
    assert layer.prepared == [True] * 3


@pytest.mark.parametrize("kind", [Consensus, UnrolledD])
def test_what_a_dynamics_differentiates_twice_runs_the_modules_themselves(
    kind: type[Dynamics], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Compiled code has no double backward: on a GPU consensus and unrolling would fail in it."""
    recorded = Recorded()
    monkeypatch.setattr(torch, "compile", recorded)
    monkeypatch.setattr(networks, "on_gpu", lambda net: True)
    gan, layer = noting(dynamics={"tried": kind()}, compile=True)
    fit(gan, 1)
    ordinary = ["PlainD", "PlainG", "PlainD"] if kind is UnrolledD else []  # D's own step is a plain one
    assert recorded.runs == ordinary
    assert layer.prepared.count(False) == ordinary.count("PlainD")
    assert layer.prepared.count(True) == (11 if kind is UnrolledD else 3)
