"""The Vendi score and the Inception score against closed forms."""

import math

import pytest
import torch

from seesaw.functional.diversity import inception_score, vendi


@pytest.mark.parametrize("k", [1, 4, 7])
def test_k_kinds_that_are_orthogonal_count_k(k: int) -> None:
    assert vendi(3 * torch.eye(9)[:k].repeat(5, 1)) == pytest.approx(k)  # more rows than columns, or fewer


def test_shares_count_by_their_entropy() -> None:
    rows = torch.eye(3)[torch.tensor([0] * 6 + [1] * 3 + [2])]
    entropy = -sum(p * math.log(p) for p in (0.6, 0.3, 0.1))
    assert vendi(rows) == pytest.approx(math.exp(entropy))
    assert vendi(rows[:2]) == pytest.approx(1)


def test_samples_and_dimensions_give_one_score() -> None:
    x = torch.randn(12, 30, generator=torch.Generator().manual_seed(0))
    wide, padded = vendi(x), vendi(torch.cat([x, torch.zeros(12, 1)], 1).repeat(4, 1))
    assert wide == pytest.approx(padded)


def test_the_inception_score_counts_classes() -> None:
    assert inception_score(torch.eye(5).repeat(3, 1)) == pytest.approx(5)
    assert inception_score(torch.full((8, 5), 0.2)) == pytest.approx(1)
    p = torch.tensor([[0.9, 0.1], [0.1, 0.9]])
    assert inception_score(p) == pytest.approx(math.exp(math.log(2) + 0.9 * math.log(0.9) + 0.1 * math.log(0.1)))
