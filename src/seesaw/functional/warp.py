"""Images (B, C, H, W) moved and deformed, each by its own draw, differentiable to any order. H and W may differ.

Sizes are those of pixels, positions are in pixels with the centre of the first one at 0, and what lies beyond an edge is
reflected about the centre of the edge's pixel (`torch.nn.functional.pad`'s mode "reflect", as often as it takes).
"""

import functools
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

SYM6 = (
    0.015404109327027373, 0.0034907120842174702, -0.11799011114819057, -0.048311742585633, 0.4910559419267466,
    0.787641141030194, 0.3379294217276218, -0.07263752278646252, -0.021060292512300564, 0.04472490177066578,
    0.0017677118642428036, -0.007800708325034148,
)  # fmt: skip
"""The low-pass filter of the symlet with six vanishing moments: orthonormal to its own shifts by two, and nearly symmetric about
its largest tap."""

TAPS = len(SYM6)
MARGIN = TAPS // 2
"""Pixels of twice the resolution that are computed beyond each edge."""


def reflected(position: Tensor, n: int) -> Tensor:
    """Positions brought into [0, n - 1] by reflection about 0 and n - 1; n is at least 2."""
    period = 2 * (n - 1)
    return (n - 1) - ((position % period) - (n - 1)).abs()


@functools.cache
def upsampling(n: int, device: torch.device, dtype: torch.dtype) -> Tensor:
    """The matrix (2n + 2 MARGIN, n) that doubles the resolution of n reflected pixels by `SYM6`; rows begin at -MARGIN."""
    with torch.inference_mode(False), torch.no_grad():
        taps = 2**0.5 * torch.tensor(SYM6, dtype=torch.float64)
        source = torch.arange(-MARGIN, n + MARGIN)  # every pixel whose taps reach a row
        row = 2 * source[:, None] - (MARGIN - 1) + torch.arange(TAPS) + MARGIN
        inside = (row >= 0) & (row < 2 * n + 2 * MARGIN)
        column = reflected(source, n)[:, None].expand_as(row)
        made = torch.zeros(2 * n + 2 * MARGIN, n, dtype=torch.float64)
        made.index_put_((row[inside], column[inside]), taps.expand_as(row)[inside], accumulate=True)
        return made.to(device, dtype)


@functools.cache
def downsampling(n: int, device: torch.device, dtype: torch.dtype) -> Tensor:
    """The matrix (n, 2n + 2 (MARGIN - 1)) that halves the resolution by the flipped `SYM6`; columns begin at -(MARGIN - 1)."""
    with torch.inference_mode(False), torch.no_grad():
        made = torch.zeros(n, 2 * n + 2 * (MARGIN - 1), dtype=torch.float64)
        column = 2 * torch.arange(n)[:, None] + torch.arange(TAPS)
        made.scatter_(1, column, (torch.tensor(SYM6, dtype=torch.float64) / 2**0.5).expand_as(column))
        return made.to(device, dtype)


def along_axes(rows: Tensor, images: Tensor, columns: Tensor) -> Tensor:
    """rows X columns^T for each channel X: one linear map along the height, one along the width. (B, 1, ., .) is one a sample."""
    return rows @ images @ columns.mT


def warp(images: Tensor, linear: Tensor, shift: Tensor) -> Tensor:
    """Each image under an affine map of the plane, resampled once: reflected at the edges, doubled in resolution by `SYM6`,
    sampled bilinearly, halved by the flipped filter (Karras et al. 2020, "Training GANs with limited data", appendix B).

    The map of a whole number of pixels gives these pixels back, since the filter is orthonormal. Positions count from the
    filter's largest tap: from its middle, half a turn would move an image by half a pixel. A deviation: beyond `MARGIN` it is
    the doubled image that is reflected, as often as it takes, and not a padded copy of the image once, so nothing waits for the
    largest padding of the batch. Filters are matrices along the axes, so their cost grows with the size of the image.

    Args:
        images: (B, C, H, W), sides at least 2.
        linear: (B, 2, 2), (x, y) of the output to (x, y) of the input, about the image's centre.
        shift: (B, 2), pixels along (x, y), added in the input.
    """
    h, w = images.shape[-2:]
    how = images.device, images.dtype
    doubled = along_axes(upsampling(h, *how), images, upsampling(w, *how))
    y, x = (_doubled_positions(n, images) - (n - 1) / 2 for n in (h, w))
    x, y = x[None, None, :], y[None, :, None]
    a, b = linear[:, :, 0, None, None], linear[:, :, 1, None, None]  # (B, 2, 1, 1)
    source = [
        a[:, k] * x + b[:, k] * y + shift[:, k, None, None] + (n - 1) / 2 for k, n in enumerate((w, h))
    ]  # (B, 2H', 2W') each
    grid = torch.stack([_on_grid(place, n) for place, n in zip(source, (w, h), strict=True)], -1)
    sampled: Tensor = _Sample.apply(doubled, grid)
    return along_axes(downsampling(h, *how), sampled, downsampling(w, *how))


