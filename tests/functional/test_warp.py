"""Moved and deformed images against SciPy, torchvision and torch's own flips, on a photograph."""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
import torchvision.transforms.functional as TF
from photograph import photograph
from scipy import ndimage
from torch import Tensor

from seesaw.functional.warp import (
    SYM6,
    _Sample,
    copied,
    downsampling,
    reflected,
    scattered,
    shifted,
    upsampling,
    warp,
)

EYE = torch.eye(2, dtype=torch.float64)[None]
NOTHING = torch.zeros(1, 2, dtype=torch.float64)


def test_the_filter_is_the_orthonormal_one_with_six_vanishing_moments() -> None:
    """Which leaves few filters of 12 taps; the least asymmetric of them is the symlet."""
    h, k = np.array(SYM6), np.arange(12)
    assert h.sum() == pytest.approx(math.sqrt(2))
    assert [h[: 12 - 2 * lag] @ h[2 * lag :] for lag in range(6)] == pytest.approx([1, 0, 0, 0, 0, 0], abs=1e-11)
    assert [((-1) ** k * (k / 12) ** m) @ h for m in range(6)] == pytest.approx([0] * 6, abs=1e-11)
    w = np.arange(1, 2049) * 2 * np.pi / 4096
    phase = -np.unwrap(np.angle(np.fft.rfft(h, 4096)))[1:] / w
    assert np.abs(phase[:1024] - np.argmax(h)).max() < 0.2  # nearly that delay in the whole pass band


def test_reflection_is_that_of_numpy() -> None:
    padded = np.pad(np.arange(5), 20, mode="reflect")
    assert reflected(torch.arange(-20, 25), 5).tolist() == padded.tolist()


@pytest.mark.parametrize("n", [4, 5, 32])
def test_doubling_and_halving_are_those_of_scipy_on_reflected_pixels(n: int) -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=n)
    wide = np.pad(x, 16, mode="reflect")
    apart = np.zeros(2 * len(wide))
    apart[::2] = wide
    doubled = math.sqrt(2) * np.convolve(apart, SYM6)[5:]  # row m of 2n: taps from m - 5 on
    how = torch.device("cpu"), torch.float64
    found = (upsampling(n, *how) @ torch.tensor(x)).numpy()
    assert found == pytest.approx(doubled[32 - 6 : 32 - 6 + 2 * n + 12])
    halved = downsampling(n, *how) @ torch.tensor(found[1:-1])
    assert halved.numpy() == pytest.approx(x)


def warped_by_scipy(image: Tensor, linear: np.ndarray, shift: np.ndarray) -> np.ndarray:
    """The same map by cubic splines; ndimage counts (y, x)."""
    matrix, centre = linear[::-1, ::-1], (np.array(image.shape[-2:]) - 1) / 2
    offset = centre - matrix @ centre + shift[::-1]
    return np.stack([ndimage.affine_transform(x, matrix, offset, order=3, mode="mirror") for x in image.numpy()])


@pytest.mark.parametrize("shape", [(64, 64), (48, 80)], ids=str)
@pytest.mark.parametrize("angle", [0.0, 0.3, math.pi / 2, math.pi])
@pytest.mark.parametrize(("zoom", "shift"), [((1.0, 1.0), (0.0, 0.0)), ((0.8, 0.9), (3.3, -2.6))], ids=str)
def test_a_photograph_is_warped_as_by_the_splines_of_scipy(
    shape: tuple[int, int], angle: float, zoom: tuple[float, float], shift: tuple[float, float]
) -> None:
    """Also beyond the edges, and half a turn does not move it: with the filter's middle for its centre, the difference is above
    0.04."""
    image = photograph("china", *shape).double()
    cos, sin = math.cos(angle), math.sin(angle)
    linear = np.array([[cos, -sin], [sin, cos]]) @ np.diag(zoom)
    found = warp(image[None], torch.tensor(linear)[None], torch.tensor([shift], dtype=torch.float64))[0].numpy()
    expected = warped_by_scipy(image, linear, np.array(shift))
    assert np.abs(found - expected).mean() < 0.018
    assert np.abs(image.numpy() - expected).mean() > 0.1 or (angle == 0 and zoom == (1.0, 1.0))


