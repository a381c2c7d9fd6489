"""The features of generated samples, and what several metrics derive from them."""

from functools import cached_property

from torch import Tensor

from seesaw.functional.distances import Moments, moments
from seesaw.metrics.extractors.base import Assignment, Classifies, Extractor, KnowsModes


class Features:
    """One set of samples as metrics see it. Each property is computed when a metric first asks for it, then kept.

    Args:
        values: float32 (n, d), on the CPU.
        extractor: what made them.
        y: int64 (n,), the labels that the samples were drawn with; None for a model without labels.
    """

    def __init__(self, values: Tensor, extractor: Extractor, y: Tensor | None = None) -> None:
        self.values, self.extractor, self.y = values, extractor, y

    def __len__(self) -> int:
        return len(self.values)

    @cached_property
    def moments(self) -> Moments:
        """Mean (d,) and unbiased covariance (d, d), float64."""
        return moments(self.values)

    @cached_property
    def probabilities(self) -> Tensor:
        """Class probabilities, (n, K), or (n, channels, K) where each channel is classified on its own."""
        assert isinstance(self.extractor, Classifies)  # the evaluator has checked what each metric needs
        return self.extractor.probabilities(self.values).cpu()

    @cached_property
    def assignment(self) -> Assignment:
        """Which of the known modes each sample belongs to."""
        assert isinstance(self.extractor, KnowsModes)
        return self.extractor.assign(self)
