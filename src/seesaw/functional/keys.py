"""Randomness that depends on a key alone: the same key gives the same numbers, whatever was drawn before."""

import hashlib

import torch


def key(*parts: int | str) -> int:
    """A 63-bit seed from its parts: equal parts give equal seeds on every machine, different ones unrelated seeds."""
    digest = hashlib.blake2b("/".join(map(str, parts)).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little") >> 1


def reseed(seed: int, device: torch.device) -> None:
    """Seed the generators that unnamed random functions use on the CPU and on `device` (1 us; torch.manual_seed takes 20)."""
    torch.default_generator.manual_seed(seed)
    if device.type == "cuda":
        torch.cuda.default_generators[device.index or 0].manual_seed(seed)
