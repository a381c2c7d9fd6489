"""aR1 and aR2: a finite difference against the exact penalty of a quadratic D, the draws of its second pass, first order."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from toy_nets import PlainD
from toys import fit, losses, plain, reports

from seesaw.functional.penalties import perturbed, squared_slope
from seesaw.functional.rng import random_states, replayed
from seesaw.gan.batch import AdversarialBatch
from seesaw.gan.losses import RelativisticPairedD, RelativisticPairedG
from seesaw.gan.penalties import R1, R2, ApproximateR1, ApproximateR2
from seesaw.types import Fake, Pyramid

F64 = {"dtype": torch.float64}


class QuadraticD(nn.Module):
    """D(x) = x^T A x / 2 + b^T x of 2 x 2 pixels, A symmetric."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        a = torch.randn(4, 4, **F64)
        self.a, self.b = a + a.T, nn.Parameter(torch.randn(4, **F64))

    def forward(self, images: Pyramid, y: Tensor | None = None) -> Tensor:
        x = images[-1].flatten(1)
        return (x @ self.a * x).sum(1) / 2 + x @ self.b


def batch_of(D: nn.Module, x: Tensor, side: str, grad: bool = False) -> AdversarialBatch:
    """D's step on `x` as the reals or the fakes."""
    sides = frozenset({side})
    return AdversarialBatch(
        lambda z, y: Fake([x]), D, x, torch.zeros(len(x), 3, **F64), view=lambda reals: [reals],
        into_discriminator=lambda images, y: (images, y), player="D", grad_of=sides if grad else frozenset(), replays=sides,
    )  # fmt: skip


@pytest.mark.parametrize("sigma", [0.01, 0.5])
@pytest.mark.parametrize(("kind", "exact", "side"), [(ApproximateR1, R1, "real"), (ApproximateR2, R2, "fake")])
def test_the_mean_over_draws_is_that_of_the_exact_penalty(kind: Any, exact: Any, side: str, sigma: float) -> None:
    """At one point x, 100,000 draws. The mean is gamma/2 (||g||^2 + sigma^2 ((tr A)^2 + 2 tr A^2) / 4) in closed form, and its
    gradient for b is that of the exact penalty, gamma g, at every sigma."""
    D, x = QuadraticD(), torch.randn(1, 1, 2, 2, generator=torch.Generator().manual_seed(1), **F64)
    torch.manual_seed(2)
    values = kind(3.0, sigma)(batch_of(D, x.expand(100_000, -1, -1, -1), side))
    r = exact(3.0)(batch_of(D, x, side, grad=True))
    error = 1.5 * sigma**2 * (D.a.trace() ** 2 + 2 * (D.a @ D.a).trace()) / 4
    noise = values.std() / len(values) ** 0.5
    assert abs(values.mean() - (r + error)) < 4 * noise
    assert error < 0.001 * r.item() or error > 30 * noise  # so the larger sigma would be seen to be biased
    (found,) = torch.autograd.grad(values.mean(), D.b)
    (expected,) = torch.autograd.grad(r.sum(), D.b)
    torch.testing.assert_close(found, expected, rtol=0.03, atol=0.03 * expected.norm().item())


def test_a_linear_ds_values_have_the_variance_of_the_docstring() -> None:
    D, x = QuadraticD(), torch.zeros(100_000, 1, 2, 2, **F64)
    D.a.zero_()
    torch.manual_seed(2)
    values = ApproximateR1(2.0)(batch_of(D, x, "real"))
    square = D.b.square().sum()
    torch.testing.assert_close(values.mean(), square, rtol=0.01, atol=0)
    torch.testing.assert_close(values.var(), 2 * square**2, rtol=0.03, atol=0)


def test_a_pyramid_is_perturbed_at_every_scale() -> None:
    """The mean is the sum of the scales' squared norms, as that of R1."""
    slopes = [torch.randn(1, s, s, **F64) for s in (1, 2)]
    images = [torch.zeros(200_000, 1, s, s, **F64) for s in (1, 2)]

    def D(pyramid: Pyramid) -> Tensor:
        return torch.stack([(x * w).sum((1, 2, 3)) for x, w in zip(pyramid, slopes, strict=True)]).sum(0)

    torch.manual_seed(2)
    values = squared_slope(D(images), D(perturbed(images, 0.1)), 0.1)
    expected = torch.stack([w.square().sum() for w in slopes]).sum()
    torch.testing.assert_close(values.mean(), expected, rtol=0.02, atol=0)


def test_the_second_pass_has_the_draws_of_the_first() -> None:
    """Noise on D's input and dropout in D: the same images get the same logits again, and what is drawn next stays as it was."""
    torch.manual_seed(0)
    D, x = PlainD(dropout=0.5).train(), torch.randn(6, 1, 8, 8)
    batch = AdversarialBatch(
        lambda z, y: Fake([x]), D, x, torch.zeros(6, 3), view=lambda reals: [reals], player="D", replays=frozenset({"real"}),
        into_discriminator=lambda images, y: ([i + torch.randn_like(i) for i in images], y),
    )  # fmt: skip
    first = batch.real_logits
    states = random_states(x.device)
    assert torch.equal(batch.judge_again("real", [x]), first)
    after = torch.randn(3)
    with replayed(states, x.device):
        assert torch.equal(torch.randn(3), after)
    assert not torch.equal(batch.judge([x], None).adversarial, first)


def test_nothing_is_differentiated_twice_and_d_runs_once_more_a_side(monkeypatch: pytest.MonkeyPatch) -> None:
    """`torch.autograd.grad`, by which the exact penalties take D's slope, is out of reach. Six passes of D: reals and fakes in
    both steps, and each side again."""
    ar = {"ar1": ApproximateR1(1.0), "ar2": ApproximateR2(1.0)}
    gan = plain(loss=losses(RelativisticPairedD(), RelativisticPairedG()), penalty=ar)
    assert not gan.phases["D"].second_order
    assert not gan.phases["D"].grad_of
    passes = []
    gan.D.register_forward_hook(lambda *_: passes.append(1))
    monkeypatch.delattr(torch.autograd, "grad")
    fit(gan, 5)
    assert len(passes) == 5 * 6
    (report,) = reports(gan)
    assert report["train/D/ar1"] > 0
    assert report["train/D/ar2"] > 0


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"gamma": -1.0}, r"gamma is -1\.0; it must be at least 0"),
        ({"gamma": 1.0, "sigma": 0.0}, r"sigma is 0\.0; it must be above 0"),
        ({"gamma": 1.0, "interval": 0}, "interval is 0; it must be at least 1"),
    ],
)
def test_a_wrong_number_is_refused(wrong: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        ApproximateR1(**wrong)