def test_a_map_by_whole_pixels_gives_the_pixels_back() -> None:
    image = photograph("flower", 40, 56).double()[None]
    torch.testing.assert_close(warp(image, EYE, NOTHING), image)
    moved = warp(image, EYE, torch.tensor([[3.0, -2.0]], dtype=torch.float64))
    torch.testing.assert_close(moved[..., 10:-10, 10:-10], image[..., 8:-12, 13:-7])


def test_shrinking_suppresses_what_would_alias() -> None:
    """A checkerboard of single pixels becomes grey at 0.7 of its size, as torch's antialiased resizing makes it; without a
    filter it keeps its contrast."""
    board = torch.tensor([[1.0, -1.0], [-1.0, 1.0]], dtype=torch.float64).repeat(16, 16)[None, None]
    small = warp(board, EYE / 0.7, NOTHING)[..., 10:-10, 10:-10]
    assert small.std() < 0.2
    resized = F.interpolate(board, scale_factor=0.7, mode="bilinear", antialias=True)
    assert small.std() < resized[..., 4:-4, 4:-4].std() + 0.2
    assert F.interpolate(board, scale_factor=0.7).std() > 0.9


def test_warp_is_differentiable_twice_and_as_finite_differences_are() -> None:
    torch.manual_seed(0)
    x = torch.randn(2, 1, 4, 5, dtype=torch.float64, requires_grad=True)
    linear, shift = torch.randn(2, 2, 2, dtype=torch.float64), torch.randn(2, 2, dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda x: warp(x, linear, shift), x)
    assert torch.autograd.gradgradcheck(lambda x: warp(x, linear, shift) ** 3, x)


def test_the_ordered_scatter_equals_torchs() -> None:
    torch.manual_seed(0)
    x = torch.randn(2, 3, 6, 8, dtype=torch.float64, requires_grad=True)
    grid = torch.cat([torch.rand(2, 5, 7, 2, dtype=torch.float64) * 2 - 1, torch.ones(2, 5, 1, 2).double()], 2)
    sampled = _Sample.apply(x, grid)
    g = torch.randn_like(sampled)
    (expected,) = torch.autograd.grad(sampled, x, g)
    torch.testing.assert_close(scattered(g, grid, x.shape), expected)


@pytest.mark.parametrize("mirror", [False, True])
@pytest.mark.parametrize("quarters", [0, 1, 2, 3])
@pytest.mark.parametrize("shift", [(0, 0), (3, -5)], ids=str)
def test_copied_pixels_are_those_of_torch_and_numpy(mirror: bool, quarters: int, shift: tuple[int, int]) -> None:
    for shape in [(16, 16), (12, 20)][: 2 if quarters % 2 == 0 else 1]:
        image = photograph("flower", *shape)
        expected = (image.flip(-1) if mirror else image).rot90(quarters, (1, 2))
        wide = np.pad(expected.numpy(), ((0, 0), (6, 6), (6, 6)), mode="reflect")
        x, y = shift
        expected = torch.tensor(wide[:, 6 - y : 6 - y + shape[0], 6 - x : 6 - x + shape[1]])
        found = copied(
            image[None], torch.tensor([mirror]), torch.tensor([quarters]), torch.tensor([shift], dtype=torch.float32)
        )
        assert torch.equal(found[0], expected)


def test_a_shift_is_torchvisions_and_between_pixels_the_mean_of_two() -> None:
    image = photograph("china", 16, 24)[None]
    whole = shifted(image, torch.tensor([[3.0, -2.0]]))
    expected = TF.affine(image, angle=0.0, translate=[3, -2], scale=1.0, shear=[0.0])
    torch.testing.assert_close(whole, expected)
    half = shifted(image, torch.tensor([[0.5, 0.0]]))
    torch.testing.assert_close(half, (image + F.pad(image, (1, 0))[..., :-1]) / 2)
