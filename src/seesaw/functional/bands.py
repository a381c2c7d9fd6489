"""Images (B, C, H, W) filtered in four octaves of their frequencies."""

import functools

import torch
from torch import Tensor

from seesaw.functional.warp import along_axes, reflected

BANDS = 4
"""Up to pi/8, pi/4, pi/2 and pi, in radians a pixel."""

SYM2 = tuple(k / (4 * 2**0.5) for k in (1 - 3**0.5, 3 - 3**0.5, 3 + 3**0.5, 1 + 3**0.5))
"""The low-pass filter of Daubechies' wavelet with two vanishing moments, which is the symlet of that order too."""


def band_filters() -> list[Tensor]:
    """The impulse responses of the bands, symmetric, of odd lengths up to 43, lowest first. Their sum is the unit impulse.

    With the wavelet's power L(z) = H(z)H(1/z)/2 and 1 - L(z) = L(-z): the bands are L(z)L(z^2)L(z^4), L(z)L(z^2)(1 - L(z^4)),
    L(z)(1 - L(z^2)) and 1 - L(z).
    """
    h = torch.tensor(SYM2, dtype=torch.float64)
    power = convolved(h, h.flip(0)) / 2
    low, bands = torch.ones(1, dtype=torch.float64), list[Tensor]()
    for octave in range(BANDS - 1):
        dilated = torch.zeros((len(power) - 1) * 2**octave + 1, dtype=torch.float64)
        dilated[:: 2**octave] = power
        both = convolved(low, dilated)
        bands.insert(0, padded(low, len(both)) - both)
        low = both
    return [low, *bands]


def convolved(a: Tensor, b: Tensor) -> Tensor:
    """The whole convolution of two vectors."""
    found: Tensor = torch.nn.functional.conv1d(a[None, None], b.flip(0)[None, None], padding=len(b) - 1)
    return found[0, 0]


def padded(a: Tensor, length: int) -> Tensor:
    """A vector in the middle of zeros."""
    side = (length - len(a)) // 2
    return torch.nn.functional.pad(a, (side, side))


@functools.cache
def band_matrices(n: int, device: torch.device, dtype: torch.dtype) -> Tensor:
    """(BANDS, n, n): the bands of n reflected pixels. They sum to the identity."""
    with torch.inference_mode(False), torch.no_grad():
        made = torch.zeros(BANDS, n, n, dtype=torch.float64)
        for matrix, taps in zip(made, band_filters(), strict=True):
            reach = len(taps) // 2
            source = reflected(torch.arange(n)[:, None] + torch.arange(-reach, reach + 1), n)
            matrix.scatter_add_(1, source, taps.expand_as(source))
        return made.to(device, dtype)


def filtered(images: Tensor, gains: Tensor) -> Tensor:
    """The images with each band times its gain along both axes, reflected at the edges.

    Args:
        images: (B, C, H, W), sides at least 2.
        gains: (B, BANDS).
    """
    how = images.device, images.dtype
    rows, columns = (
        (gains @ band_matrices(n, *how).flatten(1)).view(-1, 1, n, n) for n in images.shape[-2:]
    )  # fmt: skip
    return along_axes(rows, images, columns)
