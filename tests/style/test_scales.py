"""From coarse to fine: sizes, spans, and what an optimiser keeps."""

import pytest
import torch
from torch import Tensor

from seesaw.style.scales import carry, resampled, sizes, spans


def test_sizes_are_those_of_the_source() -> None:
    assert sizes(512, 5) == [128, 181, 256, 362, 512]
    assert sizes(512, 1) == [512]
    assert sizes(64, 6) == [32, 32, 32, 32, 45, 64]


def test_spans_are_two_parts_and_then_one() -> None:
    assert spans(3000, 5) == [1000, 500, 500, 500, 500]
    assert spans(100, 1) == [100]
    assert spans(10, 2) == [6, 4]
    assert sum(spans(997, 4)) == 997


def stepped(make: type[torch.optim.Optimizer], canvas: Tensor, steps: int = 3) -> torch.optim.Optimizer:
    optimizer = make([canvas])  # type: ignore[call-arg]
    for _ in range(steps):

        def closure() -> Tensor:
            optimizer.zero_grad()
            loss = (canvas - 0.5).square().sum()
            loss.backward()
            return loss

        optimizer.step(closure)  # type: ignore[arg-type]
    return optimizer


def test_adams_moments_are_resampled_and_its_count_kept() -> None:
    torch.manual_seed(0)
    canvas, larger = torch.randn(1, 3, 8, 6, requires_grad=True), torch.zeros(1, 3, 16, 12, requires_grad=True)
    old, new = stepped(torch.optim.Adam, canvas), torch.optim.Adam([larger])
    carry(old.state[canvas], new, larger)
    before, after = old.state[canvas], new.state[larger]
    assert float(after["step"]) == 3
    assert after["step"] is not before["step"]
    torch.testing.assert_close(after["exp_avg"], resampled(before["exp_avg"], (16, 12)))
    torch.testing.assert_close(after["exp_avg_sq"], resampled(before["exp_avg_sq"], (16, 12), "bilinear"))
    assert float(after["exp_avg_sq"].min()) >= 0
    larger.grad = torch.ones_like(larger)
    new.step()
    assert float(new.state[larger]["step"]) == 4


@pytest.mark.parametrize("make", [torch.optim.LBFGS, torch.optim.SGD])
def test_lbfgs_restarts_and_who_keeps_nothing_has_nothing(make: type[torch.optim.Optimizer]) -> None:
    canvas, larger = torch.zeros(1, 3, 8, 6, requires_grad=True), torch.zeros(1, 3, 16, 12, requires_grad=True)
    old = stepped(make, canvas)
    new = make([larger])  # type: ignore[call-arg]
    carry(old.state.get(canvas, {}), new, larger)
    assert not new.state.get(larger)
