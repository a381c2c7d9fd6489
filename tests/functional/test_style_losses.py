"""Each loss of style transfer against a closed form, a loop, or another library."""

import colorsys
import math

import numpy as np
import pytest
import scipy.linalg
import torch
from torch import Tensor

from seesaw.functional.style import (
    content_loss,
    content_loss_gatys2016,
    gram,
    gram_loss,
    luminance,
    match_luminance,
    matrix_sqrt,
    moments,
    variation_loss,
    wasserstein2,
    wasserstein_loss,
    with_colours_of,
)


def features(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_gram_is_the_loop_over_pairs_of_channels() -> None:
    x = features(2, 3, 4, 5)
    for b in range(2):
        for i in range(3):
            for j in range(3):
                pairs = [float(x[b, i, h, w] * x[b, j, h, w]) for h in range(4) for w in range(5)]
                assert float(gram(x)[b, i, j]) == pytest.approx(math.fsum(pairs) / 20, abs=1e-12)


def test_gram_loss_is_four_times_equation_4() -> None:
    """E_l = 1 / (4 N^2 M^2) sum (G - A)^2 with sums over places in G and A."""
    x, a = features(1, 3, 4, 5), features(1, 3, 5, 4, seed=1)
    big_g, big_a = (torch.einsum("bnhw,bmhw->bnm", f, f) for f in (x, a))
    expected = float((big_g - big_a).square().sum()) / (4 * 3**2 * 20**2)
    assert float(gram_loss(x, gram(a))) == pytest.approx(4 * expected, rel=1e-12)
    assert float(gram_loss(x, gram(x))) == 0


def test_content_losses_of_a_shifted_target() -> None:
    x = features(1, 3, 4, 5)
    assert float(content_loss(x, x + 0.5)) == pytest.approx(0.25, rel=1e-12)
    assert float(content_loss_gatys2016(x, x + 0.5)) == pytest.approx(0.5 * 60 * 0.25, rel=1e-12)
    assert float(content_loss(x, x)) == 0


def test_moments_are_numpys() -> None:
    x = features(1, 3, 4, 5)
    mean, covariance = moments(x, epsilon=0.25)
    flat = x[0].flatten(1).numpy()
    np.testing.assert_allclose(mean[0], flat.mean(1), rtol=1e-12)
    np.testing.assert_allclose(covariance[0], np.cov(flat, bias=True) + 0.25 * np.eye(3), rtol=1e-12)


def test_wasserstein_of_gaussians_on_the_axes() -> None:
    """For diagonal covariances it is |m - m'|^2 + sum (s - s')^2 over standard deviations."""
    s, t = torch.tensor([[1.0, 2.0, 3.0]]).double(), torch.tensor([[2.0, 2.0, 0.5]]).double()
    m = torch.tensor([[0.0, 1.0, 2.0]]).double()
    value = wasserstein2(m, torch.diag_embed(s**2), m + 2, torch.diag_embed(t))
    assert float(value) == pytest.approx(3 * 4 + 1 + 0 + 6.25, rel=1e-9)


def test_wasserstein_is_scipys_root_and_zero_at_itself() -> None:
    x, y = features(1, 4, 6, 6), features(1, 4, 7, 5, seed=1) * 2 + 1
    (m, c), (n, d) = moments(x), moments(y)
    a, b = c[0].numpy(), d[0].numpy()
    root = scipy.linalg.sqrtm(scipy.linalg.sqrtm(b) @ a @ scipy.linalg.sqrtm(b)).real
    expected = float((m - n).square().sum()) + np.trace(a + b - 2 * root)
    assert float(wasserstein_loss(x, n, matrix_sqrt(d))) == pytest.approx(expected / 4, rel=1e-8)
    assert float(wasserstein_loss(x, m, matrix_sqrt(c))) == pytest.approx(0, abs=1e-10)


def test_wasserstein_has_its_gradient_even_where_channels_outnumber_places() -> None:
    y = features(1, 5, 3, 3, seed=1)
    n, d = moments(y)
    x = features(1, 5, 2, 2).requires_grad_()
    assert torch.autograd.gradcheck(lambda f: wasserstein_loss(f, n, matrix_sqrt(d)), x)


def test_matrix_sqrt_is_scipys() -> None:
    _, covariance = moments(features(1, 4, 6, 6))
    np.testing.assert_allclose(matrix_sqrt(covariance)[0], scipy.linalg.sqrtm(covariance[0].numpy()), atol=1e-12)


def test_variation_of_a_constant_a_ramp_and_a_checkerboard() -> None:
    assert float(variation_loss(torch.full((1, 3, 5, 7), 0.3))) == 0
    ramp = torch.arange(6.0).mul(0.1).expand(1, 3, 4, 6)
    assert float(variation_loss(ramp)) == pytest.approx(0.01, rel=1e-5)
    assert float(variation_loss(ramp.mT)) == pytest.approx(0.01, rel=1e-5)
    board = (torch.arange(4)[:, None] + torch.arange(4)).remainder(2).mul(2.0).sub(1).expand(1, 3, 4, 4)
    assert float(variation_loss(board)) == 8


def test_kept_colours_have_the_contents_hue_and_the_images_lightness() -> None:
    image, content = torch.rand(1, 3, 2, 2).mul(0.2).add(0.3), torch.rand(1, 3, 2, 2).mul(0.2).sub(0.1)
    made = with_colours_of(image, content)
    for h in range(2):
        for w in range(2):
            yiq = [colorsys.rgb_to_yiq(*(x[0, :, h, w].tolist())) for x in (made, image, content)]
            assert yiq[0][0] == pytest.approx(yiq[1][0], abs=2e-3)  # Python's Y has two digits of the weights
            assert yiq[0][1:] == pytest.approx(yiq[2][1:], abs=2e-3)


def test_the_styles_lightness_gets_the_contents_mean_and_spread() -> None:
    style, content = torch.rand(1, 3, 8, 9), torch.rand(1, 3, 7, 6) * 0.4 - 0.5
    grey = match_luminance(style, content)
    torch.testing.assert_close(grey[:, 0], grey[:, 2])
    wanted = luminance(content)
    assert float(grey.mean()) == pytest.approx(float(wanted.mean()), abs=1e-5)
    assert float(grey.std()) == pytest.approx(float(wanted.std()), rel=1e-3)
