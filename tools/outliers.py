"""Images that are none of the set, made of its own images: what the detector that ships beside a classifier learns to refuse
(outlier exposure: Hendrycks et al. 2019, arXiv 1812.04606). Each kind takes float (B, 1, 32, 32) in [-1, 1] and images of other
classes in the same order, and returns as many."""

import math
from collections.abc import Callable

import torch
from torch import Generator, Tensor
from torch.nn import functional as F

SIZE = 32


def uniform(n: int, low: float, high: float, g: Generator) -> Tensor:
    """(n, 1, 1, 1), uniform in [low, high]."""
    return low + (high - low) * torch.rand(n, 1, 1, 1, generator=g)


def smooth(x: Tensor, sigma: Tensor) -> Tensor:
    """Gaussian blur of each image by its own sigma (B, 1, 1, 1) in px; edges are continued."""
    b, c = x.shape[:2]
    at = torch.arange(-15, 16.0)
    kernel = (-(at**2) / (2 * sigma.flatten()[:, None] ** 2)).exp()
    kernel = (kernel / kernel.sum(1, keepdim=True)).repeat_interleave(c, 0)
    flat = F.pad(x.reshape(1, b * c, *x.shape[2:]), (15, 15, 15, 15), mode="replicate")
    flat = F.conv2d(flat, kernel[:, None, :, None], groups=b * c)
    return F.conv2d(flat, kernel[:, None, None, :], groups=b * c).view(x.shape)


def moved(x: Tensor, shift: Tensor) -> Tensor:
    """Each image with its pixels taken from elsewhere: shift (B, 2, 32, 32) in px, of x and y. Black comes in at the edges."""
    lines = torch.linspace(-1, 1, SIZE)
    y, x0 = torch.meshgrid(lines, lines, indexing="ij")
    grid = torch.stack([x0, y], -1) + shift.permute(0, 2, 3, 1) * (2 / (SIZE - 1))
    return F.grid_sample(x + 1, grid, align_corners=True) - 1


def field(n: int, channels: int, sigma: Tensor, g: Generator) -> Tensor:
    """Smooth noise (n, channels, 32, 32) of unit variance."""
    noise = smooth(torch.randn(n, channels, SIZE, SIZE, generator=g), sigma)
    return noise / noise.std((1, 2, 3), keepdim=True)


def plane(n: int, g: Generator) -> Tensor:
    """Distance in px (n, 1, 32, 32) to a line of random direction, which passes within 5 px of the centre."""
    angle, offset = uniform(n, 0, 2 * math.pi, g), uniform(n, -5, 5, g)
    lines = torch.arange(SIZE) - (SIZE - 1) / 2
    return lines[:, None] * angle.sin() + lines * angle.cos() - offset


def box(n: int, least: int, most: int, g: Generator) -> Tensor:
    """Bool (n, 1, 32, 32), a rectangle with sides of `least` to `most` px and its centre near that of the image."""
    lines = torch.arange(SIZE)
    inside = []
    for _ in range(2):
        half = uniform(n, least / 2, most / 2, g)
        centre = uniform(n, 11, 21, g)
        inside.append((lines - centre).abs() <= half)
    return inside[0] & inside[1].transpose(2, 3)


def blurred(x: Tensor, other: Tensor, g: Generator) -> Tensor:
    return smooth(x, uniform(len(x), 2, 6, g))


def averaged(x: Tensor, other: Tensor, g: Generator) -> Tensor:
    return torch.lerp(x, other, uniform(len(x), 0.3, 0.7, g))


def combined(x: Tensor, other: Tensor, g: Generator) -> Tensor:
    """Power mean of the brightness of two, between their minimum (-6) and their maximum (8)."""
    power, share = uniform(len(x), -6, 8, g), uniform(len(x), 0.35, 0.65, g)
    power = torch.where(power.abs() < 0.2, 0.2, power)
    one, two = ((image / 2 + 0.5).clamp(0.02, 1) ** power for image in (x, other))
    return 2 * torch.lerp(one, two, share) ** (1 / power) - 1


def joined(x: Tensor, other: Tensor, g: Generator) -> Tensor:
    """Two parts along a line, which may be soft."""
    return torch.lerp(x, other, (plane(len(x), g) / uniform(len(x), 0.1, 3, g)).sigmoid())


def halved(x: Tensor, other: Tensor, g: Generator) -> Tensor:
    """Two halves, one above or beside the other."""
    first = (torch.arange(SIZE) < uniform(len(x), 13, 19, g)).expand(-1, 1, SIZE, SIZE)
    return torch.where(torch.where(uniform(len(x), 0, 1, g) < 0.5, first, first.transpose(2, 3)), x, other)


def patched(x: Tensor, other: Tensor, g: Generator) -> Tensor:
    return torch.where(box(len(x), 10, 22, g), other, x)


def covered(x: Tensor, other: Tensor, g: Generator) -> Tensor:
    """A rectangle of one grey, often black, over the middle."""
    grey = (uniform(len(x), -1.5, 1, g)).clamp_min(-1)
    return torch.where(box(len(x), 9, 20, g), grey, x)


