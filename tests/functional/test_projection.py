"""Projection against cases with a known answer."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from scipy import ndimage
from torch import Tensor

from seesaw.functional.projection import (
    NOISE_UNTIL,
    Descent,
    blur,
    laplacian_distance,
    laplacian_pyramid,
    project,
    rate,
    within_range,
)


def images(n: int, side: int = 32, seed: int = 0) -> Tensor:
    return torch.rand(n, 2, side, side, generator=torch.Generator().manual_seed(seed)) * 2 - 1


def test_the_filter_is_scipys_with_mirrored_edges() -> None:
    x = images(1, 9)
    kernel = np.array([1, 4, 6, 4, 1]) / 16
    expected = ndimage.correlate1d(ndimage.correlate1d(x.numpy(), kernel, 2, mode="mirror"), kernel, 3, mode="mirror")
    assert np.allclose(blur(x), expected, atol=1e-6)


def test_the_levels_of_a_pyramid_give_the_image_again() -> None:
    x = images(3)
    levels = laplacian_pyramid(x)
    assert [level.shape[-1] for level in levels] == [32, 16, 8, 4]
    found = levels[-1]
    for level in reversed(levels[:-1]):
        found = level + F.interpolate(found, level.shape[-2:], mode="bilinear", align_corners=False)
    torch.testing.assert_close(found, x)


def test_the_distance_weighs_each_level_by_its_share_of_pixels() -> None:
    """Lap1 is sum_j 2^(2j) |.|_1; over the number of values of the image each level is a mean."""
    x, y = images(2), images(2, seed=1)
    expected = torch.zeros(2)
    for j, (a, b) in enumerate(zip(laplacian_pyramid(x), laplacian_pyramid(y), strict=True)):
        expected += 4**j * (a - b).abs().sum((1, 2, 3)) / x[0].numel()
    torch.testing.assert_close(laplacian_distance(x, y), expected)
    assert laplacian_distance(x, x).tolist() == [0, 0]
    shifted = laplacian_distance(x, x + 0.25)
    torch.testing.assert_close(shifted, torch.full((2,), 0.25))  # all of it in the coarsest level


@pytest.mark.parametrize("shape", [(4, 4), (8, 40), (5, 7)])
def test_images_of_any_shape_have_a_distance(shape: tuple[int, int]) -> None:
    x = torch.randn(1, 1, *shape)
    assert float(laplacian_distance(x, x + 1)) > 0


def test_the_learning_rate_rises_and_falls_as_the_paper_has_it() -> None:
    assert [rate(s) for s in (0.0, 0.025, 0.05, 0.5, 0.75)] == pytest.approx([0, 0.5, 1, 1, 1])
    assert (rate(0.875), rate(1.0)) == pytest.approx((0.5, 0))


def test_what_lies_beyond_the_range_counts_as_its_end_where_the_target_has_that_end() -> None:
    target = torch.tensor([1.0, 1.0, 1.0, -1.0, -1.0, 0.3]).view(1, 1, 1, 6)
    x = torch.tensor([1.7, 0.9, -1.5, -1.2, 1.4, 1.6]).view(1, 1, 1, 6).requires_grad_()
    found = within_range(x, target)
    assert found.flatten().tolist() == pytest.approx([1, 0.9, -1.5, -1, 1.4, 1.6])
    (found - target).abs().sum().backward()
    assert x.grad is not None
    assert x.grad.flatten().tolist() == [0, -1, -1, 0, 1, 1]


def generator() -> torch.nn.Module:
    torch.manual_seed(5)
    layers = [torch.nn.Linear(6, 128), torch.nn.Tanh(), torch.nn.Linear(128, 256), torch.nn.Unflatten(1, (1, 16, 16))]
    return torch.nn.Sequential(*layers)


def test_an_image_that_the_generator_made_is_found_again() -> None:
    G = generator().requires_grad_(False)
    own = torch.randn(1, 6, generator=torch.Generator().manual_seed(9))
    starts = torch.randn(4, 6, generator=torch.Generator().manual_seed(10))
    found = project(G, G(own), starts, Descent(300))
    before = laplacian_distance(G(starts), G(own))
    assert found.distance < 0.02 * before.min()
    torch.testing.assert_close(found.latent, own[0], atol=0.02, rtol=0.02)
    assert found.curve.shape == (4, 301)
    torch.testing.assert_close(found.curve[:, 0], before)
    assert found.distance == pytest.approx(float(laplacian_distance(G(found.latent[None]), G(own))), abs=1e-6)
    assert found.distance <= found.curve.min() + 1e-7


def test_latents_stay_where_they_may_lie_and_noise_ends_before_the_last_quarter() -> None:
    G = generator().requires_grad_(False)
    seen = list[Tensor]()

    def render(z: Tensor) -> Tensor:
        seen.append(z.detach().clone())
        return G(z)

    target = G(3 * torch.ones(1, 6))
    found = project(render, target, torch.zeros(2, 6) + 0.1, Descent(40, keep=lambda z: z.clamp(-0.5, 0.5)))
    assert all(z.abs().max() <= 0.5 for z in seen)
    assert found.latent.abs().max() == 0.5
    seen.clear()
    still = project(render, target, torch.zeros(2, 6) + 0.1, Descent(40, lr=1e-9, noise=1.0))
    moved = [float((z - 0.1).abs().max()) for z in seen]
    assert moved[0] == 0
    assert min(moved[1:10]) > 0.01
    assert max(moved[round(NOISE_UNTIL * 40) :]) < 1e-6
    torch.testing.assert_close(still.latent, torch.full((6,), 0.1))
    assert still.distance == pytest.approx(float(laplacian_distance(G(still.latent[None]), target)), abs=1e-5)
    assert still.curve.min() < still.distance - 1e-3  # some disturbed one was nearer, and does not count


def test_no_steps_are_refused() -> None:
    with pytest.raises(ValueError, match="steps is 0"):
        project(generator(), images(1, 16)[:, :1], torch.zeros(1, 6), Descent(0))
