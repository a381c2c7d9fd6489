"""The latent whose image is nearest to a given one, found by gradient descent through a generator."""

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

SMALLEST = 4
"""Pixels of the shorter side below which the pyramid has no further level."""

RAMP_UP, RAMP_DOWN, NOISE_UNTIL = 0.05, 0.25, 0.75
"""Shares of the steps: while the learning rate rises, while it falls, and while w is disturbed."""

STRENGTH = 0.05
"""Of the noise on w, in its standard deviation."""


class Descent(NamedTuple):
    """How `project` minimises.

    Attributes:
        steps: of Adam, at least 1.
        lr: the largest learning rate; see `rate`.
        noise: standard deviation of one coordinate of w, which is disturbed by normal noise, see `disturbance`; 0: no noise.
        keep: brings latents back to where they may lie, after each step; None: anywhere.
        seed: of the noise.
    """

    steps: int
    lr: float = 0.1
    noise: float = 0.0
    keep: Callable[[Tensor], Tensor] | None = None
    seed: int = 0


class Projection(NamedTuple):
    """What `project` finds.

    Attributes:
        latent: the best one, of the shape of one start.
        start: number of the start that it came from.
        distance: of its image to the target.
        curve: for each start, the distance before the first step and after each, (starts, steps + 1). While w is disturbed it
            is that of the disturbed latent.
    """

    latent: Tensor
    start: int
    distance: float
    curve: Tensor


def blur(x: Tensor) -> Tensor:
    """The binomial filter of Burt and Adelson 1983 with reflected edges: (B, C, H, W), the same shape."""
    weight = torch.tensor([1.0, 4.0, 6.0, 4.0, 1.0], dtype=x.dtype, device=x.device) / 16
    c = x.shape[1]
    x = F.conv2d(F.pad(x, (2, 2, 0, 0), mode="reflect"), weight.expand(c, 1, 1, 5), groups=c)
    return F.conv2d(F.pad(x, (0, 0, 2, 2), mode="reflect"), weight.view(5, 1).expand(c, 1, 5, 1), groups=c)


def laplacian_pyramid(x: Tensor) -> list[Tensor]:
    """What each scale adds to the next coarser one, fine to coarse, and last the coarsest itself (Burt and Adelson 1983).

    Args:
        x: (B, C, H, W). A level is half as large as the one before, as long as its shorter side is at least 4.
    """
    levels = []
    while min(x.shape[-2:]) >= 2 * SMALLEST:
        coarse = blur(x)[..., ::2, ::2]
        levels.append(x - F.interpolate(coarse, x.shape[-2:], mode="bilinear", align_corners=False))
        x = coarse
    return [*levels, x]


def laplacian_distance(x: Tensor, y: Tensor) -> Tensor:
    """The sum over the levels of both Laplacian pyramids of the mean absolute difference, one value a sample: 0 for equal images.

    It is Lap1 of Bojanowski et al. 2018 (arXiv 1707.05776, section 3), sum_j 2^(2j) |L_j(x) - L_j(y)|_1, over the number of
    values of the image.

    Args:
        x, y: images in [-1, 1], (B, C, H, W); the batch of one may be 1.
    """
    levels = zip(laplacian_pyramid(x), laplacian_pyramid(y), strict=True)
    return torch.stack([(a - b).abs().mean((1, 2, 3)) for a, b in levels]).sum(0)


def within_range(x: Tensor, target: Tensor) -> Tensor:
    """x with values beyond -1 or 1 as the target's where that is at the same end of the range: they are shown alike. Others
    stay, so that they have a gradient.

    Args:
        x: what a generator gives, (B, C, H, W).
        target: in [-1, 1], (1, C, H, W).
    """
    return torch.where((target.abs() >= 1) & (x * target > 1), target, x)


def rate(share: float) -> float:
    """The learning rate, in its largest value, at a share of the steps in [0, 1]: it rises linearly over the first 5 % and
    falls as a cosine over the last 25 %."""
    down = min(1.0, (1 - share) / RAMP_DOWN)
    return (0.5 - 0.5 * math.cos(math.pi * down)) * min(1.0, share / RAMP_UP)


def disturbance(share: float) -> float:
    """Strength of the noise on w, in its standard deviation, at a share of the steps: it ends at 75 % of them."""
    return STRENGTH * max(0.0, 1 - share / NOISE_UNTIL) ** 2


def project(render: Callable[[Tensor], Tensor], target: Tensor, starts: Tensor, how: Descent) -> Projection:
    """Minimise `laplacian_distance` over latents by Adam, from several starts at once, and return the best latent. What G gives
    beyond the range is taken by `within_range`.

    Args:
        render: latents (S, ...) to images in about [-1, 1], (S, C, H, W), differentiable.
        target: (1, C, H, W), in [-1, 1].
        starts: latents (S, ...).
        how: number and size of the steps.

    Raises:
        ValueError: there are no steps.

    Source: Karras et al. 2020 (StyleGAN2), appendix D, with these deviations: the distance is not LPIPS, whose weights would
    have to be fetched; the noise images stay as they were trained; several starts are followed.
    """
    if how.steps < 1:
        raise ValueError(f"steps is {how.steps}; it must be at least 1")
    random = torch.Generator().manual_seed(how.seed)
    latent = starts.detach().clone().requires_grad_()
    adam = torch.optim.Adam([latent], lr=how.lr, betas=(0.9, 0.999))
    kept, curve = Best(starts), []
    for step in range(how.steps + 1):
        strength = how.noise * disturbance(step / how.steps) if step else 0.0
        shift = strength * torch.randn(latent.shape, generator=random).to(latent) if strength else 0.0
        distance = laplacian_distance(within_range(render(latent + shift), target), target)
        curve.append(distance.detach().cpu())
        if not strength:
            kept.see(latent.detach(), curve[-1])
        if step < how.steps:
            adam.zero_grad()
            distance.sum().backward()
            adam.param_groups[0]["lr"] = how.lr * rate((step + 1) / (how.steps + 1))
            adam.step()
            latent.data = latent.data if how.keep is None else how.keep(latent.data)
    first = int(kept.distance.argmin())
    return Projection(kept.latent[first], first, float(kept.distance[first]), torch.stack(curve, 1))


class Best:
    """The latent of the smallest distance that each start has come to.

    Args:
        starts: latents (S, ...).
    """

    def __init__(self, starts: Tensor) -> None:
        self.latent, self.distance = starts.detach().clone(), torch.full((len(starts),), math.inf)

    def see(self, latent: Tensor, distance: Tensor) -> None:
        """Keep those of latents (S, ...) whose distances (S,), on the CPU, are smaller than before."""
        better = distance < self.distance
        self.distance[better] = distance[better]
        rows = better.to(latent.device)
        self.latent[rows] = latent[rows]
