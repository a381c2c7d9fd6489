"""The features of generated samples, and what several metrics derive from them."""

from dataclasses import replace
from functools import cached_property

import torch
from torch import Tensor

from seesaw.functional.distances import Moments, moments
from seesaw.functional.neighbours import Counts, count, nearest
from seesaw.metrics.extractors.base import Assignment, Classifies, Extractor, KnowsModes
from seesaw.metrics.gate import Gate
from seesaw.metrics.reference import Reference

K_BALL, K_DENSITY = 3, 5
"""Neighbours of the balls of precision and recall, and of those of density and coverage."""

MOST = 10_000
"""Samples whose neighbours are asked for, at most."""

FIXED = 64
"""Samples of fixed latents that metrics of pixels see."""


class Features:
    """One set of samples as metrics see it. Each property is computed when a metric first asks for it, then kept.

    Args:
        values: float32 (n, d), on the CPU.
        extractor: what made them.
        y: int64 (n,), the labels that the samples were drawn with; None for a model without labels.
        gate: which samples count as images of the set; None: all, as of an extractor that does not classify.
        look: float32 (n, m), on the CPU, what the gate asks beside `values`; None of an extractor that has none.
        images: uint8 (b, C, H, W), on the CPU, a few further samples of fixed latents (`FIXED`), for metrics of pixels.
    """

    def __init__(
        self,
        values: Tensor,
        extractor: Extractor,
        y: Tensor | None = None,
        gate: Gate | None = None,
        look: Tensor | None = None,
        images: Tensor | None = None,
    ) -> None:
        self.values, self.extractor, self.y, self.gate, self.look = values, extractor, y, gate, look
        self.images = images
        self._counts: dict[int, Counts] = {}

    def __len__(self) -> int:
        return len(self.values)

    @cached_property
    def moments(self) -> Moments:
        """Mean (d,) and unbiased covariance (d, d), float64."""
        return moments(self.values)

    @cached_property
    def near(self) -> Tensor:
        """The first samples, at most `MOST`, (m, d): those whose neighbours are asked for."""
        return self.values[:MOST]

    @cached_property
    def balls(self) -> Tensor:
        """Distances of `near` to their nearest others, (m, K_BALL), rising."""
        return nearest(self.near, k=K_BALL).distance

    def counts(self, reals: Reference) -> Counts:
        """What one pass over the distances to the kept reals finds, once for a set of reals."""
        if id(reals) not in self._counts:
            self._counts[id(reals)] = count(reals.features, self.near, reals.balls, self.balls, K_BALL, K_DENSITY)
        return self._counts[id(reals)]

    @cached_property
    def probabilities(self) -> Tensor:
        """Class probabilities, (n, K), or (n, channels, K) where each channel is classified on its own."""
        assert isinstance(self.extractor, Classifies)  # the evaluator has checked what each metric needs
        return self.extractor.probabilities(self.values).cpu()

    @cached_property
    def valid(self) -> Tensor:
        """Bool (n,), whether each sample passes the gate."""
        assert self.gate is not None  # the evaluator makes one for every extractor that classifies
        return self.gate.valid(self.values, self.probabilities, self.look)

    @cached_property
    def assignment(self) -> Assignment:
        """Which of the known modes each sample belongs to. Those that do not pass the gate lie outside every mode."""
        assert isinstance(self.extractor, KnowsModes)
        found = self.extractor.assign(self)
        if self.gate is None:
            return found
        inside = found.expected[: found.modes].double()
        expected = torch.cat([inside / inside.sum() * self.gate.accepted, inside.new_tensor([1 - self.gate.accepted])])
        return replace(found, inside=found.inside & self.valid, expected=expected)
