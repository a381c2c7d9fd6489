"""Precision, recall, density and coverage: are samples among the reals, and reals among the samples."""

from collections.abc import Mapping

import torch

from seesaw.functional.neighbours import count
from seesaw.metrics.clock import seconds_of
from seesaw.metrics.extractors.base import Extractor
from seesaw.metrics.features import K_BALL, K_DENSITY, MOST, Features
from seesaw.metrics.metric import Metric
from seesaw.metrics.reference import Reference

TRIED = 256
"""Samples of the counting that is timed for the estimate."""

KINDS = ("precision", "recall", "density", "coverage")


class Manifold(Metric):
    """Four shares by the balls around each feature that reach to its k-th nearest neighbour, logged as NAME_EXTRACTOR, such as
    precision_digits: precision and recall of Kynkaanniemi et al. 2019 with k = 3, the border within (as torch-fidelity
    counts), and density and coverage of Naeem et al. 2020 with k = 5, the border without (as their authors count).

    Of the features that are kept of the reals, at most 10,000, and of as many samples at most. Coverage is the one that falls
    when modes are lost; precision rises meanwhile. Precision and recall are misled by outliers, whose balls are large. Further
    reals have a density of about 1 and, of equally many samples, a coverage of about 0.97; it falls with fewer samples than
    reals.
    """

    scale = "zero"
    beside = True

    def attach(self, extractor: Extractor) -> None:
        """Name the values by the extractor."""
        self.names = {kind: f"{kind}_{extractor.name}" for kind in KINDS}
        self.higher_is_better = dict.fromkeys(self.names.values(), True)
        self.role = {name: kind for kind, name in self.names.items()}

    def __call__(self, reals: Reference, fakes: Features) -> dict[str, float]:
        found, n = fakes.counts(reals), len(reals.features)
        self.of_reals = 1 - (n / (n + len(fakes.near))) ** K_DENSITY
        return {name: getattr(found, kind) for kind, name in self.names.items()}

    def evidence(self, values: Mapping[str, float]) -> dict[str, float]:
        """With `coverage_reals`, what as many further reals as there were samples would cover: 1 - (n / (n + m))^k of n reals and
        m samples, since a ball stays empty where each real's k nearest are all nearer than any sample (Naeem et al. 2020,
        section 3.2, for large sets)."""
        return super().evidence(values) | {"coverage_reals": self.of_reals}

    def protocol(self, n: int, kept: int) -> str:
        balls = f"precision and recall k={K_BALL} (<=), density and coverage k={K_DENSITY} (<)"
        return f"{balls}, of {min(n, MOST)} samples and {kept} reals"

    def seconds(self, dim: int, n: int, kept: int) -> float:
        """Scaled up from a small one: the neighbours of the samples, and the pass over all pairs."""
        x = torch.ones(min(TRIED, n, kept), dim)
        balls = torch.ones(len(x), K_DENSITY, dtype=torch.float64)
        pair = seconds_of(lambda: count(x, x, balls, balls)) / len(x) ** 2
        return pair * min(n, MOST) * (kept + min(n, MOST))