def warped(x: Tensor, other: Tensor, g: Generator) -> Tensor:
    n = len(x)
    return moved(x, field(n, 2, uniform(n, 2.5, 6, g), g) * uniform(n, 3.5, 8, g))


def in_blocks(x: Tensor, other: Tensor, g: Generator) -> Tensor:
    """Blocks of 4, 8 or 16 px in another order."""
    found = torch.empty_like(x)
    for rows, side in zip(torch.randperm(len(x), generator=g).tensor_split(3), (4, 8, 16), strict=True):
        parts = F.unfold(x[rows], side, stride=side)
        order = torch.rand(len(rows), 1, parts.shape[2], generator=g).argsort(2)
        found[rows] = F.fold(parts.gather(2, order.expand_as(parts)), (SIZE, SIZE), side, stride=side)
    return found


def noised(x: Tensor, other: Tensor, g: Generator) -> Tensor:
    return x + torch.randn(x.shape, generator=g) * uniform(len(x), 0.25, 1, g)


def faded(x: Tensor, other: Tensor, g: Generator) -> Tensor:
    """Of little contrast, or inverted."""
    return (x + 1) * uniform(len(x), -1, 0.4, g) + uniform(len(x), -1, 1, g)


def enlarged(x: Tensor, other: Tensor, g: Generator) -> Tensor:
    """A part of the image."""
    n = len(x)
    theta = torch.zeros(n, 2, 3)
    theta[:, 0, 0] = theta[:, 1, 1] = uniform(n, 0.3, 0.6, g).flatten()
    theta[:, :, 2] = uniform(2 * n, -0.4, 0.4, g).view(n, 2)
    return F.grid_sample(x + 1, F.affine_grid(theta, list(x.shape), align_corners=False), align_corners=False) - 1


def rolled(x: Tensor, other: Tensor, g: Generator) -> Tensor:
    """Moved around the edges by 8 to 24 px, along one side or both."""
    at = torch.arange(SIZE)
    n = len(x)
    move = torch.randint(8, 25, (n, 2), generator=g)
    move[torch.arange(n), torch.randint(0, 2, (n,), generator=g)] *= torch.randint(0, 2, (n,), generator=g)
    rows, columns = ((at + m[:, None]) % SIZE for m in move.T)
    return x[torch.arange(n)[:, None, None], 0, rows[:, :, None], columns[:, None, :]][:, None]


def scribbled(x: Tensor, other: Tensor, g: Generator) -> Tensor:
    """Two to five random strokes, of about the reals' width and brightness."""
    n, points, strokes = len(x), 20, 4
    t = torch.linspace(0, 1, points)
    basis = torch.stack([(1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t**2 * (1 - t), t**3])
    corners = 4 + 24 * torch.rand(n, strokes, 4, 2, generator=g)
    path = torch.einsum("nskc,kp->nspc", corners, basis).flatten(1, 2)
    drawn = (torch.arange(strokes) < 2 + torch.randint(0, strokes - 1, (n, 1), generator=g)).repeat_interleave(points, 1)
    near = -(path[..., None] - torch.arange(SIZE)).square() / (2 * uniform(n, 1.2, 2.2, g) ** 2)
    rows, columns = near.exp().unbind(2)
    ink = torch.einsum("npr,npc->nrc", rows * drawn[..., None], columns) / 2
    return ink.clamp_max(1)[:, None] * uniform(n, 1.4, 2, g) - 1


def blobs(x: Tensor, other: Tensor, g: Generator) -> Tensor:
    n = len(x)
    return field(n, 1, uniform(n, 0.8, 5, g), g) * uniform(n, 0.5, 2, g) + uniform(n, -1, 0.3, g)


def without_form(x: Tensor, other: Tensor, g: Generator) -> Tensor:
    """Uniform noise, pixels in another order, or one grey."""
    one, two, three = x.tensor_split(3)
    order = torch.rand(len(two), SIZE * SIZE, generator=g).argsort(1)
    noise = torch.rand(one.shape, generator=g) * 2 - 1
    return torch.cat([noise, two.flatten(1).gather(1, order).view_as(two), uniform(len(three), -1, 1, g).expand_as(three)])


Kind = Callable[[Tensor, Tensor, Generator], Tensor]
KINDS: tuple[Kind, ...] = (
    blurred, averaged, combined, joined, halved, patched, covered, warped, in_blocks, noised, faded, enlarged, rolled,
    scribbled, blobs, without_form,
)  # fmt: skip


def outliers(x: Tensor, other: Tensor, g: Generator) -> Tensor:
    """Each image (B, 1, 32, 32) spoiled in one of the ways, about as many in each, as 8 bits would hold it."""
    order = torch.randperm(len(x), generator=g)
    found = torch.empty_like(x)
    for rows, kind in zip(order.tensor_split(len(KINDS)), KINDS, strict=True):
        found[rows] = kind(x[rows], other[rows], g)
    return found.clamp(-1, 1)
