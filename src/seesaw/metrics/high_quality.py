"""How many samples lie in a mode of a mixture."""

from seesaw.metrics.extractors.base import KnowsModes
from seesaw.metrics.features import Features
from seesaw.metrics.metric import Metric
from seesaw.metrics.reference import Reference


class HighQuality(Metric):
    """Share of samples inside a mode: of Gaussians, within 3 standard deviations of the nearest mean (VEEGAN, PacGAN),
    where the mixture itself has 0.989."""

    higher_is_better = True
    needs = KnowsModes
    title = "samples of quality (share)"
    scale = "zero"

    def __call__(self, reals: Reference, fakes: Features) -> float:
        return fakes.assignment.inside.double().mean().item()
