"""Affine maps of the channels of images (B, C, H, W), one a sample."""

import torch
from torch import Tensor


def coloured(
    images: Tensor, brightness: Tensor, contrast: Tensor, flip: Tensor, hue: Tensor, saturation: Tensor
) -> Tensor:
    """Brightness, contrast, luma flip, hue and saturation, in this order (Karras et al. 2020, "Training GANs with limited data",
    appendix B), as one matrix a sample.

    With P = vv^T onto the grey axis v = (1, …, 1) / sqrt(C) and K = [v]x the cross product with it, the linear part is
    contrast (sign P + saturation (cos(hue) (I - P) + sin(hue) K)), where sign is -1 under a luma flip, which reflects along v. A
    hue is a rotation about v, which only three channels have. One channel is all grey: it has no saturation either.

    Args:
        images: (B, C, H, W).
        brightness: (B,), added to all channels.
        contrast: (B,), times.
        flip: (B,), true reflects along the grey axis.
        hue: (B,), an angle.
        saturation: (B,), times.
    """
    channels = images.shape[1]
    sign = torch.where(flip, -1.0, 1.0).to(images.dtype)
    offset = (contrast * sign * brightness)[:, None, None]
    grey = images.new_full((channels, channels), 1 / channels)
    linear = (contrast * sign)[:, None, None] * grey
    if channels > 1:
        rest = torch.eye(channels, device=images.device, dtype=images.dtype) - grey
        turned = (saturation * (hue.cos() if channels == 3 else 1))[:, None, None] * rest
        if channels == 3:
            turned = turned + (saturation * hue.sin())[:, None, None] * _cross(images)
        linear = linear + contrast[:, None, None] * turned
    return torch.baddbmm(offset, linear, images.flatten(2)).view(images.shape)


def _cross(like: Tensor) -> Tensor:
    """The matrix of the cross product with (1, 1, 1) / sqrt(3): the cyclic shift less its transpose."""
    shift = torch.eye(3, device=like.device, dtype=like.dtype).roll(1, 0)
    return (shift - shift.T) / 3**0.5
