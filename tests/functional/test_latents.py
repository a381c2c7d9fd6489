"""Paths between latents against the formulas of their papers and scipy."""

import math

import pytest
import torch
from scipy.stats import chi
from torch import Tensor

from seesaw.functional.latents import (
    How,
    angle_between,
    linear,
    mixed,
    norm_range,
    path,
    random_directions,
    slerp,
    unit,
    with_norm_in,
)


def two(seed: int = 0, dim: int = 64) -> Tensor:
    return torch.randn(2, dim, generator=torch.Generator().manual_seed(seed)).double()


def test_slerp_is_shoemakes_formula_for_equal_lengths() -> None:
    """sin((1 - t) omega) / sin omega a + sin(t omega) / sin omega b, as White 2016 prints it."""
    a, b = two()
    b *= a.norm() / b.norm()
    omega = torch.acos(torch.dot(a, b) / (a.norm() * b.norm()))
    for t in (0.0, 0.2, 0.5, 0.9, 1.0):
        expected = (torch.sin((1 - t) * omega) * a + torch.sin(t * omega) * b) / torch.sin(omega)
        torch.testing.assert_close(slerp(a, b, torch.tensor([t], dtype=torch.float64)), expected)


def test_slerp_keeps_lengths_and_turns_evenly_where_a_line_shortens() -> None:
    a, b = two()
    whole = angle_between(a, b)
    for t in (0.25, 0.5, 0.75):
        curved, straight = (f(a, b, torch.tensor([t], dtype=torch.float64)) for f in (slerp, linear))
        assert curved.norm() == pytest.approx(float((1 - t) * a.norm() + t * b.norm()))
        assert angle_between(a, curved) == pytest.approx(t * whole)
        assert straight.norm() < 0.9 * curved.norm()


@pytest.mark.parametrize("factor", [1.0, -1.0, 2.0])
def test_slerp_between_parallel_and_opposite_latents_is_the_line(factor: float) -> None:
    a = two()[0]
    found = slerp(a, factor * a, torch.tensor([0.25], dtype=torch.float64))
    torch.testing.assert_close(found, linear(a, factor * a, torch.tensor([0.25], dtype=torch.float64)))


@pytest.mark.parametrize("how", ["slerp", "linear"])
@pytest.mark.parametrize("shape", [(3, 6), (3, 4, 6)])
def test_a_path_passes_through_its_key_frames(how: How, shape: tuple[int, ...]) -> None:
    keys = torch.randn(shape, generator=torch.Generator().manual_seed(1))
    there = path(keys, 5, how)
    assert there.shape == (11, *shape[1:])
    torch.testing.assert_close(there[::5], keys)
    around = path(keys, 5, how, loop=True)
    assert around.shape == (15, *shape[1:])
    torch.testing.assert_close(around[::5], keys)
    torch.testing.assert_close(around[:11], there)
    back = path(torch.stack([keys[2], keys[0]]), 5, how)
    torch.testing.assert_close(around[10:], back[:5])
    assert not torch.equal(there[1], there[0])


def test_a_path_needs_two_key_frames_and_frames() -> None:
    for keys, frames in ((1, 5), (3, 0)):
        with pytest.raises(ValueError, match="at least 2 and 1"):
            path(torch.ones(keys, 4), frames, "linear")


@pytest.mark.parametrize("dim", [2, 6, 512])
def test_all_but_two_thousandths_of_the_prior_lie_within_the_norms(dim: int) -> None:
    low, high = norm_range(dim)
    assert (chi.cdf(low, dim), chi.sf(high, dim)) == pytest.approx((1e-3, 1e-3))
    z = torch.randn(20_000, dim, generator=torch.Generator().manual_seed(2))
    length = z.norm(dim=1)
    assert 0.0005 < ((length < low) | (length > high)).float().mean() < 0.004
    kept = with_norm_in(3 * z[:100], low, high)
    assert (kept.norm(dim=1) <= high * 1.0001).all()
    torch.testing.assert_close(torch.nn.functional.cosine_similarity(kept, z[:100]), torch.ones(100))
    inside = z[(length > low) & (length < high)][:50]
    torch.testing.assert_close(with_norm_in(inside, low, high), inside)


def test_styles_are_mixed_at_the_named_layers_alone() -> None:
    coarse, fine = torch.zeros(1, 6, 3), torch.ones(4, 6, 3)
    found = mixed(coarse, fine, range(2, 4))
    assert found.shape == (4, 6, 3)
    assert found[:, :, 0].tolist() == [[0, 0, 1, 1, 0, 0]] * 4


def test_directions_have_length_one_and_a_sign_of_their_own() -> None:
    x = torch.randn(5, 8, generator=torch.Generator().manual_seed(3))
    torch.testing.assert_close(unit(x), unit(-7 * x))
    torch.testing.assert_close(unit(x).norm(dim=1), torch.ones(5))
    drawn = random_directions(2000, 8, seed=1)
    torch.testing.assert_close(drawn.norm(dim=1), torch.ones(2000))
    assert drawn.mean(0).abs().max() < 4 / math.sqrt(8 * 2000)
    assert torch.equal(drawn, random_directions(2000, 8, seed=1))
