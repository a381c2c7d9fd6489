"""The generators that unnamed random functions use."""

import torch


def reseed(seed: int, device: torch.device) -> None:
    """Seed the generators that unnamed random functions use on the CPU and on `device` (1 us; torch.manual_seed takes 20)."""
    torch.default_generator.manual_seed(seed)
    if device.type == "cuda":
        torch.cuda.default_generators[device.index or 0].manual_seed(seed)
