"""One forward pass of G for both steps: against the classic loop, counted, and refused where it cannot be."""

import copy
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from host_reads import reads_in_training
from torch import Tensor, nn
from toy_nets import PlainG
from toys import REALS, assert_equal_states, fit, losses, plain, task

from seesaw.gan.balance import ChangeRate, NCritic, SkipD
from seesaw.gan.losses import RelativisticPairedD, RelativisticPairedG
from seesaw.gan.module import GAN
from seesaw.gan.penalties import R1, R2, PathLength
from seesaw.types import UserError
from seesaw.util import key


def classic(**options: Any) -> GAN:
    torch.manual_seed(0)
    return plain(**{"G": PlainG(norm=True), "share_fakes": True} | options)


def forwards(net: nn.Module, counted: list[str], name: str) -> None:
    net.register_forward_hook(lambda *_: counted.append(name))


def test_it_is_the_classic_loop() -> None:
    """Three batches, float64, BatchNorm in G: the fakes once, D's step on them detached, G's step through their graph."""
    gan = classic().double()
    G, D = copy.deepcopy(gan.G), copy.deepcopy(gan.D)
    fit(gan, 3, precision="64-true")
    opt_g, opt_d = (torch.optim.Adam(net.parameters(), lr=1e-3, betas=(0.5, 0.99)) for net in (G, D))
    bce = nn.BCEWithLogitsLoss()
    for shown in (0, 8, 16):
        real = REALS[shown : shown + 8].double() / 127.5 - 1
        generator = torch.Generator().manual_seed(key(3, shown, "shared", "z"))
        fake = G(torch.randn(8, 5, generator=generator, dtype=torch.float64)).images[0]
        opt_d.zero_grad()
        bce(D([real]), torch.ones(8).double()).backward()
        bce(D([fake.detach()]), torch.zeros(8).double()).backward()
        opt_d.step()
        opt_g.zero_grad()
        bce(D([fake]), torch.ones(8).double()).backward()
        opt_g.step()
    for ours, theirs in ((gan.G, G), (gan.D, D)):
        for (name, a), b in zip(ours.state_dict().items(), theirs.state_dict().values(), strict=True):
            torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-12, msg=name)  # BatchNorm's statistics too


@pytest.mark.parametrize(("share", "expected"), [(False, 2), (True, 1)])
def test_forward_passes_of_g(share: bool, expected: int) -> None:
    gan, counted = classic(share_fakes=share), []
    forwards(gan.G, counted, "G")
    fit(gan, 4)
    assert len(counted) == 4 * expected


def penalised(D: nn.Module, real: Tensor, fake: Tensor) -> Tensor:
    """RpGAN with R1 and R2 of 1/4 ||grad||^2 each, written out."""
    loss = torch.zeros((), dtype=torch.float64)
    leaves = [images.detach().clone().requires_grad_() for images in (real, fake)]
    for images in leaves:
        (slope,) = torch.autograd.grad(D([images]).sum(), images, create_graph=True)
        loss = loss + slope.square().sum((1, 2, 3)).mean() / 4
    return loss + nn.functional.softplus(D([leaves[1]]) - D([leaves[0]])).mean()


def test_penalties_on_the_fakes_reach_d_alone() -> None:
    """R2 takes its gradient at the shared images, cut off G's graph: G learns what it learns from its own loss."""
    loss = losses(RelativisticPairedD(), RelativisticPairedG())
    gan = classic(loss=loss, penalty={"r1": R1(0.5), "r2": R2(0.5)}).double()
    G, D = copy.deepcopy(gan.G), copy.deepcopy(gan.D)
    fit(gan, 1, precision="64-true")
    opt_g, opt_d = (torch.optim.Adam(net.parameters(), lr=1e-3, betas=(0.5, 0.99)) for net in (G, D))
    real = REALS[:8].double() / 127.5 - 1
    z = torch.randn(8, 5, generator=torch.Generator().manual_seed(key(3, 0, "shared", "z")), dtype=torch.float64)
    fake = G(z).images[0]
    penalised(D, real, fake).backward()
    opt_d.step()
    nn.functional.softplus(D([real]) - D([fake])).mean().backward(inputs=list(G.parameters()))
    opt_g.step()
    for ours, theirs in ((gan.G, G), (gan.D, D)):
        for a, b in zip(ours.parameters(), theirs.parameters(), strict=True):
            torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("name", ["noisy", "gated", "growing", "scales", "labelled", "augmented", "simultaneous"])
