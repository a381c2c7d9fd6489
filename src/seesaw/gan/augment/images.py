"""What augmentations of images share."""

import contextlib

import torch
from torch import Tensor

from seesaw.functional.dtype import at_least_float32
from seesaw.types import Pyramid, UserError


def check_images(images: Pyramid, name: str) -> None:
    """Raise UserError for points of the plane; it looks at shapes alone."""
    if min(images[0].shape[-2:]) < 2:
        raise UserError(f"augment={name} transforms images, and these are points of the plane: give augment=none")


def without_autocast(device: torch.device) -> contextlib.AbstractContextManager[object]:
    """A context in which matrices are multiplied as they are: bfloat16 would round pixels to 8 bits."""
    if device.type == "meta":  # where shapes alone are tried, there is no autocast
        return contextlib.nullcontext()
    return torch.autocast(device.type, enabled=False)


def in_full(images: Pyramid) -> Pyramid:
    """The images, float32 at least, a channel after the other in memory."""
    return [at_least_float32(x).contiguous() for x in images]


def per_sample(values: Tensor) -> Tensor:
    """(B,) to (B, 1, 1, 1)."""
    return values[:, None, None, None]
