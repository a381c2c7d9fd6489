"""How images are stored, and how players see them: uint8 or uint16 and [-1, 1]. Points of the plane are floats on both sides."""

import torch
from torch import Tensor

DTYPES = {8: torch.uint8, 16: torch.uint16}
"""By the bits of a pixel and channel."""


def to_unit(stored: Tensor, dtype: torch.dtype) -> Tensor:
    """uint8 or uint16 (B, C, H, W) to [-1, 1], 0 and 255 or 65535 at its ends; floats, which are points (B, 2, 1, 1), as they
    are. A copy."""
    if stored.dtype == torch.uint8:
        return stored.to(dtype, memory_format=torch.channels_last).div_(127.5).sub_(1)
    if stored.dtype == torch.uint16:  # by way of float32: bfloat16 has 8 bits
        return stored.to(torch.float32, memory_format=torch.channels_last).div_(32767.5).sub_(1).to(dtype)
    return stored.to(dtype, copy=True)


def to_stored(images: Tensor, depth: int = 8) -> Tensor:
    """What a generator gives, (B, C, H, W), to uint8, or with `depth` 16 to uint16, rounded and clipped; points (B, C, 1, 1) to
    float32, unchanged."""
    if images.shape[-2:] == (1, 1):
        return images.float()
    half = (2**depth - 1) / 2
    return images.float().add(1).mul(half).round_().clamp_(0, 2 * half).to(DTYPES[depth])


def to_8_bit(stored: Tensor) -> Tensor:
    """uint16 to uint8, rounded, for networks and pictures that know no more; others as they are."""
    return stored.float().div_(257).round_().to(torch.uint8) if stored.dtype == torch.uint16 else stored
