"""Which precision sums and losses are taken in."""

import contextlib
from typing import Any

import torch
from torch import Tensor


def at_least_float32(x: Tensor) -> Tensor:
    """float16 and bfloat16 to float32; float32 and float64 as they are."""
    return x.to(torch.promote_types(x.dtype, torch.float32))


def without_autocast(x: Tensor) -> contextlib.AbstractContextManager[Any]:
    """A context in which autocast leaves operations on x's device in their own dtypes."""
    kind = x.device.type
    if kind == "meta":  # where shapes alone are tried, there is no autocast
        return contextlib.nullcontext()
    return torch.autocast(kind, enabled=False)
