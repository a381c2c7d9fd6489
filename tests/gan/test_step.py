"""The step of a game against loops written out by hand: order, freezing, gates, what is evaluated without gradient."""

import copy

import pytest
import torch
from torch import Tensor, nn
from toys import REALS, fit, plain, reports, task

from seesaw.gan.module import GAN
from seesaw.gan.parts import Gate
from seesaw.gan.penalties import R1
from seesaw.gan.phases import Phase
from seesaw.util import key


def latents(shown: int, phase: str) -> Tensor:
    """What the step draws for a phase, float64: keyed by the seed, the time and the phase's name."""
    generator = torch.Generator().manual_seed(key(3, shown, phase, "z"))
    return torch.randn(8, 5, generator=generator, dtype=torch.float64)


def assert_same_weights(gan: GAN, G: nn.Module, D: nn.Module) -> None:
    for ours, theirs in ((gan.G, G), (gan.D, D)):
        for a, b in zip(ours.parameters(), theirs.parameters(), strict=True):
            torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-12)


def test_a_plain_step_is_the_textbook_step() -> None:
    """Two batches against a loop written out here, in float64."""
    gan = task("plain").double()
    G, D = copy.deepcopy(gan.G), copy.deepcopy(gan.D)
    fit(gan, 2, precision="64-true")
    opt_g, opt_d = (torch.optim.Adam(net.parameters(), lr=1e-3, betas=(0.5, 0.99)) for net in (G, D))
    for shown in (0, 8):
        x = REALS[shown : shown + 8].double() / 127.5 - 1
        loss = torch.relu(1 - D([x])).mean() + torch.relu(1 + D(G(latents(shown, "D")).images)).mean()
        opt_d.zero_grad()
        loss.backward()
        opt_d.step()
        loss = -D(G(latents(shown, "G")).images).mean()
        opt_g.zero_grad()
        loss.backward()
        opt_g.step()
    assert_same_weights(gan, G, D)


@pytest.mark.parametrize("order", ["DG", "GD"])
def test_the_players_step_in_their_order(order: str) -> None:
    """One batch, float64: the second player meets the opponent that has already moved."""
    gan = plain(order=tuple(order)).double()
    assert list(gan.phases) == list(order)
    G, D = copy.deepcopy(gan.G), copy.deepcopy(gan.D)
    fit(gan, 1, precision="64-true")
    nets = {"G": G, "D": D}
    x, softplus = REALS[:8].double() / 127.5 - 1, nn.functional.softplus
    for player in order:
        fake = G(latents(0, player)).images
        loss = softplus(-D(fake)).mean() if player == "G" else (softplus(-D([x])) + softplus(D(fake))).mean()
        optimizer = torch.optim.Adam(nets[player].parameters(), lr=1e-3, betas=(0.5, 0.99))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert_same_weights(gan, G, D)


def test_phases_step_when_they_are_due() -> None:
    gan = task("style")
    fit(gan, 17)
    # G in every batch and path length in 0, 4, 8, 12, 16; D in every batch and R1 in 0 and 16.
    assert gan.meter.updates == {"G": 17 + 5, "D": 17 + 2}


def test_the_opponent_is_frozen() -> None:
    gan = task("plain")
    fit(gan, 1)
    step = gan.game(torch.zeros(8, 1, 8, 8), None, {})
    step.gradients(gan.phases["D"])
    assert not any(p.requires_grad for p in gan.G.parameters())
    assert all(p.requires_grad for p in gan.D.parameters())
    assert not any(p.grad is not None for p in gan.D.parameters())


class Sometimes(Gate):
    """A player's phases step in the last of every `interval` batches."""

    def __init__(self, interval: int, player: str = "D") -> None:
        super().__init__()
        self.interval, self.player, self.batches = interval, player, 0

    def advance(self, batches: int, images_shown: int) -> None:
        self.batches = batches

    def is_active(self, phase: Phase) -> bool:
        return phase.player != self.player or self.batches % self.interval == self.interval - 1


