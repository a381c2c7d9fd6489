"""Counted operations, and the most that this machine can do."""

import time
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry


class Operations(TorchDispatchMode):
    """Sums torch's own formulas over the convolutions and products that pass: 2 for a multiplication and addition.

    torch's FlopCounterMode fails on gradients with respect to leaves, which penalties take.
    """

    total = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        formula = flop_registry.get(func._overloadpacket)
        if formula is not None:
            self.total += int(formula(*args, **(kwargs or {}), out_val=out))
        return out


def peak(dtype: torch.dtype, seconds: float = 1.0) -> float:
    """GFLOP/s of the best kernel found here on one thread: a 3x3 convolution of 256 channels, channels last. CPU seconds."""
    x = torch.randn(16, 256, 16, 16, dtype=dtype).contiguous(memory_format=torch.channels_last)
    conv = nn.Conv2d(256, 256, 3, padding=1, dtype=dtype).to(memory_format=torch.channels_last)
    operations = 2 * 9 * 256**2 * 16 * 16**2
    with torch.no_grad():
        return operations / fastest(lambda: F.conv2d(x, conv.weight, padding=1), seconds) / 1e9


def fastest(call: Callable[[], object], seconds: float) -> float:
    """The least CPU seconds of a call, tried for so long."""
    call()
    best, end = float("inf"), time.process_time() + seconds
    while time.process_time() < end:
        began = time.process_time()
        call()
        best = min(best, time.process_time() - began)
    return best
