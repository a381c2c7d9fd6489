"""How many of the known modes the generator covers."""

from collections.abc import Mapping

from seesaw.functional.modes import coverage
from seesaw.metrics.extractors.base import KnowsModes
from seesaw.metrics.features import Features
from seesaw.metrics.metric import Metric
from seesaw.metrics.reference import Reference


class Modes(Metric):
    """Number of modes (classes, triples of classes, Gaussians) with at least one sample inside them; of classes and triples
    a sample must pass `seesaw.metrics.gate.Gate`, which the published tables do not ask. It grows with the
    number of samples: 26,000 in VEEGAN's and PacGAN's tables of stacked digits, 2,500 in those of Gaussians."""

    higher_is_better = True
    needs = KnowsModes
    title = "modes found"
    scale = "zero"

    def __init__(self) -> None:
        self.known = 0

    def __call__(self, reals: Reference, fakes: Features) -> float:
        self.known = fakes.assignment.modes
        return float(coverage(fakes.assignment.counts()))

    def evidence(self, values: Mapping[str, float]) -> dict[str, float]:
        """The share of the known modes: `mode_share`."""
        (found,) = values.values()
        return {"mode_share": found / self.known}