def test_the_gradient_norm_of_a_player_is_logged_in_every_window_in_which_it_steps() -> None:
    """G steps in every third batch alone, and never in the first of a window of four."""
    gan = plain(balance={"rare": Sometimes(3, "G")})
    fit(gan, 14)
    assert len(reports(gan)) == 3
    assert all({"train/grad_norm/G", "train/grad_norm/D"} <= set(values) for values in reports(gan))


def test_the_loss_of_a_phase_is_that_of_the_batches_in_which_it_stepped() -> None:
    """With R1, which a skipped phase leaves out: the sum of the terms as logged, and none where it never stepped."""
    for interval, logged in ((1, True), (1000, False)):
        gan = plain(penalty={"r1": R1(50.0)}, balance={"rare": Sometimes(interval)})
        fit(gan, 9)
        assert len(reports(gan)) == 2
        for values in reports(gan):
            assert ("train/loss/D" in values) == ("train/D/r1" in values) == logged
            if logged:
                total = values["train/D/adversarial"] + values["train/D/r1"]
                assert values["train/loss/D"] == pytest.approx(total, rel=1e-5)


def test_a_skipped_phase_of_penalties_alone_logs_nothing() -> None:
    gan = plain(penalty={"r1": R1(1.0, interval=2)}, balance={"rare": Sometimes(1000)})
    fit(gan, 9)
    assert len(reports(gan)) == 2
    assert not any("r1" in name for values in reports(gan) for name in values)


def test_a_skipped_phase_changes_no_weight_and_keeps_no_graph() -> None:
    gan = plain(penalty={"r1": R1(1.0)}, balance={"rare": Sometimes(1000)})
    before, graphs = copy.deepcopy(gan.D.state_dict()), []
    gan.D.register_forward_hook(lambda net, given, made: graphs.append(made.requires_grad))
    fit(gan, 3)
    assert gan.meter.updates == {"G": 3, "D": 0}
    assert graphs == [False, False, True] * 3  # reals and fakes without a graph, fakes in G's step with it
    for name, value in gan.D.state_dict().items():
        assert torch.equal(value, before[name]), name


def test_a_loss_and_its_gradients_agree() -> None:
    """`loss` is the number whose derivative `gradients` gives, for both players, and the same with micro-batches."""
    found_losses = []
    for micro_batch in (None, 3):
        gan = plain(penalty={"r1": R1(1.0)}, micro_batch=micro_batch).double()
        fit(gan, 1, precision="64-true")
        reals = REALS[:8].double() / 127.5 - 1
        step = gan.game(reals, None, {})
        for player in "DG":
            phase, weights = gan.phases[player], step.weights(player)
            found_losses.append(step.loss(phase).item())
            expected = torch.autograd.grad(step.loss(phase), weights)
            for create_graph in (False, True):
                found = step.gradients(phase, create_graph=create_graph)
                assert found is not None
                for a, b in zip(found, expected, strict=True):
                    torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-12)
    assert found_losses[:2] == pytest.approx(found_losses[2:], rel=1e-9)


def test_a_loss_takes_other_weights_in_place_of_a_player() -> None:
    """Against a copy of D that holds them; the gradient reaches the weights that were given and G's own."""
    gan = plain().double()
    fit(gan, 1, precision="64-true")
    step = gan.game(REALS[:8].double() / 127.5 - 1, None, {})
    other = [(w + 0.1).detach().requires_grad_() for w in step.weights("D")]
    copied = copy.deepcopy(gan.D).requires_grad_()
    with torch.no_grad():
        for w, value in zip(copied.parameters(), other, strict=True):
            w.copy_(value)
    loss = step.loss(gan.phases["G"], {"D": other})
    fake = gan.G(latents(8, "G")).images
    expected = nn.functional.softplus(-copied(fake)).mean()
    torch.testing.assert_close(loss, expected, rtol=1e-9, atol=1e-12)
    ours = torch.autograd.grad(loss, [*other, *step.weights("G")])
    theirs = torch.autograd.grad(expected, [*copied.parameters(), *gan.G.parameters()])
    for a, b in zip(ours, theirs, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-12)
