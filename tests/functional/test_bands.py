"""The four bands against SciPy's filters and the wavelet's closed form."""

import math

import numpy as np
import pytest
import torch
from photograph import photograph
from scipy import ndimage

from seesaw.functional.bands import BANDS, SYM2, band_filters, filtered


def test_the_wavelet_has_two_vanishing_moments_and_is_orthonormal() -> None:
    h, k = np.array(SYM2), np.arange(4)
    assert h @ h == pytest.approx(1)
    assert h[:2] @ h[2:] == pytest.approx(0)
    assert [((-1) ** k * k**m) @ h for m in range(2)] == pytest.approx([0, 0])


def test_each_band_passes_its_octave_and_their_sum_passes_all() -> None:
    responses = [np.abs(np.fft.rfft(taps.numpy(), 1024)) for taps in band_filters()]
    w = np.linspace(0, math.pi, 513)
    assert sum(responses) == pytest.approx(np.ones(513))
    for k, response in enumerate(responses):
        low, high = (0, math.pi / 8) if k == 0 else (math.pi / 2 ** (BANDS - k), math.pi / 2 ** (BANDS - 1 - k))
        inside = response[(w > low + (high - low) / 4) & (w < high - (high - low) / 4)]
        assert inside.min() > 0.6
        assert response[(w > 2 * high) | (w < low / 2)].max(initial=0) < 0.2


def test_a_photograph_is_filtered_as_by_scipy() -> None:
    """Separately along both axes by the sum of bands times gains, mirrored at the edges; gains of 1 change nothing."""
    image, gains = photograph("china", 32, 56).double(), np.array([0.5, 2.0, 1.0, 0.3])
    size = max(map(len, band_filters()))
    taps = sum(g * np.pad(f.numpy(), (size - len(f)) // 2) for g, f in zip(gains, band_filters(), strict=True))
    expected = ndimage.convolve1d(image.numpy(), taps, axis=1, mode="mirror")
    expected = ndimage.convolve1d(expected, taps, axis=2, mode="mirror")
    both = filtered(torch.stack([image, image]), torch.stack([torch.tensor(gains), torch.ones(4).double()]))
    assert both[0].numpy() == pytest.approx(expected)
    torch.testing.assert_close(both[1], image)


def test_images_smaller_than_the_filter_keep_their_mean_under_gains_of_one() -> None:
    x = torch.randn(3, 1, 4, 4, dtype=torch.float64)
    torch.testing.assert_close(filtered(x, torch.ones(3, 4, dtype=torch.float64)), x)
