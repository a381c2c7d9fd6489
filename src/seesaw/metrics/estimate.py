"""What measuring will cost, told before it starts: one measured batch times the number of images, and the distances beside it."""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from seesaw.functional.distances import frechet_distance, kernel_distance
from seesaw.functional.ranks import world_size
from seesaw.metrics.evaluator import MOST, SUBSET_SIZE, Evaluator
from seesaw.metrics.reference import KEPT, Reals, is_cached

TRIED = 16
"""Images of the batch that is measured."""


@dataclass(frozen=True)
class Estimate:
    """Seconds of one evaluation of `n` samples, and of the statistics of `count` reals: 0 where the cache has them."""

    evaluation: float
    n: int
    reals: float
    count: int

    def seconds(self, evaluations: int) -> float:
        """All that so many evaluations and the statistics of the reals take."""
        return self.reals + evaluations * self.evaluation

    def sentence(self, evaluations: int) -> str:
        """One line for a person."""
        told = f"metrics: about {lasting(self.evaluation)} for an evaluation of {self.n:,} samples"
        if evaluations > 1:
            told += f", about {lasting(evaluations * self.evaluation)} for the run's {evaluations}"
        if self.reals:
            told += (
                f"; first about {lasting(self.reals)} for the statistics of {self.count:,} reals, which are then kept"
            )
        return told


def estimate(
    evaluator: Evaluator, reals: Reals, cache_dir: str | Path, sample: Callable[[int], Iterable[Tensor]]
) -> Estimate:
    """What `evaluator`, whose extractor is prepared, will need. It costs two batches of 16 images.

    Args:
        sample: a number to so many generated images, uint8 (b, C, H, W) in chunks.
    """
    n = min(len(reals), MOST) if evaluator.n is None else evaluator.n
    tried = min(TRIED, evaluator.batch_size, n, len(reals))
    indices = torch.arange(tried)
    evaluator.extractor(reals.gather(indices))  # the first batch pays for loading and for choosing kernels
    real = seconds_of(lambda: evaluator.extractor(reals.gather(indices)).cpu())
    made = seconds_of(lambda: [chunk.cpu() for chunk in sample(tried)])
    known = is_cached(reals, evaluator.extractor, cache_dir)
    ours = tried * world_size()  # processes share the images; the first one takes the distances
    evaluation = (made + real) / ours * n + distances(evaluator.extractor.dim, n, len(reals), evaluator.kernel_subsets)
    return Estimate(evaluation, n, 0.0 if known else real / ours * len(reals), len(reals))


def distances(dim: int, n: int, count: int, subsets: int | None) -> float:
    """Seconds of both distances of `dim` features, n samples and `count` reals, from smaller ones of the same kind."""
    small, few = min(dim, 256), min(256, n, count)
    unit, zero = torch.eye(small, dtype=torch.float64), torch.zeros(small, dtype=torch.float64)
    frechet = seconds_of(lambda: frechet_distance(zero, unit, zero, unit, unit)) * (dim / small) ** 3
    x = torch.ones(few, dim)
    kernel = seconds_of(lambda: kernel_distance(x, x)) / (3 * few**2)
    kept = min(count, KEPT)
    if subsets is None:
        return frechet + kernel * (n**2 + kept**2 + n * kept)
    return frechet + kernel * 3 * min(SUBSET_SIZE, n, kept) ** 2 * subsets


def seconds_of(call: Callable[[], object]) -> float:
    """By the clock."""
    began = time.perf_counter()
    call()
    return time.perf_counter() - began


def lasting(seconds: float) -> str:
    """In the unit a person would take: 0.4 s, 40 s, 12 min, 3.5 h."""
    if seconds < 90:
        return f"{seconds:.2g} s" if seconds < 10 else f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