def _doubled_positions(n: int, like: Tensor) -> Tensor:
    """Where the pixels of twice the resolution lie that `downsampling` takes."""
    return torch.arange(1 - MARGIN, 2 * n + MARGIN - 1, device=like.device, dtype=like.dtype) / 2


def _on_grid(position: Tensor, n: int) -> Tensor:
    """Positions in an image of n pixels as coordinates of the doubled one's, in [-1, 1]."""
    place = 2 * position + MARGIN
    inside = (place >= 0) & (place <= 2 * n + 2 * MARGIN - 1)
    place = torch.where(inside, place, 2 * reflected(position, n) + MARGIN)
    return place * (2 / (2 * n + 2 * MARGIN - 1)) - 1


class _Sample(torch.autograd.Function):
    """Bilinear samples of images at grid points, linear in the images. torch's own has no second derivative."""

    @staticmethod
    def forward(ctx: Any, images: Tensor, grid: Tensor) -> Tensor:
        ctx.save_for_backward(grid)
        ctx.shape = images.shape
        return F.grid_sample(images, grid, align_corners=True)

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Any:
        (grid,) = ctx.saved_tensors
        return _Scatter.apply(g, grid, ctx.shape), None


class _Scatter(torch.autograd.Function):
    """The transpose of `_Sample`."""

    @staticmethod
    def forward(ctx: Any, g: Tensor, grid: Tensor, shape: torch.Size) -> Tensor:
        ctx.save_for_backward(grid)
        if g.is_cuda and torch.are_deterministic_algorithms_enabled():
            return scattered(g, grid, shape)
        found: Tensor = torch.ops.aten.grid_sampler_2d_backward(
            g.contiguous(), g.new_empty(shape), grid, 0, 0, True, (True, False)
        )[0]
        return found

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Any:
        (grid,) = ctx.saved_tensors
        return _Sample.apply(g, grid), None, None


def scattered(g: Tensor, grid: Tensor, shape: torch.Size) -> Tensor:
    """The transpose of bilinear sampling in an order that is the same every time, which torch's has not on a GPU.

    Args:
        g: (B, C, h, w).
        grid: (B, h, w, 2), inside [-1, 1].
        shape: (B, C, H, W) of the result.
    """
    n, c, h, w = shape
    place = (grid + 1) / 2 * torch.tensor([w - 1, h - 1], device=grid.device)
    corner = place.floor().clamp(max=torch.tensor([w - 2, h - 2], device=grid.device))
    far = place - corner
    first = (corner[..., 1] * w + corner[..., 0]).long() + h * w * torch.arange(n, device=g.device)[:, None, None]
    out = g.new_zeros(n * h * w, c)
    for dy, dx in ((0, 0), (0, 1), (1, 0), (1, 1)):
        weight = (far[..., 0] if dx else 1 - far[..., 0]) * (far[..., 1] if dy else 1 - far[..., 1])
        values = (g * weight[:, None]).movedim(1, -1).reshape(-1, c)
        out.index_add_(0, (first + dy * w + dx).reshape(-1), values)
    return out.view(n, h, w, c).movedim(-1, 1)


def copied(images: Tensor, mirror: Tensor, quarters: Tensor, shift: Tensor) -> Tensor:
    """The images with their pixels copied to other places: mirrored, then turned, then shifted by whole pixels, reflected at the
    edges.

    Args:
        images: (B, C, H, W), sides at least 2.
        mirror: (B,), true exchanges left and right.
        quarters: (B,) integers, quarter turns anticlockwise; even where H and W differ.
        shift: (B, 2) whole numbers, pixels to the right and down.
    """
    b, c, h, w = images.shape
    y = reflected(torch.arange(h, device=images.device) - shift[:, 1, None], h)[:, :, None]  # (B, H, 1)
    x = reflected(torch.arange(w, device=images.device) - shift[:, 0, None], w)[:, None, :]
    x, y = 2 * x - (w - 1), 2 * y - (h - 1)  # about the centre, in half pixels
    turn = (quarters % 4)[:, None, None]
    cos, sin = (turn == 0).long() - (turn == 2).long(), (turn == 1).long() - (turn == 3).long()
    x, y = (cos * x - sin * y) * (1 - 2 * mirror.long()[:, None, None]), sin * x + cos * y
    source = ((y.long() + h - 1) // 2 * w + (x.long() + w - 1) // 2).view(b, 1, h * w)
    return images.flatten(2).gather(2, source.expand(b, c, h * w)).view(images.shape)


def shifted(images: Tensor, shift: Tensor) -> Tensor:
    """The images shifted along (x, y), (B, 2) in pixels to the right and down, zeros from beyond the edges. Between pixels the
    nearest two are mixed."""
    matrices = []
    for n, by in ((images.shape[-2], shift[:, 1]), (images.shape[-1], shift[:, 0])):
        at = torch.arange(n, device=images.device, dtype=images.dtype)
        apart = at[:, None] - by[:, None, None].to(images.dtype) - at  # of each output pixel's source from each pixel
        matrices.append((1 - apart.abs()).clamp(min=0)[:, None])
    return along_axes(matrices[0], images, matrices[1])
