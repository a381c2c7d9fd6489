"""Keyed randomness."""

import torch

from seesaw.functional.rng import reseed
from seesaw.util import key


def test_keys_are_stable_and_distinct() -> None:
    assert key(1, 2, "D") == key(1, 2, "D")
    keys = {key(seed, images, phase) for seed in range(20) for images in range(0, 640, 64) for phase in ("D", "G", "z")}
    assert len(keys) == 20 * 10 * 3
    assert all(0 <= k < 2**63 for k in keys)


def test_parts_do_not_run_together() -> None:
    assert key(1, 23) != key(12, 3)


def test_reseed_makes_unnamed_draws_repeat() -> None:
    device = torch.device("cpu")
    reseed(7, device)
    first = torch.rand(3)
    torch.rand(10)
    reseed(7, device)
    torch.testing.assert_close(torch.rand(3), first, rtol=0, atol=0)
    reseed(8, device)
    assert not torch.equal(torch.rand(3), first)
