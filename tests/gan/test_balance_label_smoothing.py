"""One-sided label smoothing against the losses with the other label."""

import pytest
import torch
import torch.nn.functional as F
from toys import fit, game, reports, task

from seesaw.gan.balance import LabelSmoothing
from seesaw.gan.batch import AdversarialBatch
from seesaw.gan.losses import DiscriminatorLoss, HingeD, LeastSquaresD, RelativisticPairedD, WassersteinD

REAL, FAKE = torch.tensor([-2.0, 0.0, 0.5, 3.0]).double(), torch.tensor([-1.0, 0.0, 2.0, 4.0]).double()


def batch() -> AdversarialBatch:
    seen = AdversarialBatch(
        None, None, REAL, REAL, view=lambda x: [x], into_discriminator=lambda x, y: (x, y), player="D"
    )  # type: ignore[arg-type]  # fmt: skip
    vars(seen).update(real_logits=REAL, fake_logits=FAKE)
    return seen


def test_cross_entropy_is_torch_s_with_a_target_of_0_9() -> None:
    phases = game()
    LabelSmoothing(0.9).bind(phases)
    loss, values = phases["D"](batch())
    bce = F.binary_cross_entropy_with_logits
    torch.testing.assert_close(loss, bce(REAL, torch.full_like(REAL, 0.9)) + bce(FAKE, torch.zeros_like(FAKE)))
    torch.testing.assert_close(values["label_smoothing"], 0.1 * REAL.mean())


def test_least_squares() -> None:
    phases = game(LeastSquaresD())
    LabelSmoothing(0.8).bind(phases)
    loss, _ = phases["D"](batch())
    torch.testing.assert_close(loss, ((REAL - 0.8) ** 2).mean() + (FAKE**2).mean())


@pytest.mark.parametrize("loss", [HingeD(), WassersteinD(), RelativisticPairedD()])
def test_a_loss_without_labels_refuses(loss: DiscriminatorLoss) -> None:
    with pytest.raises(ValueError, match=f"{type(loss).__name__} has none; it takes loss=non_saturating"):
        LabelSmoothing().bind(game(loss))


def test_refuses_a_target_out_of_range_and_a_second_one() -> None:
    with pytest.raises(ValueError, match=r"real is 1\.2; it must be above 0 and at most 1"):
        LabelSmoothing(1.2)
    phases = game()
    LabelSmoothing().bind(phases)
    with pytest.raises(ValueError, match="phase D has a term label_smoothing already"):
        LabelSmoothing().bind(phases)


def test_it_trains_and_logs_its_share() -> None:
    gan = task("noisy", balance={"label_smoothing": LabelSmoothing(0.9)})
    fit(gan, 12)
    assert len(reports(gan)) == 2
    for values in reports(gan):
        smoothing, plain = values["train/D/label_smoothing"], values["train/D/adversarial"]
        assert smoothing == pytest.approx(0.1 * values["train/D/logits_real"], rel=1e-4, abs=1e-6)
        assert values["train/loss/D"] == pytest.approx(plain + smoothing, abs=1e-5)
