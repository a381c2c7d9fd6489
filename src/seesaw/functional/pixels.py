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


def selected(images: Tensor, indices: Tensor) -> Tensor:
    """The images (N, C, H, W) at `indices`, int64 (B,): (B, C, H, W), a copy. uint16 goes by way of int16, whose bits are the
    same: on a GPU torch knows few operations on it."""
    if images.dtype == torch.uint16:
        return images.view(torch.int16).index_select(0, indices).view(torch.uint16)
    return images.index_select(0, indices)


def mirrored(images: Tensor, which: Tensor) -> Tensor:
    """`images` (B, C, H, W) with left and right exchanged in those that `which`, bool (B,), names."""
    if images.dtype == torch.uint16:
        return mirrored(images.view(torch.int16), which).view(torch.uint16)
    return torch.where(which.to(images.device)[:, None, None, None], images.flip(-1), images)
