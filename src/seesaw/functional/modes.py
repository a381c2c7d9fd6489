"""How many modes of a known distribution a set of samples has, and how evenly."""

import torch
from torch import Tensor


def coverage(counts: Tensor) -> int:
    """How many modes have at least one sample; counts (M,)."""
    return int((counts > 0).sum())


def histogram_kl(counts: Tensor, reference: Tensor) -> float:
    """KL(p || q) in nats of the samples' histogram p = counts / sum from the reference q, both (M,).

    The "reverse KL" of the mode-collapse tables: VEEGAN, PacGAN and their successors take KL of the generated histogram from
    the uniform one, so a missing mode costs little by itself and one mode alone costs log M. Infinite where a sample
    lies in a mode that the reference excludes; nan without samples.
    """
    p = counts.double() / counts.sum()
    q = reference.double() / reference.sum()
    return float((torch.special.xlogy(p, p) - torch.special.xlogy(p, q)).sum())


def nearest_mode(points: Tensor, means: Tensor) -> tuple[Tensor, Tensor]:
    """For points (N, d): the index, int64 (N,), of the nearest of the means (M, d), and its Euclidean distance (N,)."""
    distance, index = torch.cdist(points, means.to(points), compute_mode="donot_use_mm_for_euclid_dist").min(dim=1)
    return index, distance
