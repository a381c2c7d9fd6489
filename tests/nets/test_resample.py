"""StyleGAN2's resampling against scipy, torch's bilinear interpolation and finite differences."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from scipy.ndimage import convolve
from scipy.signal import upfirdn
from torch import Tensor
from torch.autograd import gradcheck, gradgradcheck

from seesaw.nets.layers.resample import blur, downsample, upsample

TAPS = np.array([1.0, 3.0, 3.0, 1.0]) / 8

RESAMPLERS: dict[str, Callable[[Tensor], Tensor]] = {
    "up": upsample,
    "down": downsample,
    "blur before a strided convolution": lambda x: blur(x, 2),
    "blur after a transposed convolution": lambda x: blur(x, 1, 4.0),
}


def image(dtype: torch.dtype = torch.float64, size: tuple[int, int] = (6, 8)) -> Tensor:
    return torch.randn(2, 3, *size, generator=torch.Generator().manual_seed(0), dtype=torch.float64).to(dtype)


def filtered(x: Tensor, up: int, down: int, before: int, after: int) -> Tensor:
    """scipy's upsampling, filtering and downsampling along both axes, `before` and `after` rows of its result cut away."""
    found = x.numpy()
    for axis in (2, 3):
        found = upfirdn(up * TAPS, found, up, down, axis)
        found = found.take(np.arange(before, found.shape[axis] - after), axis)
    return torch.from_numpy(found)


def test_resampling_equals_scipys_upfirdn() -> None:
    x = image()
    # scipy convolves fully: a padding of p leaves 3 - p rows out at each end, half as many of every second one
    torch.testing.assert_close(upsample(x), filtered(x, 2, 1, 1, 1))
    torch.testing.assert_close(downsample(x), filtered(x, 1, 2, 1, 1))
    torch.testing.assert_close(blur(x, 2), filtered(x, 1, 1, 1, 1))
    torch.testing.assert_close(blur(x, 1, 4.0), 4 * filtered(x, 1, 1, 2, 2))


def test_blur_equals_scipys_convolution_with_the_square_kernel() -> None:
    x = image()
    kernel = np.outer(TAPS, TAPS)
    expected = convolve(F.pad(x, (2, 2, 2, 2)).numpy(), kernel[None, None], mode="constant")[:, :, 1:-2, 1:-2]
    torch.testing.assert_close(blur(x, 2), torch.from_numpy(expected))


def test_upsampling_is_bilinear_inside() -> None:
    x = image()
    inside = slice(1, -1)
    bilinear = F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)
    torch.testing.assert_close(upsample(x)[:, :, inside, inside], bilinear[:, :, inside, inside])
    torch.testing.assert_close(upsample(torch.ones(1, 1, 4, 4))[0, 0, 0, 3].item(), 0.75)


@pytest.mark.parametrize("name", RESAMPLERS)
def test_finite_differences_of_resampling_in_both_orders(name: str) -> None:
    x = image(size=(4, 6))[:1, :2].requires_grad_()

    def bent(x: Tensor) -> Tensor:
        return F.softplus(RESAMPLERS[name](x))

    assert gradcheck(bent, (x,), fast_mode=True)
    assert gradgradcheck(bent, (x,), fast_mode=True)


@pytest.mark.parametrize("name", RESAMPLERS)
def test_half_precision_rounds_once_and_autocast_changes_nothing(name: str) -> None:
    x, resample = image(torch.bfloat16), RESAMPLERS[name]
    with torch.autocast("cpu", torch.bfloat16):
        low, wide = resample(x), resample(x.float())
    torch.testing.assert_close(low, resample(x.float()).bfloat16(), rtol=0, atol=0)
    torch.testing.assert_close(wide, resample(x.double()).float())


def test_resampling_keeps_the_layout_and_counts_shapes_without_data() -> None:
    x = image(torch.float32).to(memory_format=torch.channels_last)
    assert upsample(x).is_contiguous(memory_format=torch.channels_last)
    assert downsample(x).is_contiguous(memory_format=torch.channels_last)
    assert upsample(x.to("meta")).shape == (2, 3, 12, 16)
    assert downsample(x.to("meta")).shape == (2, 3, 3, 4)
