"""How images are stored, and how players see them: uint8 and [-1, 1]. Points of the plane are floats on both sides."""

import torch
from torch import Tensor


def to_unit(stored: Tensor, dtype: torch.dtype) -> Tensor:
    """uint8 (B, C, H, W) to [-1, 1], 0 and 255 at its ends; floats, which are points (B, 2, 1, 1), as they are. A copy."""
    if stored.dtype == torch.uint8:
        return stored.to(dtype, memory_format=torch.channels_last).div_(127.5).sub_(1)
    return stored.to(dtype, copy=True)


def to_stored(images: Tensor) -> Tensor:
    """What a generator gives, (B, C, H, W), to uint8, rounded and clipped; points (B, C, 1, 1) to float32, unchanged."""
    if images.shape[-2:] == (1, 1):
        return images.float()
    return images.float().add(1).mul(127.5).round_().clamp_(0, 255).to(torch.uint8)
