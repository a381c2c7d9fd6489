"""Top-k training of G against a selection by hand."""

from pathlib import Path

import pytest
import torch
from toys import assert_equal_states, fit, game, task

from seesaw.gan.balance import TopK
from seesaw.gan.batch import AdversarialBatch
from seesaw.gan.losses import RelativisticPairedD, RelativisticPairedG

FAKE, REAL = [0.5, -1.0, 3.0, 2.0, -4.0], [1.0, 2.0, 3.0, 4.0, 5.0]


def batch() -> AdversarialBatch:
    x = torch.zeros(5)
    seen = AdversarialBatch(
        None, None, x, x, view=lambda x: [x], into_discriminator=lambda x, y: (x, y), player="G"
    )  # type: ignore[arg-type]  # fmt: skip
    vars(seen).update(real_logits=torch.tensor(REAL), fake_logits=torch.tensor(FAKE, requires_grad=True))
    return seen


def test_fraction_over_time() -> None:
    part, trace = TopK(decay=0.8, min=0.6, epoch_kimg=1.0), []
    for shown in (0, 999, 1000, 2000, 3000, 9000):
        part.advance(0, shown)
        trace.append(part.report()["balance/topk"])
    assert trace == pytest.approx([1, 1, 0.8, 0.64, 0.6, 0.6])


def test_chooses_the_fakes_with_the_highest_logits() -> None:
    """Non-saturating, softplus(-x): over 3, 2 and 0.5; the rest gets no gradient."""
    part, phases = TopK(decay=0.7, min=0.1, epoch_kimg=1.0), game()
    part.bind(phases)
    part.advance(0, 1000)  # 0.7 of 5 is 3
    seen = batch()
    loss, values = phases["G"](seen)
    best = torch.tensor([3.0, 2.0, 0.5])
    torch.testing.assert_close(loss, torch.nn.functional.softplus(-best).mean())
    assert set(values) == {"loss", "adversarial"}
    loss.backward()
    assert (seen.fake_logits.grad != 0).tolist() == [True, False, True, True, False]


def test_a_relativistic_loss_keeps_the_pairs() -> None:
    part, phases = TopK(decay=0.4, min=0.1, epoch_kimg=1.0), game(RelativisticPairedD(), RelativisticPairedG())
    part.bind(phases)
    part.advance(0, 1000)
    values = phases["G"].terms["adversarial"](batch())
    expected = torch.nn.functional.softplus(torch.tensor([3.0 - 3.0, 4.0 - 2.0]))
    torch.testing.assert_close(values, expected)


def test_the_whole_batch_changes_nothing_but_the_order() -> None:
    plain, top = task("plain").double(), task("plain", balance={"topk": TopK()}).double()
    fit(plain, 4, precision="64-true")
    fit(top, 4, precision="64-true")
    for a, b in zip(plain.parameters(), top.parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-12)


def test_a_resumed_run_is_bit_equal(tmp_path: Path) -> None:
    def gan() -> object:
        return task("style", balance={"topk": TopK(decay=0.7, epoch_kimg=0.016)})

    whole, part, other = gan(), gan(), gan()
    fit(whole, 10)
    fit(part, 5).save_checkpoint(tmp_path / "a.ckpt")
    fit(other, 5, ckpt=str(tmp_path / "a.ckpt"), start=40)
    assert_equal_states(whole, other)


@pytest.mark.parametrize("wrong", [{"decay": 1.1}, {"min": 0.0}, {"epoch_kimg": 0.0}])
def test_refuses(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="must be above 0"):
        TopK(**wrong)
    with pytest.raises(ValueError, match="no phase of G has a term adversarial"):
        TopK().bind({"D": game()["D"]})
