"""The lazy batch: what carries a gradient, which precision the terms see, what each player's step computes."""

from typing import Any

import pytest
import torch
from torch import Tensor
from toy_nets import PlainD, PlainG, ScalesD, ScalesG
from toys import fit, plain
from toys import losses as group

from seesaw.gan import losses
from seesaw.gan.batch import AdversarialBatch
from seesaw.gan.penalties import R1, R2, Drift, GradientPenalty
from seesaw.gan.terms import Term
from seesaw.gan.views import AllScales, SingleScale
from seesaw.types import Fake

GAMES = [
    (losses.CrossEntropyD(), losses.NonSaturatingG()),
    (losses.CrossEntropyD(), losses.MinimaxG()),
    (losses.HingeD(), losses.HingeG()),
    (losses.LeastSquaresD(), losses.LeastSquaresG()),
    (losses.WassersteinD(), losses.WassersteinG()),
    (losses.RelativisticHingeD(), losses.RelativisticHingeG()),
    (losses.RelativisticPairedD(), losses.RelativisticPairedG()),
]
PENALTIES = [R1(1.0), R2(1.0), GradientPenalty(), Drift()]


def batch_of(
    player: str, dtype: torch.dtype = torch.float32, scales: bool = False, grad_of: str = ""
) -> AdversarialBatch:
    """Six samples; the opponent is frozen, as in the step."""
    torch.manual_seed(1)
    G, D, view = (ScalesG(), ScalesD(), AllScales()) if scales else (PlainG(), PlainD(), SingleScale())
    G.requires_grad_(player == "G")
    D.requires_grad_(player == "D")
    reals, z = torch.randn(6, 1, 8, 8), torch.randn(6, 5)
    return AdversarialBatch(
        G.to(dtype), D.to(dtype), reals.to(dtype), z.to(dtype), view=view, into_discriminator=lambda images, y: (images, y),
        player=player, grad_of=frozenset(grad_of.split()),
    )  # fmt: skip


@pytest.mark.parametrize("g", [g for _, g in GAMES if "Relativistic" in type(g).__name__])
def test_g_sees_the_reals_logits_without_their_graph(g: Term) -> None:
    batch = batch_of("G")
    g(batch).mean().backward()
    assert not batch.real_logits.requires_grad
    torch.testing.assert_close(batch.real_logits, batch.D([batch._reals]))
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in batch.G.parameters())
    assert all(p.grad is None for p in batch.D.parameters())


@pytest.mark.parametrize("g", [g for _, g in GAMES if "Relativistic" not in type(g).__name__])
def test_g_looks_at_no_real_that_its_loss_does_not_ask_for(g: Term) -> None:
    batch = batch_of("G")
    g(batch)
    assert not batch.has("real")


@pytest.mark.parametrize("scales", [False, True])
@pytest.mark.parametrize(("kind", "side"), [(R1, "real"), (R2, "fake")])
def test_zero_centred_penalties_take_the_gradient_at_d_s_images(kind: Any, side: str, scales: bool) -> None:
    batch = batch_of("D", scales=scales, grad_of="real fake")
    found = kind(3.0)(batch)
    images = [x.detach().clone().requires_grad_() for x in getattr(batch, side)]
    gradients = [torch.autograd.grad(logit, images, retain_graph=True) for logit in batch.D(images)]
    squares = [sum(g.square().sum().item() for g in of_sample) for of_sample in gradients]
    torch.testing.assert_close(found, 1.5 * torch.tensor(squares))
    found.mean().backward()
    assert batch.D.end.weight.grad.abs().sum() > 0


def test_a_penalty_s_images_are_leaves_of_their_own() -> None:
    batch = batch_of("D", grad_of="fake")
    assert batch.fake[0].requires_grad
    assert batch.fake[0].is_leaf
    assert not batch.real[0].requires_grad
    assert not batch_of("D").fake[0].requires_grad


@pytest.mark.parametrize("scales", [False, True])
def test_terms_are_float32_under_autocast(scales: bool) -> None:
    """The nets give bfloat16 there; the leaves of penalties, the logits and every value are float32."""
    with torch.autocast("cpu", torch.bfloat16):
        batch = batch_of("D", scales=scales, grad_of="real fake")
        assert batch.generated.images[-1].dtype == torch.bfloat16
        assert batch.D(batch.real).dtype == torch.bfloat16
        for term in [d for d, _ in GAMES] + PENALTIES:
            assert term(batch).dtype == torch.float32, type(term)
            if isinstance(term, losses.DiscriminatorLoss):
                assert term.accuracy(batch).dtype == torch.float32
        assert {x.dtype for x in batch.fake + batch.real} == {torch.float32}
        mine = batch_of("G", scales=scales)
        assert {g(mine).dtype for _, g in GAMES} == {torch.float32}


