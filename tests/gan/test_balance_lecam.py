"""LeCam's penalty and anchors against hand-computed figures."""

from pathlib import Path

import pytest
import torch
from torch import Tensor
from toys import assert_equal_states, fit, task

from seesaw.gan.balance import LeCam, NCritic
from seesaw.gan.batch import AdversarialBatch


def batch(real: list[float], fake: list[float], images_shown: int) -> AdversarialBatch:
    x = torch.tensor(real)
    seen = AdversarialBatch(
        None, None, x, x, view=lambda x: [x], into_discriminator=lambda x, y: (x, y), player="D",
        images_shown=images_shown,
    )  # type: ignore[arg-type]  # fmt: skip
    vars(seen).update(real_logits=x.requires_grad_(), fake_logits=torch.tensor(fake).requires_grad_())
    return seen


def anchors(term: LeCam) -> list[float]:
    return term.anchors.tolist()


def test_a_trace() -> None:
    """Before 1 kimg the anchors are the last means and nothing is charged; then a <- 0.9 a + 0.1 mean, before the penalty."""
    term = LeCam(weight=0.5, decay=0.9, start_kimg=1.0)
    assert term(batch([5.0, 7.0], [-5.0, -7.0], 0)).tolist() == [0, 0]
    assert term(batch([1.0, 3.0], [-1.0, -1.0], 999)).tolist() == [0, 0]
    assert anchors(term) == [2, -1]
    seen = batch([3.0, -2.0], [0.0, 4.0], 1000)  # means 0.5 and 2
    value = term(seen)
    a_real, a_fake = 0.9 * 2 + 0.1 * 0.5, 0.9 * -1 + 0.1 * 2  # 1.85, -0.7
    assert anchors(term) == pytest.approx([a_real, a_fake])
    expected = [0.5 * ((3 - a_fake) ** 2 + a_real**2), 0.5 * (0 + 0)]
    assert value.tolist() == pytest.approx(expected)
    value.sum().backward()
    assert grad(seen.real_logits) == pytest.approx([3 - a_fake, 0])
    assert grad(seen.fake_logits) == pytest.approx([-a_real, 0])


def grad(logits: Tensor) -> list[float]:
    assert logits.grad is not None
    return logits.grad.tolist()


def test_a_skipped_d_moves_no_anchor() -> None:
    term = LeCam(start_kimg=0.0)
    term(batch([1.0], [-1.0], 0))
    before = anchors(term)
    with torch.no_grad():
        term(batch([9.0], [-9.0], 8))
    assert anchors(term) == before


@pytest.mark.parametrize("options", [{}, {"micro_batch": 3}])
def test_a_resumed_run_is_bit_equal(tmp_path: Path, options: dict[str, int]) -> None:
    def gan() -> object:
        parts = {"lecam": LeCam(start_kimg=0.016), "n_critic": NCritic(2, more="G")}
        return task("noisy", balance=parts, **options)

    whole, part, other = gan(), gan(), gan()
    fit(whole, 10)
    fit(part, 5).save_checkpoint(tmp_path / "a.ckpt")
    fit(other, 5, ckpt=str(tmp_path / "a.ckpt"), start=40)
    names = [key for key in whole.state_dict() if "anchors" in key]
    assert len(names) == 1  # saved once, with its phase
    assert_equal_states(whole, other)
    assert whole.phases["D"].terms["lecam"].anchors.abs().sum() > 0


@pytest.mark.parametrize("wrong", [{"weight": -1.0}, {"decay": 1.0}, {"start_kimg": -1.0}])
def test_refuses(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="must hold"):
        LeCam(**wrong)
