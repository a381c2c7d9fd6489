"""Ways between latents: linear and spherical interpolation, and paths through key frames. Pure functions of tensors."""

import math
from typing import Literal

import torch
from torch import Tensor

How = Literal["slerp", "linear"]
"""How latents are interpolated."""

PARALLEL = 1e-4
"""Sine of the angle below which two directions count as parallel."""


def linear(a: Tensor, b: Tensor, t: Tensor) -> Tensor:
    """(1 - t) a + t b.

    Args:
        a, b: latents of one shape.
        t: in [0, 1], of a shape that broadcasts with theirs.
    """
    return a + t * (b - a)


def slerp(a: Tensor, b: Tensor, t: Tensor) -> Tensor:
    """Along the great circle from the direction of a to that of b, with the length going linearly from |a| to |b|.

    Standard normal latents of many dimensions lie near a sphere, which a straight line leaves: half-way between two of them its
    length is 1/sqrt(2) of theirs. Parallel and opposite latents, between which there is no one great circle, take the line.

    Args:
        a, b: latents (..., D); the vectors are those of the last axis.
        t: in [0, 1], of a shape that broadcasts with (..., 1).

    Source: Shoemake 1985; White 2016 (arXiv 1609.04468), section 2.1, for latents. The length there is that of the formula on
    vectors that are not normalised; for equal lengths both agree.
    """
    long_a, long_b = a.norm(dim=-1, keepdim=True), b.norm(dim=-1, keepdim=True)
    along = ((a * b).sum(-1, keepdim=True) / (long_a * long_b).clamp_min(1e-12)).clamp(-1, 1)
    angle = along.acos()
    sine = angle.sin()
    curved = (((1 - t) * angle).sin() * a / long_a + (t * angle).sin() * b / long_b) / sine.clamp_min(PARALLEL)
    return torch.where(sine < PARALLEL, linear(a, b, t), curved * linear(long_a, long_b, t))


def path(keys: Tensor, frames: int, how: How, loop: bool = False) -> Tensor:
    """The latents of a film through key frames.

    Args:
        keys: latents (K, ..., D), K at least 2.
        frames: from one key frame to the next, at least 1; the key frame itself is the first of them.
        how: slerp or linear.
        loop: whether it goes on from the last key frame to the first.

    Returns:
        (F, ..., D): with `loop` F is K * frames, without it (K - 1) * frames + 1, which ends on the last key frame.

    Raises:
        ValueError: there are fewer than two key frames, or no frames.
    """
    if len(keys) < 2 or frames < 1:
        raise ValueError(f"{len(keys)} key frames with {frames} frames each; at least 2 and 1 are needed")
    t = (torch.arange(frames) / frames).to(keys).view(-1, *[1] * (keys.ndim - 1))
    between = slerp if how == "slerp" else linear
    ends = [*keys[1:], keys[0]] if loop else list(keys[1:])
    segments = [between(a[None], b[None], t) for a, b in zip(keys, ends, strict=False)]
    return torch.cat(segments if loop else [*segments, keys[-1:]])


def norm_range(dim: int, outside: float = 2e-3) -> tuple[float, float]:
    """The lengths between which those of standard normal latents of `dim` numbers lie, but for the share `outside`, half of it at
    either end: quantiles of the chi distribution."""
    from scipy.stats import chi

    return float(chi.ppf(outside / 2, dim)), float(chi.ppf(1 - outside / 2, dim))


def with_norm_in(z: Tensor, low: float, high: float) -> Tensor:
    """z (..., D) with its length brought to the nearest one in [low, high]; its direction stays."""
    length = z.norm(dim=-1, keepdim=True).clamp_min(1e-12)
    return z * (length.clamp(low, high) / length)


def mixed(coarse: Tensor, fine: Tensor, layers: range) -> Tensor:
    """Style mixing (Karras et al. 2019, StyleGAN, section 3.1): the w of `coarse`, with those of `fine` at `layers`.

    Args:
        coarse, fine: (..., L, D), which broadcast.
        layers: of 0 to L - 1; 0 is at the coarsest scale.
    """
    chosen = torch.zeros(coarse.shape[-2], 1, dtype=torch.bool, device=coarse.device)
    chosen[list(layers)] = True
    return torch.where(chosen, fine, coarse)


def unit(directions: Tensor) -> Tensor:
    """Directions (K, D) of length 1, each with its largest number positive, so that their signs do not depend on the solver."""
    largest = directions.gather(-1, directions.abs().argmax(-1, keepdim=True))
    return directions / (directions.norm(dim=-1, keepdim=True).clamp_min(1e-12) * torch.where(largest < 0, -1.0, 1.0))


def random_directions(count: int, dim: int, seed: int) -> Tensor:
    """Directions of length 1, evenly distributed over the sphere, (count, dim)."""
    drawn = torch.randn(count, dim, generator=torch.Generator().manual_seed(seed))
    return drawn / drawn.norm(dim=1, keepdim=True)


def angle_between(a: Tensor, b: Tensor) -> float:
    """Degrees between two vectors (D,)."""
    return math.degrees(math.acos(max(-1.0, min(1.0, float(torch.dot(a, b) / (a.norm() * b.norm()))))))