def test_every_term_gives_one_value_a_sample_and_keeps_float64() -> None:
    for batch in (batch_of("D", torch.float64, grad_of="real fake"), batch_of("D", torch.float64, True, "real fake")):
        for term in [d for d, _ in GAMES] + PENALTIES:
            value = term(batch)
            assert value.shape == (6,), type(term)
            assert value.dtype == torch.float64, type(term)
    mine = batch_of("G", torch.float64)
    assert all(g(mine).shape == (6,) and g(mine).dtype == torch.float64 for _, g in GAMES)


def test_autocast_changes_a_penalty_by_bfloat16_s_rounding_only() -> None:
    exact = R2(1.0)(batch_of("D", grad_of="fake"))
    with torch.autocast("cpu", torch.bfloat16):
        rough = R2(1.0)(batch_of("D", grad_of="fake"))
    torch.testing.assert_close(rough, exact, rtol=0.05, atol=0.0)
    assert not torch.equal(rough, exact)


@pytest.mark.parametrize(
    ("d", "g"),
    [pair for pair in GAMES if not isinstance(pair[0], losses.RelativisticHingeD)],
    ids=lambda t: type(t).__name__,
)
def test_micro_batches_of_uncoupled_losses_give_the_batch_s_gradient(d: Any, g: Any) -> None:
    """In float64, with R1 and R2. (The relativistic average couples the samples: tests/functional/test_losses.py.)"""

    def trained(micro_batch: int | None) -> Tensor:
        penalty = {"r1": R1(0.1), "r2": R2(0.1)}
        gan = plain(loss=group(d, g), penalty=penalty, micro_batch=micro_batch).double()
        fit(gan, 4, precision="64-true")
        return torch.cat([p.detach().flatten() for p in gan.parameters()])

    whole, parts = trained(None), trained(3)
    assert torch.isfinite(whole).all()
    torch.testing.assert_close(whole, parts, rtol=1e-9, atol=1e-12)


def test_labels_go_to_both_networks_and_through_what_stands_before_d() -> None:
    """Each with the images; a wrapper may change them on their way into D."""
    given: list[tuple[str, list[int]]] = []

    def G(z: Tensor, y: Tensor) -> Fake:
        given.append(("G", y.tolist()))
        return Fake([z[:, :1, None, None]])

    def D(images: Any, y: Tensor) -> Tensor:
        given.append(("D", y.tolist()))
        return images[-1].flatten()

    reals, z, y = torch.ones(4, 1, 1, 1), torch.zeros(4, 5), torch.tensor([0, 1, 2, 0])
    batch = AdversarialBatch(
        G, D, reals, z, y, view=lambda x: [x], into_discriminator=lambda images, y: (images, y + 1), player="D"
    )
    assert batch.real_logits.tolist() == [1] * 4
    assert batch.fake_logits.tolist() == [0] * 4
    assert given == [("D", [1, 2, 3, 1]), ("G", [0, 1, 2, 0]), ("D", [1, 2, 3, 1])]
    assert batch.y is y


def test_nothing_is_computed_twice_and_what_exists_is_known() -> None:
    batch = batch_of("D")
    assert not batch.has("fake_logits")
    first = batch.fake_logits
    assert batch.fake_logits is first
    assert batch.has("fake_logits", "fake", "generated")
    assert not batch.has("fake_logits", "real_logits")


def test_a_kept_graph_reaches_g_in_the_step_of_d() -> None:
    """For dynamics that differentiate through D's step; otherwise the images are cut off."""
    torch.manual_seed(1)
    G, D = PlainG(), PlainD()
    for keep_graph in (True, False):
        batch = AdversarialBatch(
            G, D, torch.randn(6, 1, 8, 8), torch.randn(6, 5), view=SingleScale(),
            into_discriminator=lambda images, y: (images, y), player="D", keep_graph=keep_graph,
        )  # fmt: skip
        loss = losses.CrossEntropyD()(batch).mean()
        (slope,) = torch.autograd.grad(loss, [G.start.weight], allow_unused=True)
        assert (slope is not None) == keep_graph