def test_a_resumed_run_is_bit_equal_and_reads_nothing(name: str, tmp_path: Path) -> None:
    whole, part, other = (task(name, share_fakes=True) for _ in range(3))
    assert reads_in_training(whole, lambda gan: fit(gan, 12)) == []
    fit(part, 7).save_checkpoint(tmp_path / "a.ckpt")
    fit(other, 5, ckpt=str(tmp_path / "a.ckpt"), start=56)
    assert_equal_states(whole, other)


def test_a_skipped_d_is_evaluated_on_the_images_of_the_step_of_g() -> None:
    gan, counted = classic(balance={"skip_d": SkipD(skip_above=0.02, resume_below=0.01, half_life=8.0)}), []
    forwards(gan.G, counted, "G")
    fit(gan, 20)
    assert gan.meter.updates["D"] < 20
    assert gan.meter.updates["G"] == len(counted) == 20


def test_no_graph_is_kept_where_g_is_skipped() -> None:
    gan, graphs = classic(balance={"n_critic": NCritic(3)}), []
    gan.G.register_forward_hook(lambda net, given, made: graphs.append(made.images[0].requires_grad))
    fit(gan, 6)
    assert gan.meter.updates == {"G": 2, "D": 6}
    assert graphs == [False, False, True] * 2


@pytest.mark.parametrize("fused", [False, True])
def test_where_g_steps_first_d_sees_the_images_of_the_new_g(fused: bool) -> None:
    """Two passes of G then, whose latents are the same. (A fused step does not count as a change of the weights in torch.)"""
    adam = partial(torch.optim.Adam, lr=1e-2, fused=fused)
    gan, seen = classic(order=("G", "D"), optimizer={"G": adam, "D": adam}), []
    gan.G.register_forward_hook(
        lambda net, given, made: seen.append((given[0].clone(), made.images[0].detach().clone()))
    )
    fit(gan, 2)
    assert len(seen) == 4
    for first, second in (seen[:2], seen[2:]):
        assert torch.equal(first[0], second[0])
        assert not torch.equal(first[1], second[1])


def test_images_of_weights_that_a_dynamics_has_written_over_are_not_kept() -> None:
    gan, seen = classic(), []
    fit(gan, 1)
    gan.G.register_forward_hook(lambda net, given, made: seen.append(made.images[0].detach().clone()))
    gan.game_setup.fakes.reset(True)
    step = gan.game(REALS[:8].float() / 127.5 - 1, None, {})
    for _ in range(2):
        step.gradients(gan.phases["D"])
    assert len(seen) == 1
    with torch.no_grad():
        step.weights("G")[-1].add_(1)
    step.gradients(gan.phases["D"])
    assert len(seen) == 2
    torch.testing.assert_close(seen[1], seen[0] + 1)


class OfHalfTheBatch(PathLength):
    """A lazy penalty of D that sees half of the batch."""

    player = "D"


def test_refuses_what_cannot_share() -> None:
    with pytest.raises(UserError, match=r"model\.micro_batch is 4: set one of them back"):
        classic(micro_batch=4)
    with pytest.raises(UserError, match=r"this model has 2 phases of G \(G, G_reg4\)"):
        task("style", share_fakes=True)
    sentence = r"needs phases that see the same part of the batch, and they see D 1, D_reg4 0\.5, G 1: leave it out"
    with pytest.raises(UserError, match=sentence):
        classic(penalty={"halved": OfHalfTheBatch(weight=1.0)})
    with pytest.raises(UserError, match="under balance=change_rate only one of them steps in a batch"):
        classic(balance={"change_rate": ChangeRate()})
