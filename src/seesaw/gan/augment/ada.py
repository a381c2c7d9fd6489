"""The augmentation pipe of ADA, whose parts each fire with probability p."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from seesaw.functional.bands import BANDS, filtered
from seesaw.functional.colour import coloured
from seesaw.functional.warp import copied, warp
from seesaw.gan.augment.images import check_images, in_full, per_sample, without_autocast
from seesaw.gan.augment.probability import ProbabilityAugmentation
from seesaw.types import Pyramid, Schedule

SPECTRUM = (10.0, 1.0, 1.0, 1.0)
"""The power of the bands that the image filter expects, lowest first (appendix B): gains keep the sum."""


class Draw:
    """Random numbers for the samples of one pyramid, from torch's default generator.

    Args:
        like: (B, …), whose number, device and type count.
        p: of the pipe, a number on the device.
    """

    def __init__(self, like: Tensor, p: Tensor) -> None:
        self.n, self.device, self.dtype, self.p = len(like), like.device, like.dtype, p.to(like)

    def uniform(self) -> Tensor:
        """(B,) in [0, 1)."""
        return torch.rand(self.n, device=self.device, dtype=self.dtype)

    def normal(self) -> Tensor:
        """(B,), standard normal."""
        return torch.randn(self.n, device=self.device, dtype=self.dtype)

    def fires(self, multiplier: float) -> Tensor:
        """(B,), true with probability multiplier x p."""
        return self.uniform() < multiplier * self.p

    def turns(self, multiplier: float) -> Tensor:
        """(B,), true with such a probability that of two one fires with multiplier x p."""
        return self.uniform() < 1 - (1 - multiplier * self.p).sqrt()

    def angle(self, fires: Tensor) -> Tensor:
        """(B,) uniform in [-pi, pi) where it fires, else 0."""
        return torch.where(fires, (2 * self.uniform() - 1) * math.pi, 0)

    def factor(self, fires: Tensor, std: float) -> Tensor:
        """(B,), 2 to the power of N(0, std^2) where it fires, else 1."""
        return torch.where(fires, (std * self.normal()).exp2(), 1)


class ADA(ProbabilityAugmentation):
    """Karras et al. 2020, "Training GANs with limited data", appendix B: the whole pipe, with the strengths of the authors' code.

    Each operation fires for each sample by itself, with probability multiplier x p. In their order:

    - blit: mirrored (half of the time that it fires), turned by a multiple of 90 degrees, shifted by whole pixels, U(-1/8, 1/8)
      of the side.
    - geom: scale 2^N(0, 0.2^2); rotation U(-180, 180) degrees, once before and once after the next one, each with probability 1 -
      sqrt(1 - p); anisotropic scale, 2^N(0, 0.2^2) across and its inverse down; shift N(0, 0.125^2) of the side. Resampled once.
    - color: brightness + N(0, 0.2^2), contrast 2^N(0, 0.5^2), luma flip (half), hue U(-180, 180) degrees, saturation 2^N(0, 1).
    - filter: the gain of each of four octaves times 2^N(0, 1), normalised to an image of power 1/f.
    - noise: of standard deviation |N(0, 0.1^2)|. cutout: a rectangle of half the sides, its centre uniform, becomes 0.

    On a pyramid there is one draw for all scales: shifts by whole pixels of the finest join the resampling, noise is averaged
    down, and each octave keeps its place. Hue needs three channels, and one channel has no saturation. Images that are not
    square are turned by 0 or 180 degrees in `blit`, where all four turns of square ones are equally frequent.
    Deviations: `blit` copies pixels and does not pass through the resampling of `geom`; p ends at 1.

    Args:
        p, target, interval, speed_kimg: see `ProbabilityAugmentation`.
        blit, geom, color, filter, noise, cutout: multipliers of p, in [0, 1]. The paper's "bgc" has 1, 1, 1, 0, 0, 0.
    """

    def __init__(
        self,
        p: Schedule | None = None,
        target: float = 0.6,
        interval: int = 4,
        speed_kimg: float = 500.0,
        blit: float = 1.0,
        geom: float = 1.0,
        color: float = 1.0,
        filter: float = 0.0,
        noise: float = 0.0,
        cutout: float = 0.0,
    ) -> None:
        super().__init__(p, target, interval, speed_kimg)
        self.multipliers = {
            "blit": blit, "geom": geom, "color": color, "filter": filter, "noise": noise, "cutout": cutout,
        }  # fmt: skip
        for name, value in self.multipliers.items():
            if not 0 <= value <= 1:
                raise ValueError(f"{name} is {value}; it must be at least 0 and at most 1")
        if not any(self.multipliers.values()):
            raise ValueError(f"{', '.join(self.multipliers)} are all 0, so nothing is augmented; give augment=none")

    def forward(self, images: Pyramid) -> Pyramid:
        check_images(images, "ada")
        draw, m, found = Draw(in_full(images)[-1], self.now), self.multipliers, in_full(images)
        with without_autocast(images[0].device):
            found, rest = _blit(found, draw, m["blit"]) if m["blit"] else (found, None)
            if m["geom"] or rest is not None:
                found = _geom(found, draw, m["geom"], rest)
            for name, part in (("color", _color), ("filter", _filter), ("noise", _noise), ("cutout", _cutout)):
                if m[name]:
                    found = part(found, draw, m[name])
        return [y.to(x.dtype) for x, y in zip(images, found, strict=True)]


def _blit(images: Pyramid, draw: Draw, m: float) -> tuple[Pyramid, Tensor | None]:
    """The images with their pixels copied, and the shifts (B, 2) in pixels of the finest that are left to `_geom`: of a pyramid
    all, since they are no whole pixels of the coarser scales."""
    h, w = images[-1].shape[-2:]
    mirror = draw.fires(m) & (draw.uniform() < 0.5)
    turns = 4 if h == w else 2
    quarters = (draw.uniform() * turns).long() * (4 // turns) * draw.fires(m)
    moves = draw.fires(m)
    shift = torch.stack([((draw.uniform() / 4 - 1 / 8) * side).round() * moves for side in (w, h)], 1)
    if len(images) > 1:
        return [copied(x, mirror, quarters, torch.zeros_like(shift)) for x in images], shift
    return [copied(images[0], mirror, quarters, shift)], None


def _geom(images: Pyramid, draw: Draw, m: float, before: Tensor | None) -> Pyramid:
    """The images under scale, rotation, anisotropic scale, rotation and shift, after the shifts `before`."""
    finest = images[-1]
    scales, first, stretches, second, moves = draw.fires(m), draw.turns(m), draw.fires(m), draw.turns(m), draw.fires(m)
    scale, stretch = draw.factor(scales, 0.2), draw.factor(stretches, 0.2)
    zoom = torch.diag_embed(1 / torch.stack([scale * stretch, scale / stretch], 1))
    linear = _rotation(-draw.angle(first)) @ zoom @ _rotation(-draw.angle(second))
    shift = torch.stack([0.125 * side * draw.normal() * moves for side in reversed(finest.shape[-2:])], 1)
    back, fires = (linear @ -shift[:, :, None])[:, :, 0], scales | first | stretches | second | moves
    if before is not None:
        back, fires = back - before, fires | (before != 0).any(1)
    return [torch.where(per_sample(fires), warp(x, linear, back * (x.shape[-1] / finest.shape[-1])), x) for x in images]


def _rotation(angle: Tensor) -> Tensor:
    """(B,) to (B, 2, 2)."""
    cos, sin = angle.cos(), angle.sin()
    return torch.stack([cos, -sin, sin, cos], 1).view(-1, 2, 2)


def _color(images: Pyramid, draw: Draw, m: float) -> Pyramid:
    brightness = 0.2 * draw.normal() * draw.fires(m)
    contrast = draw.factor(draw.fires(m), 0.5)
    flip = draw.fires(m) & (draw.uniform() < 0.5)
    hue = draw.angle(draw.fires(m))
    saturation = draw.factor(draw.fires(m), 1.0)
    return [coloured(x, brightness, contrast, flip, hue, saturation) for x in images]


def _filter(images: Pyramid, draw: Draw, m: float) -> Pyramid:
    """The octave k of a scale that is 2^j times coarser is the finest's octave k - j."""
    spectrum = torch.tensor(SPECTRUM, device=images[-1].device, dtype=images[-1].dtype)
    spectrum = spectrum / spectrum.sum()
    gains = torch.ones(draw.n, BANDS, device=draw.device, dtype=draw.dtype)
    for band in range(BANDS):
        fires, changed = draw.fires(m), torch.ones_like(gains)
        changed[:, band] = draw.normal().exp2()
        changed = changed / (spectrum * changed.square()).sum(1, keepdim=True).sqrt()
        gains = torch.where(fires[:, None], gains * changed, gains)
    found = []
    for x in images:
        coarser = (images[-1].shape[-1] // x.shape[-1]).bit_length() - 1
        octaves = [max(band - coarser, 0) for band in range(BANDS)]
        found.append(filtered(x, gains[:, octaves]))
    return found


def _noise(images: Pyramid, draw: Draw, m: float) -> Pyramid:
    std = 0.1 * draw.normal().abs() * draw.fires(m)
    noise = per_sample(std) * torch.randn_like(images[-1])
    return [x + F.avg_pool2d(noise, noise.shape[-1] // x.shape[-1]) for x in images]


def _cutout(images: Pyramid, draw: Draw, m: float) -> Pyramid:
    fires, centres = draw.fires(m), (draw.uniform(), draw.uniform())
    found = []
    for x in images:
        y_in, x_in = (
            ((torch.arange(n, device=draw.device, dtype=draw.dtype) + 0.5) / n - centre[:, None]).abs() < 0.25
            for n, centre in zip(x.shape[-2:], centres, strict=True)
        )
        inside = (y_in[:, None, :, None] & x_in[:, None, None, :]) & per_sample(fires)
        found.append(torch.where(inside, 0, x))
    return found
