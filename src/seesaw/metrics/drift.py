"""How far the images of fixed latents move between two evaluations: the stability that MSG-GAN's figure shows."""

import torch
import torch.nn.functional as F
from torch import Tensor

from seesaw.functional.pixels import to_8_bit

COUNT = 36
LARGEST = 64  # pixels of the longer side; larger images are averaged down, so that a checkpoint need not hold megabytes


class Drift:
    """Mean squared difference of the images of 36 fixed latents from those at the evaluation before.

    Karnewar and Wang 2020, section 4.2: small while a run settles; a generator that jumps about keeps it large. Values are in
    [-1, 1], so 4 is the most. Deviations: images above 64 px are compared at 64 px; between scales of a growing model the
    larger ones are averaged down; the averaged generator is looked at, at evaluations instead of epochs.
    """

    def __init__(self) -> None:
        self.before: Tensor | None = None

    def update(self, images: Tensor) -> dict[str, float]:
        """Images (N, C, H, W), uint8 or points; returns {"drift": value}, empty at the first call."""
        now = to_8_bit(images.cpu())
        if now.dtype == torch.uint8:
            now = _shrunk(now, LARGEST)
        before, self.before = self.before, now
        if before is None:
            return {}
        size = min(max(before.shape[-2:]), max(now.shape[-2:]))
        return {"drift": (_unit(_shrunk(now, size)) - _unit(_shrunk(before, size))).square().mean().item()}


def _unit(images: Tensor) -> Tensor:
    return images.float() / 127.5 - 1 if images.dtype == torch.uint8 else images


def _shrunk(images: Tensor, size: int) -> Tensor:
    """The images averaged over squares of pixels, by the least power of two that brings the longer side to `size` or below."""
    longer, factor = max(images.shape[-2:]), 1
    while longer > factor * size:
        factor *= 2
    return images if factor == 1 else F.avg_pool2d(images.float(), factor).round_().to(images.dtype)
