"""What measuring will cost, before it starts: one timed batch times the number of images, and the metrics' own time."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from seesaw.functional.pixels import to_8_bit
from seesaw.functional.ranks import world_size
from seesaw.metrics.clock import in_words, seconds_of
from seesaw.metrics.evaluator import MOST, Evaluator
from seesaw.metrics.extractors.base import rows_of
from seesaw.metrics.reference import KEPT, Reals, is_cached

TRIED = 16
"""Images of the batch that is timed."""


@dataclass(frozen=True)
class Estimate:
    """Seconds of one evaluation of `n` samples, and of the statistics of `count` reals: 0 where the cache has them."""

    evaluation: float
    n: int
    reals: float
    count: int

    def seconds(self, evaluations: int) -> float:
        """Duration of so many evaluations and the statistics of the reals together."""
        return self.reals + evaluations * self.evaluation

    def message(self, evaluations: int) -> str:
        """One line for a person."""
        line = f"metrics: about {in_words(self.evaluation)} for an evaluation of {self.n:,} samples"
        if evaluations > 1:
            line += f", about {in_words(evaluations * self.evaluation)} for the run's {evaluations}"
        if self.reals:
            line += (
                f"; first about {in_words(self.reals)} for the statistics of {self.count:,} reals, which are then kept"
            )
        return line


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
    some = to_8_bit(reals.gather(indices))
    rows_of(evaluator.extractor, some)  # the first batch pays for loading and for choosing kernels
    real = seconds_of(lambda: rows_of(evaluator.extractor, to_8_bit(reals.gather(indices))))
    made = seconds_of(lambda: [chunk.cpu() for chunk in sample(tried)])
    known = is_cached(reals, evaluator.extractor, cache_dir)
    ours = tried * world_size()  # processes share the images; the first one computes the metrics
    kept = min(len(reals), KEPT)
    metrics = sum(metric.seconds(evaluator.extractor.dim, n, kept) for metric in evaluator.measures.values())
    evaluation = (made + real) / ours * n + metrics
    return Estimate(evaluation, n, 0.0 if known else real / ours * len(reals), len(reals))
